"""Tests that our replacements for functions of Spark 4, which Spark 3.5 needs, do the same as these functions.

`make test-versions` runs all Spark tests on the real versions.
"""

from __future__ import annotations

from datetime import datetime, timezone

import pyarrow as pa
import pyspark
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from cio_spark.spark import versions as spark_versions
from cio_spark.spark.conf import temporary_settings
from cio_spark.spark.versions import from_arrow, to_arrow

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, timezone.utc)
ROWS = pa.table(
    {
        "text": pa.array(["a", None, "ß\0"]),
        "number": pa.array([1, 2**40, None], pa.int64()),
        "at": pa.array([AT, None, AT], pa.timestamp("us", tz="UTC")),
        "facts": pa.array([{"n": 1}, None, {"n": None}], pa.struct([("n", pa.int32())])),
        "metadata": pa.array([[("k", "v")], [], None], pa.map_(pa.string(), pa.string())),
    }
)


@pytest.fixture(params=[True, False], ids=["Spark 4", "before"])
def _version(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param and not spark_versions.IS_SPARK_4:
        pytest.skip("this is an earlier one")
    if not request.param and pyspark.__version__.startswith("4.2"):
        pytest.skip("what stands in for it asks for a time zone here")
    monkeypatch.setattr(spark_versions, "IS_SPARK_4", request.param)


@pytest.mark.usefixtures("_version")
def test_rows_in_memory_become_a_frame_and_come_back_as_they_were(spark: SparkSession) -> None:
    assert to_arrow(from_arrow(spark, ROWS)).to_pylist() == ROWS.to_pylist()


@pytest.mark.usefixtures("_version")
@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_no_rows_have_their_columns_all_the_same(spark: SparkSession, zone: str) -> None:
    with temporary_settings(spark, {"spark.sql.session.timeZone": zone}):
        nothing = to_arrow(from_arrow(spark, ROWS).where(F.lit(False)))
        something = to_arrow(from_arrow(spark, ROWS))
    assert nothing.num_rows == 0
    assert nothing.schema.names == ROWS.schema.names
    assert [row["at"] for row in something.to_pylist()] == [AT, None, AT]
