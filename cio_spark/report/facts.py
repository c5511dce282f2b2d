"""Everything a report says, read from the tables once; figures are those of the views, not computed again."""

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
from cio_spark.model import OUR_WORDS
from cio_spark.report.timeline import NO_TIMELINE, Timeline, read_fill, read_timeline
from cio_spark.results import Tables

MOST_FAILURES: Final = 100
_FAILURE = (
    *("run_id", "record_id", "status", "error_category", "error_code", f"{OUR_WORDS} AS error_message"),
    *("http_status", "attempts", "batch_id", "attempted_at"),
)
"""Columns of a failure: no payload, no person's key, and nothing that the API said, which may echo either."""


@dataclass(frozen=True)
class ReportFacts:
    """What a report says.

    Attributes:
        sync: the sync's name.
        made_at: when it was read.
        since: from when on there are hours.
        analysis: rows of the views, as on the terminal.
        findings: what holds it back; None where nothing was sent.
        timeline: the run of the findings, in slices of time.
        fill: how full its batches were, as counts by tenths of the limits.
        failures: records that were not accepted, of the newest runs first.
        configuration: of the newest run, by dotted path; no secret is ever in it.
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
        """How many records were not accepted in these runs, each try counted."""
        return sum(row["records"] for row in self.analysis.error_categories)


def read_facts(tables: Tables, config: SyncConfig, *, now: datetime, since: datetime, runs: int = 10) -> ReportFacts:
    """Reads everything about a sync.

    Args:
        tables: where the tables are; they must exist.
        config: the sync.
        now: when the report is made.
        since: hourly trends begin here.
        runs: how many newest runs it is about.
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
    # What the API or our validation refused before what was merely not tried
    rank = F.expr("array_position(array('rejected', 'failed', 'invalid'), status)")
    order = (F.col("run_id").desc(), F.when(rank == 0, 9).otherwise(rank), "error_code", "record_id")
    return failed.orderBy(*order).limit(MOST_FAILURES).collect()


def _configuration(tables: Tables, run_id: str | None) -> dict[str, str]:
    """What a run wrote down of its configuration; empty where it did not."""
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
    """Nested data by dotted path, as JSON texts; what is not set is left out."""
    if isinstance(value, dict) and value:
        found: dict[str, str] = {}
        for key, item in value.items():
            found |= flattened(item, f"{path}.{key}" if path else str(key))
        return found
    if value is None or value in ({}, []):
        return {}
    return {path: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}
