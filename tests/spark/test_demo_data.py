"""Tests that the real purchases of the demo arrive, counted to the last one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cio_spark.demo.data import HOUSEHOLDS, HOUSEHOLDS_WITH_DEMOGRAPHICS, PURCHASES
from cio_spark.standin import StandIn

# The demo runs in a process of its own, as a user would run it, without the settings that make small Spark jobs quick
QUICK = ("JDK_JAVA_OPTIONS", "SPARK_CONF_DIR")
SCRIPT = """
import json, sys
from pathlib import Path
import cio_spark.demo
from cio_spark.config import ApiKey, load_config
from cio_spark.demo.data import prepare_demo_tables
from cio_spark.pipeline import run_sync
from cio_spark.results import Tables
from cio_spark.spark.session import build_session

url, key, warehouse = sys.argv[1], sys.argv[2], Path(sys.argv[3])
spark = build_session(warehouse)
tables = prepare_demo_tables(spark, warehouse)
households = spark.read.format("delta").load(str(tables.folder / "households"))
counts = {"households": households.count(), "with_demographics": households.where("age IS NOT NULL").count()}
settings = [f"api.base_url={url}", "batch.enable_monitoring=false"]
config = load_config(Path(cio_spark.demo.__file__).with_name("purchases.yml"), overrides=settings)
for name, full in {"first": False, "second": False, "compared": True}.items():
    books = run_sync(config, spark=spark, api_key=ApiKey(key), warehouse=warehouse, full=full).books
    survey, delivery = books.survey, books.delivery
    counts[name] = [survey.source_rows, delivery.accepted, survey.unchanged, delivery.persisted, books.balanced]
statuses = Tables(spark, config.tables, warehouse).read("record_status").where("status = 'accepted'")
counts["message_ids"] = statuses.select("message_id").distinct().count()
print(json.dumps(counts))
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_one_of_the_untouched_purchases_is_accepted_once_and_none_is_sent_again(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in QUICK}
    with StandIn() as api:
        arguments = [sys.executable, "-c", SCRIPT, api.url, api.api_key, str(tmp_path / "warehouse")]
        done = subprocess.run(arguments, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        said: dict[str, Any] = json.loads(done.stdout)
        assert said == {
            "households": HOUSEHOLDS,
            "with_demographics": HOUSEHOLDS_WITH_DEMOGRAPHICS,
            "first": [PURCHASES, PURCHASES, 0, PURCHASES, True],
            "second": [0, 0, 0, 0, True],
            "compared": [PURCHASES, 0, PURCHASES, 0, True],
            "message_ids": PURCHASES,
        }
        assert api.received.count() == PURCHASES
        assert api.received.duplicates() == {}
        assert (api.received.over_limit().items, api.received.over_limit().bodies) == (0, 0)
        assert api.traffic.max_in_flight <= 8
