"""Runs notebooks/tour.py cell by cell on the shared session, as a notebook does, and checks the promised numbers."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from cio_spark.config import BatchStatus
from cio_spark.coverage import Scope
from cio_spark.errors import ConfigurationError, ExitStatus
from cio_spark.runtime import WidgetSettings

TOUR = Path(__file__).parents[2] / "notebooks" / "tour.py"
SEPARATOR = "# COMMAND ----------"
TITLES = (
    *("Configuration and client", "What the models check", "Batches", "A job in memory"),
    *("Analysis, and a better configuration", "Errors", "Monitoring", "Spark: a whole DataFrame"),
    *("The table `batch_operations`", "The same as a sync", "Summary and clean-up"),
)


def cells() -> list[str]:
    text = TOUR.read_text(encoding="utf-8")
    first, _, rest = text.partition("\n")
    assert first == "# Databricks notebook source"
    return [cell.strip("\n") for cell in rest.split(SEPARATOR)]


def is_markdown(cell: str) -> bool:
    return cell.startswith("# MAGIC %md")


def shown_by(cell: str, number: int, namespace: dict[str, Any]) -> object:
    """Run a cell, and return the value that a notebook would show: that of a last line which is an expression."""
    body = ast.parse(cell).body
    last = body[-1] if body else None
    shown = last.value if isinstance(last, ast.Expr) else None
    name = f"{TOUR.name}, cell {number}"
    exec(compile(ast.Module(body if shown is None else body[:-1], []), name, "exec"), namespace)
    return None if shown is None else eval(compile(ast.Expression(shown), name, "eval"), namespace)


@pytest.fixture(scope="module")
def tour(spark: SparkSession) -> dict[str, Any]:
    """Run the whole tour; return its names and, as `shown`, what its cells would show."""
    namespace: dict[str, Any] = {"spark": spark, "__name__": "tour"}
    shown = []
    try:
        for number, cell in enumerate(cells()):
            if not is_markdown(cell):
                shown.append(shown_by(cell, number, namespace))
    finally:
        if namespace.get("api") is not None:
            namespace["api"].stop()
    return {**namespace, "shown": [value for value in shown if value is not None]}


def test_it_is_a_notebook_with_all_parts_of_the_prototypes_tour() -> None:
    titles = [
        line.removeprefix("# MAGIC ## ")
        for cell in filter(is_markdown, cells())
        for line in cell.splitlines()
        if line.startswith("# MAGIC ## ")
    ]
    assert tuple(titles) == TITLES
    for cell in cells():
        lines = cell.splitlines()
        assert all(line.startswith("# MAGIC") for line in lines) or not re.search(r"^# MAGIC", cell, re.MULTILINE)
        ast.parse(cell)


def test_it_sends_nothing_to_a_real_workspace_unless_that_is_said_once_more() -> None:
    # A widget that says `prod` is not enough to send made-up people there
    code = [cell for cell in cells() if not is_markdown(cell)]
    imports, settings = code[0], code[1]
    namespace: dict[str, Any] = {"spark": None, "__name__": "tour"}
    exec(imports, namespace)
    namespace["read_widgets"] = lambda: WidgetSettings("prod")
    with pytest.raises(ConfigurationError, match="real workspace"):
        exec(settings, namespace)
    assert "api" not in namespace
    exec(settings.replace("WORKSPACE = False", "WORKSPACE = True"), namespace)
    assert namespace["api"] is None


def test_every_run_has_names_of_its_own_and_leaves_nothing(tour: dict[str, Any], spark: SparkSession) -> None:
    # Its stand-in has another address each time, so tables of an earlier run would refuse the next one
    run = tour["RUN"]
    names = (tour["tables"].database, tour["orders"].sync.name, tour["place"])
    assert [run in name for name in names] == [True] * 3
    assert not spark.catalog.databaseExists(tour["tables"].database)
    assert not tour["folder"].exists()


def test_configuration_and_client(tour: dict[str, Any]) -> None:
    assert (tour["ENVIRONMENT"], tour["sync"].api.region) == ("test", "us")
    assert tour["hello"] == {"success": True, "processed": 1, "requests": 1}
    assert tour["refused"] == ["max_batch_size", "max_batch_bytes", "parallel_workers", "rate_limit_rps"]
    assert (tour["example"].error_rate_percent, tour["example"].throughput_rps) == (1.5, 78.8)
    assert tour["sizes"] == {0: 0, 100: 100, 1500: 375, 10_000: 1000}
    assert [len(batch) for batch in tour["intelligent_batches"]] == [5, 5, 5]


def test_the_job_sends_every_event(tour: dict[str, Any]) -> None:
    job, metrics = tour["completed_job"], tour["aggregate_metrics"]
    assert (job.status, job.processed_records, job.get_progress_percent()) == (BatchStatus.COMPLETED, 1500, 100.0)
    assert (metrics["total_successful_records"], metrics["total_failed_records"]) == (1500, 0)
    assert metrics["total_batches"] == metrics["successful_batches"] >= 15
    assert metrics["failed_batches"] == 0
    assert tour["estimated_seconds"] == pytest.approx(5 * (100 / 50 + 0.5))


def test_the_analysis_is_of_this_job_and_the_suggestion_keeps_what_it_has_no_reason_to_change(
    tour: dict[str, Any],
) -> None:
    summary = tour["performance_analysis"]["job_summary"]
    assert (summary["total_records"], summary["records_processed"]) == (1500, 1500)
    assert tour["performance_analysis"]["performance_stats"]["avg_error_rate"] == 0
    before, after = tour["batch_config"].model_dump(), tour["optimal_config"].model_dump()
    changed = {change.field for change in tour["suggestion"].changes}
    assert (
        {name for name in before if before[name] != after[name]}
        == changed
        <= {
            "max_batch_size",
            "parallel_workers",
            "rate_limit_rps",
            "max_batch_bytes",
        }
    )
    assert changed  # 20,000 records/s cannot be had with 50 requests/s of 100 records


def test_each_error_has_its_action(tour: dict[str, Any]) -> None:
    assert tour["recovery_actions"] == {
        "too many requests": ("RateLimitError", "exponential_backoff", True),
        "server error": ("NetworkError", "immediate_retry", True),
        "no answer": ("NetworkError", "immediate_retry", True),
        "refused data": ("ValidationError", "move_to_dlq", False),
        "refused key": ("AuthenticationError", "abort", False),
    }
    assert tour["error_stats"]["total_errors"] == 5
    assert sum(tour["error_stats"]["error_categories"].values()) == 5


def test_the_monitor_notices_the_batch_with_errors(tour: dict[str, Any]) -> None:
    batches = tour["aggregate_metrics"]["total_batches"]
    assert (tour["dashboard"]["total_batches_5min"], tour["dashboard"]["active_jobs"]) == (batches, 1)
    assert tour["dashboard"]["avg_error_rate_percent"] == 0
    updated = tour["updated_dashboard"]
    assert (updated["status"], updated["total_batches_5min"]) == ("critical", batches + 1)
    assert {"high_error_rate", "slow_processing"} <= {alert["type"] for alert in updated["latest_alerts"]}
    assert 1 <= tour["trends"]["data_points"] <= 2


def test_a_whole_dataframe_is_sent_and_its_batches_are_in_the_table(tour: dict[str, Any]) -> None:
    results = tour["spark_results"]
    assert (results["total_records"], results["successful_records"], results["failed_records"]) == (10_000, 10_000, 0)
    assert (results["exit_status"], results["error_rate_percent"]) == (0, 0)
    assert results["total_batches"] == len(results["batch_statistics"]) >= 10
    summary = {row["operation_type"]: row for row in tour["summary_rows"]}
    bulk = summary["spark_bulk_processing"]
    assert (bulk["status"], bulk["total_records"]) == ("completed", 10_000)
    assert bulk["batch_count"] == results["total_batches"]
    assert tour["recent_count"] >= results["total_batches"]


def test_the_sync_sends_every_row_once_and_then_only_what_is_new(tour: dict[str, Any]) -> None:
    preview, first, again, later = (tour[name] for name in ("preview", "first", "again", "later"))
    assert (preview.counts.source_rows, preview.counts.new, preview.counts.invalid) == (2000, 1999, 1)
    assert (first.exit_status, first.books.balanced) == (ExitStatus.SUCCESS, True)
    assert (first.books.delivery.accepted, first.books.delivery.invalid) == (1999, 1)
    assert (again.exit_status, again.books.delivery.persisted) == (ExitStatus.SUCCESS, 0)
    assert (later.exit_status, later.books.delivery.accepted) == (ExitStatus.SUCCESS, 100)
    assert (again.scope.scope, later.scope.scope) == (Scope.NONE, Scope.INCREMENTAL)
    assert tour["health"].status in ("healthy", "warning", "degraded")


def test_what_the_notebook_counts_is_what_the_api_received_and_nothing_twice(tour: dict[str, Any]) -> None:
    assert tour["sent"] == tour["received"] == 1 + 1500 + 10_000 + 1999 + 100
    assert tour["duplicates"] == {}


def test_results_and_preview_are_shown_as_html(tour: dict[str, Any]) -> None:
    html = [value._repr_html_() for value in tour["shown"] if hasattr(value, "_repr_html_")]
    assert [text.startswith("<div") for text in html] == [True] * 4
    assert "1,999" in html[0]
    assert "standin-key" not in "".join(html)
