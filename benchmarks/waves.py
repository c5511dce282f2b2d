"""Measures the cost of waves at the API's real rate: the same records are sent in one wave, then in several."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

from pyspark.sql import functions as F
from rich.console import Console
from rich.table import Table
from sink import open_sink
from throughput import Course, generate, run_sync_on

from cio_spark.config.sections import DeliverySection
from cio_spark.model import SyncResult
from cio_spark.planning.plan import ASSUMED_REQUEST_SECONDS
from cio_spark.spark.session import build_session

API_REQUESTS_PER_SECOND = 100
# The most that a configuration allows: the sink answers at once, so that only the rate limits the speed
WORKERS = 20
WARM_UP_RECORDS = 30_000

console = Console(width=110)


def main() -> None:
    """Run a small sync to warm up, then one sync in one wave and in several, and print what the waves add."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=300_000, help="rows of the source")
    parser.add_argument("--records-per-request", type=int, default=100)
    parser.add_argument("--waves", type=int, nargs="+", default=[2, 4], help="besides one")
    parser.add_argument("--warehouse", type=Path, default=Path(".cio-spark/bench/warehouse"))
    chosen = parser.parse_args()
    warehouse = chosen.warehouse.resolve()
    spark = build_session(warehouse, app_name="cio-spark-bench-waves")
    try:
        with open_sink() as sink:
            _measure(Course(spark, warehouse, sink, WARM_UP_RECORDS, []), [2], chosen.records_per_request)
            course = Course(spark, warehouse, sink, chosen.records, [])
            took = _measure(course, [1, *chosen.waves], chosen.records_per_request)
    finally:
        spark.stop()
    _print(took, _sending_seconds(course, chosen.records_per_request))


def _sending_seconds(course: Course, records_per_request: int) -> float:
    return course.events / records_per_request / API_REQUESTS_PER_SECOND


def _measure(course: Course, numbers: list[int], records_per_request: int) -> dict[int, SyncResult]:
    """Run the sync once for each number of waves."""
    generate(course)
    sending = _sending_seconds(course, records_per_request)
    console.print(f"{course.events:,} records, {sending:.0f} s of sending at the API's pace, to {course.sink.name}")
    # Seconds that the plan expects; the number of waves is computed from them
    expected = max(sending, course.events / records_per_request * ASSUMED_REQUEST_SECONDS / WORKERS)
    took = {}
    for waves in numbers:
        database = f"bench_waves_{waves}"
        took[waves] = run_sync_on(course, database, _sections(expected / 60 / waves * 1.05, records_per_request))
        statuses = course.spark.read.format("delta").load(str(course.warehouse / database / "record_status"))
        assert statuses.agg(F.max("batch.wave")).collect()[0][0] == waves - 1
        shutil.rmtree(course.warehouse / database)
    return took


def _sections(wave_minutes: float, records: int) -> dict[str, dict[str, Any]]:
    batch: dict[str, Any] = {
        "max_batch_size": records,
        "parallel_workers": WORKERS,
        "rate_limit_rps": API_REQUESTS_PER_SECOND,
    }
    return {"batch": batch, "delivery": {"wave_minutes": wave_minutes}}


def _print(took: dict[int, SyncResult], sending: float) -> None:
    """Print the seconds of the runs by their number of waves.

    Staging happens once, in the survey; the other costs of a wave are part of the delivery.
    """
    table = Table(title="seconds by waves", title_justify="left")
    for heading in ("waves", "survey and staging", "delivery", "of the sending time"):
        table.add_column(heading, justify="right")
    for waves, result in took.items():
        survey, deliver = result.phases["survey"], result.phases["deliver"]
        added = survey + deliver - took[1].phases["survey"] - took[1].phases["deliver"]
        table.add_row(str(waves), f"{survey:.1f}", f"{deliver:.1f}", f"+{100 * added / sending:.1f} %")
    console.print(table)
    last = max(took)
    a_wave = (took[last].phases["deliver"] - took[1].phases["deliver"]) / (last - 1)
    staging = took[last].phases["survey"] - took[1].phases["survey"]
    default = DeliverySection().wave_minutes * 60
    console.print(
        f"a further wave costs {a_wave:.1f} s, {100 * a_wave / default:.1f} % of the {default:.0f} s that one holds by "
        f"default; staging these records took {staging:.1f} s, {100 * staging / sending:.1f} % of their sending"
    )


if __name__ == "__main__":
    main()
