"""Compares the views, and what is read from them, with figures computed by hand; no sync is run here."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F
from tables_by_hand import NOON, ByHand, at, batch, ended, started, status
from typer.testing import CliRunner

from cio_spark.analysis.measured import Measured, measured_of_row
from cio_spark.analysis.reading import Analysis, analyze_sync, create_analysis_views, read_view
from cio_spark.analysis.view_queries import VIEWS
from cio_spark.cli import app
from cio_spark.config import BatchConfiguration, load_config
from cio_spark.notebook import BatchJob, BatchMetrics
from cio_spark.notebook.measured_job import measure_job

CONFIGURATION = (
    '{"batch": {"rate_limit_rps": 50, "parallel_workers": 4, "max_batch_size": 100, "max_batch_bytes": 50000}}'
)
# Run 2 of `shop` works for 4 s in two lanes that overlap, pauses for 6 s, then works for 2 s more
SHOP = [
    batch("shop", "run2", 1, start=0, stop=2, throttled_seconds=0.5, request_seconds=1.5),
    batch("shop", "run2", 2, start=1, stop=4, attempts=3, requests=3, request_seconds=3.0, lane=1),
    batch("shop", "run2", 3, start=10, stop=12, failed=25, partition=1, error_categories="server,rate_limit"),
    batch("shop", "run1", 1, start=-7200, stop=-7199, total=50, bytes=10_000),
]
SKEWED = [batch("skewed", "run1", 1, start=5, stop=4), batch("skewed", "run1", 2, start=0, stop=1)]
# Requests of 10, 20 and 30 records take 0.1 s, and 0.01 s for each record
SIZED = [batch("sized", "run1", n, start=n, stop=n + 0.1 + n / 10, total=10 * n) for n in (1, 2, 3)]
FAILED = [batch("failed", "run1", number, start=number, stop=number + 1, failed=100) for number in range(2)]
RUNS = [
    started("shop", "run1", -7200, configuration=CONFIGURATION),
    ended("shop", "run1", -7190, rows=50),
    started("shop", "run2", 0, configuration=CONFIGURATION),
    ended("shop", "run2", 20, rows=400, accepted=275, rejected=25, unchanged=80, held=20),
    started("open", "run9", 0),
    started("unbalanced", "run1", 0),
    ended("unbalanced", "run1", 1, rows=10, accepted=8),
    started("crashed", "run1", 0),
    ended("crashed", "run1", 1, rows=10, accepted=0, status="failed", exit_status=1),
]
STATUSES = [
    status("shop", "run2", "o1"),
    *[
        status("shop", "run2", f"o{number}", "rejected", error_category="validation", error_code="http_400")
        for number in (5, 3, 9)
    ],
    status("shop", "run2", "o7", "failed", error_category="server", error_code="http_503", error_message="busy"),
    status("shop", "run1", "o7", "failed", error_category="server", error_code="http_503"),
]
NOTEBOOK = """
INSERT INTO {table}
SELECT * FROM VALUES
    ('job_001', 'batch_001', 'event_processing', 'completed', 1000, 995, 5, 45.2, 22.0, 0.5, current_timestamp() - INTERVAL 2 HOURS, current_timestamp() - INTERVAL 2 HOURS + INTERVAL 45 SECONDS, map('worker', 'worker_1')),
    ('job_001', 'batch_002', 'event_processing', 'completed', 1000, 980, 20, 52.1, 18.8, 2.0, current_timestamp() - INTERVAL 2 HOURS + INTERVAL 1 MINUTE, current_timestamp() - INTERVAL 2 HOURS + INTERVAL 1 MINUTE + INTERVAL 52 SECONDS, map('worker', 'worker_2')),
    ('job_002', 'batch_003', 'people_update', 'completed', 500, 500, 0, 15.3, 32.7, 0.0, current_timestamp() - INTERVAL 1 HOUR, current_timestamp() - INTERVAL 1 HOUR + INTERVAL 15 SECONDS, map('worker', 'worker_1')),
    ('job_003', 'batch_004', 'suppression_sync', 'failed', 200, 150, 50, 30.0, 5.0, 25.0, current_timestamp() - INTERVAL 30 MINUTES, current_timestamp() - INTERVAL 30 MINUTES + INTERVAL 30 SECONDS, map('worker', 'worker_3'))
