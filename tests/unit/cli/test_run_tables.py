"""Tests what the terminal says about a plan and about the last runs."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from rich.console import Console

from cio_spark.cli.render.run_progress import ConsoleProgress, describe_progress
from cio_spark.cli.render.run_tables import show_preview, show_runs
from cio_spark.clock import FakeClock
from cio_spark.config import BatchConfiguration
from cio_spark.model import DeliveryPlan, Preview, Slots, StateCounts
from cio_spark.pipeline.progress import DeliveryProgress
from cio_spark.planning import plan_delivery
from cio_spark.schemas import RUN_COUNTS

LIMIT = "parallel_workers = 4 requests in flight, at an assumed 0.15 s a request"
PROGRESS = DeliveryProgress(1_234, 10_000, 1_234, 10_000, 0, 2, 512.4, 17.1, LIMIT)
PLAN = plan_delivery(BatchConfiguration(parallel_workers=4), Slots(2, True), records=10_000, payload_bytes=3_000_000)


def console(width: int = 180, *, terminal: bool = False) -> Console:
    return Console(file=io.StringIO(), width=width, highlight=False, force_terminal=terminal)


def written(to: Console) -> str:
    file = to.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def told(plan: DeliveryPlan) -> str:
    to = console(400)
    ConsoleProgress(to).planned("orders", plan)
    return written(to)


def previewed(plan: DeliveryPlan) -> str:
    to = console()
    show_preview(to, "orders", Preview(StateCounts(10_000, new=10_000), plan, (), (), "shop.orders"))
    return written(to)


def run(**values: Any) -> dict[str, Any]:
    return {
        **dict.fromkeys(RUN_COUNTS, 0),
        **{"run_id": "01KB6A0Z1Y2X3W4V5T6S7R8Q9P", "sync": "orders", "status": "failed", "exit_status": 3},
        **{"started_at": datetime(2026, 3, 1, 12, tzinfo=timezone.utc), "error": None, "package_version": "9.8.7"},
        "scope": "full",
        **values,
    }


def test_the_plan_of_every_run_names_the_limits_of_a_request() -> None:
    assert "in about 10 requests of at most 1,000 records and 500,000 bytes, 2 partitions, 4 in flight" in told(PLAN)


def test_a_plan_says_when_bodies_go_uncompressed_and_why() -> None:
    lax = plan_delivery(BatchConfiguration(), Slots(2, True), records=10, payload_bytes=10, strict_mode=False)
    off = plan_delivery(
        BatchConfiguration(enable_compression=False), Slots(2, True), records=10, payload_bytes=10, strict_mode=False
    )
    why = "none: batch.enable_compression works with api.strict_mode only"
    assert why in told(lax)
    assert why in previewed(lax)
    assert "compression none\n" in told(off)
    assert "compression" not in told(PLAN)
    assert "gzip" in previewed(PLAN)


def test_a_preview_says_how_many_workers_are_left_over() -> None:
    seven = plan_delivery(
        BatchConfiguration(parallel_workers=7), Slots(4, True), records=100_000, payload_bytes=30_000_000
    )
    assert "4 tasks × 1 lanes; 3 of parallel_workers = 7 left over" in previewed(seven)
    assert "left over" not in previewed(PLAN)
    assert "left over" not in previewed(replace(seven, parallel_workers=4))


def test_status_shows_every_state_that_a_runs_rows_are_in_and_the_version_that_made_it() -> None:
    others = [name for name in RUN_COUNTS[1:12] if name != "accepted"]
    counts = {name: 1_000 + number for number, name in enumerate(others)}
    to = console(400)
    show_runs(to, [run(source_rows=20_000, accepted=9_000, **counts)])
    shown = written(to)
    assert len(others) == 10
    assert all(f"{count:,} {name}" in shown for name, count in counts.items())
    assert all(said in shown for said in ("20,000", "9,000", "9.8.7"))


def test_status_leaves_out_states_without_rows_and_counts_that_nobody_has_made() -> None:
    to = console()
    show_runs(to, [run(rejected=3), run(package_version=None, **dict.fromkeys(RUN_COUNTS))])
    shown = written(to)
    assert "│ 3 rejected " in shown
    assert "held" not in shown
    assert shown.count("–") == 4


def test_the_ids_of_runs_stay_whole_on_a_narrow_terminal() -> None:
    to = console(80)
    show_runs(to, [run(source_rows=1_234_567, accepted=1_234_567)])
    assert "01KB6A0Z1Y2X3W4V5T6S7R8Q9P" in written(to)


def test_the_bar_starts_with_the_first_word_of_progress() -> None:
    to = console(terminal=True)
    progress = ConsoleProgress(to)
    progress.planned("orders", PLAN)
    assert "sending" not in written(to)
    progress.delivered(PROGRESS)
    progress.phase("books")
    assert "sending" in written(to)
    assert "1,234 of 10,000 records done (12%), 512 records/s, 17 s left" in written(to)
    assert "limited by parallel_workers = 4" in written(to)


def test_the_bar_fits_a_narrow_terminal() -> None:
    to = console(80, terminal=True)
    progress = ConsoleProgress(to)
    progress.delivered(PROGRESS)
    progress.phase("books")
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written(to)).splitlines()
    assert [line for line in shown if len(line.split("\r")[-1]) > 80] == []
    assert "  1,234 of 10,000 records done (12%), 512 records/s, 17 s left" in [line.rstrip() for line in shown]


def test_progress_off_a_terminal_is_a_line_every_five_seconds() -> None:
    to, clock = console(400), FakeClock()
    progress = ConsoleProgress(to, clock)
    progress.planned("orders", PLAN)
    before = written(to)
    for _ in range(25):
        clock.sleep(0.5)
        progress.delivered(PROGRESS)
    line = "1,234 of 10,000 records done (12%), 512 records/s, 17 s left"
    assert written(to).removeprefix(before).splitlines() == [
        f"  sending: {line} after 5.0 s; limited by {PROGRESS.limited_by}",
        f"  sending: {line} after 10 s; limited by {PROGRESS.limited_by}",
    ]


def test_a_rate_and_a_time_that_are_not_known_are_not_shown() -> None:
    unknown = replace(PROGRESS, records_per_second=None, seconds_left=None)
    assert describe_progress(unknown) == "1,234 of 10,000 records done (12%)"
