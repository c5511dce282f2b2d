"""Tests that the purchase which the demo chooses is the only one that the stand-in refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sync_bench import Bench

import cio_spark.demo
from cio_spark.config import load_config
from cio_spark.demo.data import DemoTables
from cio_spark.demo.refused import choose_refused
from cio_spark.standin import Fault

PURCHASES = """
SELECT string(40000 - id) AS basket_id, string(id % 3) AS product_id, 'h1' AS household_id, 's' AS store_id,
  'Product Purchased' AS event, timestamp_seconds(1490000000 + id) AS purchased_at, 1 AS quantity,
  decimal(1.5) AS sales_value, decimal(0.1) AS retail_discount, decimal(0) AS coupon_discount,
  'National' AS brand, '8 OZ' AS package_size, array('DRUG GM') AS categories FROM range(20)
"""


@pytest.mark.slow
def test_the_chosen_purchase_alone_is_refused_in_a_first_run(bench: Callable[..., Bench], tmp_path: Path) -> None:
    config = load_config(Path(cio_spark.demo.__file__).with_name("purchases.yml"))
    sync = bench(config.payload.model_dump(mode="json", by_alias=True, exclude_none=True))
    sync.spark.sql(PURCHASES).write.format("delta").save(str(tmp_path / "purchases"))
    # A message id is also made of the sync's name
    named = config.model_copy(update={"sync": config.sync.model_copy(update={"name": sync.name})})
    refused = choose_refused(sync.spark, DemoTables(tmp_path, ()), named)
    sync.api.script(Fault(poison=frozenset({refused.message_id})))
    result = sync.run(source={"path": str(tmp_path / "purchases")}, batch={"error_threshold_percent": 100.0})
    assert (result.books.delivery.accepted, result.books.delivery.rejected) == (19, 1)
    (row,) = [row for row in sync.statuses() if row["status"] == "rejected"]
    assert row["record_id"] == refused.record_id == '["39981","1"]'