"""  # noqa: E501  the notebook's own text


@pytest.fixture(scope="module")
def tables(spark: SparkSession, warehouse: Path) -> ByHand:
    by_hand = ByHand(spark, warehouse).set_up()
    by_hand.write("batch_operations", [*SHOP, *SKEWED, *FAILED, *SIZED])
    by_hand.write("sync_runs", RUNS)
    by_hand.write("record_status", STATUSES)
    spark.sql(NOTEBOOK.format(table=by_hand.tables.name("batch_operations")))
    return by_hand


@pytest.fixture(scope="module")
def shop(tables: ByHand) -> Analysis:
    return analyze_sync(tables.tables, "shop", since=NOON - timedelta(hours=1))


@pytest.fixture(scope="module")
def run2(shop: Analysis) -> Row:
    return shop.run_performance[0]


def test_a_runs_work_is_what_its_batches_cover_together(run2: Row) -> None:
    assert run2["run_id"] == "run2"
    assert run2["busy_seconds"] == 4 + 2
    assert run2["requests"] == 1 + 3 + 1
    assert run2["requests_per_second"] == 5 / 6
    assert run2["records_per_second"] == 275 / 6


def test_a_runs_times_and_rates_are_as_computed_by_hand(run2: Row) -> None:
    assert (run2["batch_count"], run2["total_records"], run2["accepted_records"]) == (3, 300, 275)
    assert run2["error_rate_percent"] == pytest.approx(100 * 25 / 300)
    assert run2["avg_error_rate_percent"] == pytest.approx(25 / 3)
    assert run2["avg_processing_time_seconds"] == pytest.approx((2 + 3 + 2) / 3)
    assert run2["std_processing_time_seconds"] == pytest.approx(0.5773502692)
    assert (run2["min_processing_time_seconds"], run2["max_processing_time_seconds"]) == (2.0, 3.0)
    assert run2["avg_throughput_rps"] == pytest.approx((50 + 100 / 3 + 37.5) / 3)
    assert (run2["bytes_per_record"], run2["bytes_per_batch"], run2["records_per_batch"]) == (300.0, 30_000.0, 100.0)


def test_waiting_and_retries_are_told_apart_from_work(run2: Row) -> None:
    assert run2["retries"] == 2
    assert run2["retry_percent"] == 100 * 2 / 5
    assert run2["request_seconds"] == 1.5 + 3.0 + 2.0
    assert run2["retry_seconds"] == pytest.approx(6.5 * 2 / 5)
    assert run2["throttled_seconds"] == 0.5
    assert run2["throttled_percent"] == pytest.approx(100 * 0.5 / 7.0)
    assert run2["rate_limited_batches"] == 1


def test_a_request_time_counts_as_often_as_there_were_requests(run2: Row) -> None:
    # The request times are: 1.5 s once, 1.0 s three times, 2.0 s once
    assert run2["request_time_p50_seconds"] == 1.0
    assert run2["request_time_mean_seconds"] == 6.5 / 5
    assert run2["request_time_p95_seconds"] == pytest.approx(1.9)
    assert run2["request_time_p99_seconds"] == pytest.approx(1.98)


def test_the_busiest_partition_is_measured_by_the_mean(run2: Row) -> None:
    assert run2["partitions"] == 2
    assert run2["partition_skew"] == pytest.approx(5 / 3.5)


def test_what_a_record_costs_is_fitted_where_sizes_differ(tables: ByHand, run2: Row) -> None:
    row = read_view(tables.tables, "run_performance").where("sync = 'sized'").collect()[0]
    assert row["seconds_per_record"] == pytest.approx(0.01)
    assert run2["seconds_per_record"] is None


def test_a_runs_limits_stand_beside_its_figures(run2: Row) -> None:
    assert (run2["rate_limit_rps"], run2["parallel_workers"], run2["max_batch_size"]) == (50, 4, 100)


def test_the_books_are_added_up_and_an_open_run_has_none_yet(tables: ByHand, shop: Analysis) -> None:
    books = {row["run_id"]: row for row in shop.run_books}
    assert books["run2"]["accounted_rows"] == 275 + 25 + 80 + 20
    assert books["run2"]["balanced"] is True
    assert books["run2"]["run_error_rate_percent"] == pytest.approx(100 * 25 / (400 - 80 - 20))
    assert books["run2"]["run_seconds"] == 20.0
    others = read_view(tables.tables, "run_books").where(F.col("sync").isin("open", "unbalanced", "crashed"))
    found = {row["sync"]: (row["balanced"], row["missing_rows"]) for row in others.collect()}
    assert found == {"open": (None, None), "unbalanced": (False, 2), "crashed": (None, 10)}


def test_reasons_come_with_record_ids(shop: Analysis) -> None:
    found = [
        (row["run_id"], row["error_code"], row["records"], row["sample_record_ids"]) for row in shop.error_categories
    ]
    assert found == [
        ("run2", "http_400", 3, ["o3", "o9"]),
        ("run2", "http_503", 1, ["o7"]),
        ("run1", "http_503", 1, ["o7"]),
    ]
    assert shop.error_categories[1]["sample_message"] == "busy"


def test_trends_are_by_hour_and_begin_where_they_are_asked_for(tables: ByHand, shop: Analysis) -> None:
    assert [(row["batch_count"], row["failed_records"]) for row in shop.hourly_trends] == [(3, 25)]
    everything = read_view(tables.tables, "hourly_trends").where("sync = 'shop'").orderBy("hour").collect()
    assert [row["total_records"] for row in everything] == [50, 300]


def test_slowest_and_worst_batches_are_ranked(shop: Analysis) -> None:
    assert [row["batch_id"][-6:] for row in shop.slowest_batches] == ["run2-2", "run2-1", "run2-3", "run1-1"]
    assert [row["batch_id"] for row in shop.worst_batches] == ["shop-run2-3"]


def test_a_sync_is_summed_over_its_history(shop: Analysis) -> None:
    (row,) = shop.sync_performance
    assert (row["batch_count"], row["total_records"], row["busy_seconds"]) == (4, 350, 7.0)


def test_the_notebooks_rows_give_the_notebooks_figures(tables: ByHand) -> None:
    summary = read_view(tables.tables, "performance_by_operation").where("sync IS NULL")
    columns = ("operation_type", "status", "batch_count", "avg_throughput", "avg_error_rate", "total_records")
    found = [tuple(row) for row in summary.select(*columns).orderBy("operation_type", "status").collect()]
    assert found == [
        ("event_processing", "completed", 2, pytest.approx(20.4), pytest.approx(1.25), 2000),
        ("people_update", "completed", 1, 32.7, 0.0, 500),
        ("suppression_sync", "failed", 1, 5.0, 25.0, 200),
    ]
    recent = read_view(tables.tables, "recent_batches").where("sync IS NULL")
    assert {row["batch_id"] for row in recent.collect()} == {f"batch_00{number}" for number in (1, 2, 3, 4)}


def test_a_clock_that_goes_back_takes_no_time_away(tables: ByHand) -> None:
    row = read_view(tables.tables, "run_performance").where("sync = 'skewed'").collect()[0]
    assert row["busy_seconds"] == 1.0
    assert (row["batch_count"], row["min_processing_time_seconds"]) == (2, 1.0)


def test_a_run_of_which_everything_failed_has_figures_too(tables: ByHand) -> None:
    row = read_view(tables.tables, "run_performance").where("sync = 'failed'").collect()[0]
    assert (row["error_rate_percent"], row["avg_throughput_rps"], row["records_per_second"]) == (100.0, 0.0, 0.0)


def test_a_sync_without_rows_has_an_empty_analysis(tables: ByHand) -> None:
    nothing = analyze_sync(tables.tables, "nobody", since=NOON)
    assert [name for name, rows in vars(nothing).items() if name != "sync" and rows] == []


def test_the_views_say_what_is_read_without_them(tables: ByHand, shop: Analysis) -> None:
    create_analysis_views(tables.tables)
    for name in ("run_performance", "hourly_trends", "run_books", "sync_performance"):
        created = tables.tables.read(name).where("sync = 'shop'").collect()
        assert set(map(repr, created)) >= set(map(repr, getattr(shop, name)))
    assert all(tables.spark.catalog.tableExists(f"tests.{name}") for name in VIEWS)


def test_a_job_in_memory_has_the_figures_of_the_same_run_in_the_tables(run2: Row) -> None:
    job = BatchJob(job_name="j", job_type="t", configuration=BatchConfiguration(), total_records=300)
    for start, stop, failed, attempts, throttled in ((0, 2, 0, 1, 0.5), (1, 4, 0, 3, 0.0), (10, 12, 25, 1, 0.0)):
        metrics = BatchMetrics(
            total_records=100,
            successful_records=100 - failed,
            failed_records=failed,
            processing_time_seconds=stop - start,
            retry_count=attempts - 1,
            requests=attempts,
            bytes=30_000,
            request_seconds=stop - start - throttled,
            throttled_seconds=throttled,
            started_at=at(start),
            completed_at=at(stop),
        )
        metrics.calculate_derived_metrics()
        job.batch_metrics.append(metrics)
    in_memory, in_tables = vars(measure_job(job)), vars(measured_of_row(run2))
    only_in_tables = {"rate_limited_batches", "partitions", "partition_skew"}
    assert {name: in_memory[name] for name in vars(Measured()) if name not in only_in_tables} == {
        name: pytest.approx(in_tables[name]) for name in vars(Measured()) if name not in only_in_tables
    }


def test_the_terminal_shows_what_the_views_hold(
    tables: ByHand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[str, str | int] = {}
    monkeypatch.setattr("cio_spark.runtime.set_task_values", told.update)
    conf = tmp_path / "shop.yml"
    payload = "{call: track, record_id: id, user_id: id, event: e}"
    conf.write_text(
        f"sync: {{name: shop}}\nsource: {{table: t}}\npayload: {payload}\ntables: {{database: tests}}\n"
        "monitoring: {expected_every_minutes: 60}\n"
    )
    overlay = tmp_path / "environments" / "faster.yml"

    def run(*arguments: str) -> tuple[int, str]:
        command = [*arguments, str(conf), "--warehouse", str(tables.warehouse)]
        result = CliRunner().invoke(app, command, env={"COLUMNS": "240", "CIO_SPARK_WEBHOOK_URL": None})
        return result.exit_code, result.output

    status, said = run("analyze", "--suggest", str(overlay))
    assert status == 0, said
    shown = ("over all history", "1,000.0", "1,900.0", "275", "0.8", "balanced", "o3, o9", "400", "shop-run2-2")
    for figure in (*shown, "rate_limited"):
        assert figure in said, figure
    assert overlay.read_text().startswith("# Expected: ")
    load_config(conf, environment="faster", conf_dir=tmp_path)
    status, said = run("monitor")
    assert status == 8, said
    assert "no run since 2026-03-01 12:00 UTC, one is expected every 60 minutes" in said
    assert told == {"status": "warning", "open_alerts": 1}
    told.clear()
    status, said = run("monitor", "--fail-on", "critical")
    assert (status, told) == (0, {"status": "warning", "open_alerts": 1}), said
