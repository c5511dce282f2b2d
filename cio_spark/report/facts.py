"""Reads all facts of a report from the tables, once; its figures are those of the views."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pyspark.sql import functions as F

from cio_spark.analysis.findings import Findings, find_what_holds_back
from cio_spark.analysis.reading import Analysis, analyze_sync
from cio_spark.config import SyncConfig
from cio_spark.model import OWN_MESSAGE_SQL
from cio_spark.report.timeline import NO_TIMELINE, Timeline, read_fill, read_timeline
from cio_spark.results import Tables

MOST_FAILURES: Final = 100
_FAILURE = (
    *("run_id", "record_id", "status", "error_category", "error_code", f"{OWN_MESSAGE_SQL} AS error_message"),
    *("http_status", "attempts", "batch_id", "attempted_at"),
)
"""Columns of a failure, without payload and person key, and without messages of the API, which may repeat both."""


@dataclass(frozen=True)
class ReportFacts:
    """Holds the facts of a report.

    Attributes:
        sync: name of the sync.
        made_at: time of the report.
        since: time of the first hourly trend.
        analysis: rows of the views, as the terminal shows them.
        findings: bottlenecks and a suggestion; None if nothing was sent.
        timeline: figures of the run of the findings, by slices of time.
        fill: counts of that run's batches by tenths of the limits.
        failures: records that were not accepted, newest run first.
        configuration: values of the newest run's configuration by dotted path; it never contains a secret.
    """

    sync: str
    made_at: datetime
    since: datetime
    analysis: Analysis
    findings: Findings | None
    timeline: Timeline
    fill: list[Any]
    failures: list[Any]
    configuration: Mapping[str, str]

    @property
    def failure_count(self) -> int:
        """Number of records that were not accepted in these runs; a record counts once in each run."""
        return sum(row["records"] for row in self.analysis.error_categories)


def read_facts(tables: Tables, config: SyncConfig, *, now: datetime, since: datetime, runs: int = 10) -> ReportFacts:
    """Read all facts of a report about a sync.

    Args:
        tables: access to the Delta tables, which must exist.
        config: configuration of the sync.
        now: time of the report.
        since: time of the first hourly trend.
        runs: number of newest runs that the report covers.
    """
    name = config.sync.name
    analysis = analyze_sync(tables, name, since=since, runs=runs)
    findings = find_what_holds_back(analysis.run_performance, config)
    timeline, fill = NO_TIMELINE, []
    if findings is not None:
        timeline, fill = read_timeline(tables, findings.run), read_fill(tables, findings)
    newest = analysis.run_books[0]["run_id"] if analysis.run_books else None
    return ReportFacts(
        sync=name,
        made_at=now,
        since=since,
        analysis=analysis,
        findings=findings,
        timeline=timeline,
        fill=fill,
        failures=_failures(tables, analysis),
        configuration=_configuration(tables, newest) or flattened(config.describe()),
    )


def _failures(tables: Tables, analysis: Analysis) -> list[Any]:
    run_ids = list({row["run_id"]: None for row in analysis.error_categories})
    if not run_ids:
        return []
    rows = tables.read("record_status").where((F.col("sync") == analysis.sync) & F.col("run_id").isin(*run_ids))
    failed = rows.where(F.col("status") != "accepted").selectExpr(*_FAILURE)
    # Records that the API or our validation refused come before records that were not attempted
    rank = F.expr("array_position(array('rejected', 'failed', 'invalid'), status)")
    order = (F.col("run_id").desc(), F.when(rank == 0, 9).otherwise(rank), "error_code", "record_id")
    return failed.orderBy(*order).limit(MOST_FAILURES).collect()


def _configuration(tables: Tables, run_id: str | None) -> dict[str, str]:
    """Return the configuration that a run recorded, by dotted path; empty if it recorded none."""
    if run_id is None:
        return {}
    rows = tables.read("sync_runs").where((F.col("run_id") == run_id) & F.col("configuration").isNotNull())
    found = rows.select("configuration").limit(1).collect()
    try:
        said = json.loads(found[0]["configuration"]) if found else {}
    except ValueError:
        return {}
    return flattened(said) if isinstance(said, dict) else {}


def flattened(value: Any, path: str = "") -> dict[str, str]:
    """Return nested data as JSON texts by dotted path, without values that are not set."""
    if isinstance(value, dict) and value:
        found: dict[str, str] = {}
        for key, item in value.items():
            found |= flattened(item, f"{path}.{key}" if path else str(key))
        return found
    if value is None or value in ({}, []):
        return {}
    return {path: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}
