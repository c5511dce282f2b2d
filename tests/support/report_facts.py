"""Makes the facts of a report by hand.

There are four kinds: an empty sync, one batch, a run of which everything failed, and a long run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from cio_spark.analysis.figures import BOOKS, RUN
from cio_spark.analysis.findings import find_what_holds_back
from cio_spark.analysis.reading import Analysis
from cio_spark.config import SyncConfig
from cio_spark.report.facts import ReportFacts, flattened
from cio_spark.report.timeline import NO_TIMELINE, Timeline
from cio_spark.statuses import ROW_STATES

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
MARKUP = "<script>alert('x')</script><img src=http://example.invalid/x.png onerror=alert(1)> & \"quotes\" $x_1$"
CONFIG = SyncConfig.model_validate(
    {
        "sync": {"name": "orders"},
        "source": {"table": "shop.orders", "where": "status <> '<b>x</b>'"},
        "payload": {"call": "track", "record_id": "id", "user_id": "id", "event": {"value": "Order Placed"}},
    }
)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@dataclass
class Scene:
    """Holds the rows of a sync, which a test changes before it asks for the facts."""

    batches: int = 1
    seconds: float = 1.0
    failed: int = 0
    run_id: str = "01KJ0000000000000000000RUN"
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def run(self) -> dict[str, Any]:
        total = 1000 * self.batches
        row: dict[str, Any] = dict.fromkeys(RUN, 0.0) | {"sync": "orders", "run_id": self.run_id}
        row |= {"operation_type": "event_processing", "first_started_at": NOON, "last_completed_at": at(self.seconds)}
        row |= {"batch_count": self.batches, "requests": self.batches, "attempts": self.batches + 4, "retries": 4}
        row |= {"total_records": total, "accepted_records": total - self.failed, "failed_records": self.failed}
        row |= {"error_rate_percent": 100 * self.failed / total, "busy_seconds": self.seconds}
        row |= {"requests_per_second": self.batches / self.seconds, "request_seconds": 3.7 * self.seconds}
        row |= {"records_per_second": (total - self.failed) / self.seconds, "throttled_seconds": 1.3 * self.seconds}
        row |= {"throttled_percent": 26.0, "records_per_batch": 1000.0, "bytes_per_batch": 267_000.0}
        row |= {"bytes_per_record": 267.0, "bytes": 267 * total, "compressed_bytes": 31 * total, "partitions": 6}
        row |= {"request_time_mean_seconds": 0.12, "avg_processing_time_seconds": 0.2, "splits": 0}
        row |= {"rate_limited_batches": 0, "seconds_per_record": None}
        row |= {f"request_time_p{n}_seconds": n / 500 for n in (50, 95, 99)}
        row |= {"strategy": "adaptive", "limit_records_mean": 1000.0, "limit_records_least": 1000}
        row |= {"limit_records_most": 1000}
        return row | {"rate_limit_rps": 100, "parallel_workers": 4, "max_batch_size": 1000, "max_batch_bytes": 512_000}

    def books(self) -> dict[str, Any]:
        total = 1000 * self.batches
        row: dict[str, Any] = dict.fromkeys((*ROW_STATES, *BOOKS), 0)
        row |= {"sync": "orders", "run_id": self.run_id, "status": "succeeded", "exit_status": 0, "error": None}
        row |= {
            "source": "shop.orders (version 7)",
            "started_at": NOON,
            "balanced": True,
            "run_seconds": 1.0,
            "scope": "full",
        }
        row |= {"source_rows": total + 250, "accepted": total - self.failed, "rejected": self.failed, "held": 250}
        return row | {"accounted_rows": total + 250, "run_error_rate_percent": 100 * (self.failed + 250) / total}

    def reason(self) -> dict[str, Any]:
        row: dict[str, Any] = {
            "sync": "orders",
            "run_id": self.run_id,
            "operation_type": "event_processing",
            "status": "rejected",
        }
        row |= {"error_category": "validation", "error_code": "http_400 $<i>$", "records": self.failed}
        return row | {"sample_message": MARKUP, "sample_record_ids": ["o1", "<b>o2</b>"]}

    def batch(self) -> dict[str, Any]:
        row = {"sync": "orders", "batch_id": f"event_processing-{self.run_id}-w0-p0-l0-0", "started_at": NOON}
        row |= {"total_records": 1000, "processing_time_seconds": 0.2, "error_rate_percent": 0.0, "attempts": 1}
        return row | {"throttled_seconds": 0.1}

    def group(self) -> dict[str, Any]:
        run = self.run()
        row = {"sync": "orders", "operation_type": "event_processing", "status": "completed", "hour": NOON}
        kept = ("batch_count", "total_records", "accepted_records", "failed_records")
        return run | row | {name: run[name] for name in kept} | {"avg_throughput": 812.5, "avg_error_rate": 0.5}

    def slices(self) -> list[dict[str, Any]]:
        count = max(1, min(40, int(self.seconds)))
        return [
            self.run()
            | {"slice": at(number), "batch_count": 5, "accepted_records": 5000 + 90 * number, "failed_records": 0}
            | {"request_time_p95_seconds": 0.15 + number / 1000}
            for number in range(count)
        ]

    def failure(self) -> dict[str, Any]:
        row: dict[str, Any] = {
            "run_id": self.run_id,
            "record_id": "<b>o2</b>",
            "status": "rejected",
            "error_category": "validation",
        }
        row |= {"error_code": "http_400", "error_message": MARKUP, "http_status": 400, "attempts": 1}
        return row | {"batch_id": "b-1", "attempted_at": NOON}

    def facts(self) -> ReportFacts:
        runs, reasons = [self.run()], [self.reason()] if self.failed else []
        views: dict[str, list[Any]] = {
            "sync_performance": [self.group()],
            "performance_by_operation": [self.group()],
            "hourly_trends": [self.group()],
            "run_performance": runs,
            "run_books": [self.books()],
            "error_categories": reasons,
            "slowest_batches": [self.batch()],
            "worst_batches": [],
        } | self.rows
        fill = [{"tenth": 2, "by_records": 1, "by_bytes": 0}, {"tenth": 9, "by_records": self.batches, "by_bytes": 3}]
        return ReportFacts(
            sync="orders",
            made_at=NOON,
            since=NOON - timedelta(days=1),
            analysis=Analysis(sync="orders", **views),
            findings=find_what_holds_back(runs, CONFIG),
            timeline=Timeline(1, self.slices()),
            fill=fill,
            failures=[self.failure()] if self.failed else [],
            configuration=flattened(CONFIG.describe()),
        )


def nothing() -> ReportFacts:
    """Return the facts of a sync that has not run yet."""
    views = ("sync_performance", "performance_by_operation", "hourly_trends", "run_performance", "run_books")
    rest = ("error_categories", "slowest_batches", "worst_batches")
    analysis = Analysis(sync="orders", **{name: [] for name in (*views, *rest)})
    return ReportFacts("orders", NOON, NOON, analysis, None, NO_TIMELINE, [], [], flattened(CONFIG.describe()))
