"""Draws the books of a run, the plan of a preview, and a table of the newest runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cio_spark.cli.render.masking import mask_payload
from cio_spark.clock import as_utc
from cio_spark.coverage import ScopeChoice
from cio_spark.errors import ExitStatus
from cio_spark.model import DeliveryPlan, Preview, Reason, StateCounts, SyncResult
from cio_spark.statuses import ROW_STATES, SKIPPED_STATES


def duration(seconds: float) -> str:
    """Return a duration as text, such as `0.8 s`, `12 s`, `3 min 20 s` or `2 h 5 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def show_result(console: Console, result: SyncResult) -> None:
    """Print the books of a run as a table, then the reasons why records were not accepted."""
    books, survey, delivery = result.books, result.books.survey, result.books.delivery
    table = Table(title=f"{result.sync} · run {result.run_id}", title_justify="left")
    table.add_column("what")
    table.add_column("count", justify="right")
    if result.scope is not None:
        table.add_row("scope", result.scope.scope.value)
    table.add_row("[bold]source rows", f"[bold]{survey.source_rows:,}")
    for name, count in books.by_state.items():
        if count or name in ("accepted", "unchanged"):
            table.add_row(f"  {name}", f"{count:,}")
    if survey.gone:
        table.add_row("gone from the source", f"{survey.gone:,}")
    table.add_row("books", "balanced" if books.balanced else f"[red]{books.accounted:,} accounted for")
    table.add_section()
    table.add_row("requests", f"{delivery.requests:,}")
    table.add_row("retries", f"{delivery.retries:,}")
    if delivery.bytes:
        sent = f", {delivery.compressed_bytes / 1e6:,.1f} MB on the wire" if delivery.compressed_bytes else ""
        table.add_row("bytes", f"{delivery.bytes / 1e6:,.1f} MB{sent}")
    if result.delivery_seconds:
        table.add_row("records/s while sending", f"{delivery.accepted / result.delivery_seconds:,.0f}")
    table.add_row("seconds", f"{result.seconds:.1f}")
    console.print(table)
    _show_scope(console, result.scope)
    show_reasons(console, delivery.reasons)
    _show_notes(console, result.notes)
    colour = "green" if result.exit_status is ExitStatus.SUCCESS else "red"
    console.print(f"[{colour}]{escape(result.message)}[/{colour}]")


def show_reasons(console: Console, reasons: Sequence[Reason]) -> None:
    """Print why records were not accepted, as codes and counts.

    The API's own words are not among them, because they may echo what was sent.
    """
    if not reasons:
        return
    table = Table(title="not accepted, and why", title_justify="left")
    for column in ("status", "code", "reason"):
        table.add_column(column)
    table.add_column("records", justify="right")
    for reason in reasons:
        said = reason.message or ("" if reason.http_status is None else f"HTTP {reason.http_status}")
        table.add_row(reason.status, reason.code, escape(said), f"{reason.records:,}")
    console.print(table)
    if any(reason.http_status is not None for reason in reasons):
        console.print("[dim]what the API said of a record: cio-spark explain CONF --record ID, or record_status[/dim]")


def _show_scope(console: Console, scope: ScopeChoice | None) -> None:
    """Print why a run looks at all rows, at some, or at none."""
    if scope is not None:
        console.print(f"[dim]scope {scope.scope.value}: {escape(scope.reason)}[/dim]", soft_wrap=True)


def _show_notes(console: Console, notes: Sequence[str]) -> None:
    """Print notes, which say why this run writes other payload bytes than the last one."""
    for note in notes:
        console.print(f"[yellow]note:[/yellow] {escape(note)}", soft_wrap=True)


def show_preview(console: Console, sync: str, preview: Preview) -> None:
    """Print the plan that `--dry-run` shows, with masked samples of payloads."""
    counts, plan = preview.counts, preview.plan
    table = Table(title=f"{sync} · plan, nothing is sent", title_justify="left")
    table.add_column("what")
    table.add_column("value", justify="right")
    table.add_row("source", escape(preview.source))
    if preview.scope is not None:
        table.add_row("scope", preview.scope.scope.value)
    for name in ("source_rows", "new", "changed", "again", "unchanged", "changed_ignored", "held", "superseded"):
        table.add_row(name.replace("_", " "), f"{getattr(counts, name):,}")
    table.add_row("invalid", f"{counts.invalid or 0:,}")
    table.add_section()
    for name, value in _plan_rows(counts, plan):
        table.add_row(name, value)
    console.print(table)
    _show_scope(console, preview.scope)
    show_reasons(console, preview.reasons)
    _show_notes(console, preview.notes)
    for payload in preview.samples:
        console.print(mask_payload(payload), markup=False, highlight=False)


def _plan_rows(counts: StateCounts, plan: DeliveryPlan) -> list[tuple[str, str]]:
    return [
        ("requests", f"{plan.batches:,}"),
        ("records per request, at most", f"{plan.max_records:,}"),
        ("bytes per request, at most", f"{plan.max_bytes:,}"),
        ("size of requests", plan.sizing),
        ("JSON bytes", f"{counts.payload_bytes:,}"),
        ("partitions", str(plan.partitions)),
        ("compression", plan.compression),
        ("requests in flight", _in_flight(plan)),
        ("expected duration", duration(plan.eta_seconds)),
        ("limited by", plan.limited_by),
    ]


def _in_flight(plan: DeliveryPlan) -> str:
    said = f"{plan.concurrent_tasks} tasks × {plan.lanes} lanes"
    unused = plan.parallel_workers - plan.in_flight
    return f"{said}; {unused} of parallel_workers = {plan.parallel_workers} left over" if unused > 0 else said


def show_runs(console: Console, runs: Sequence[Any]) -> None:
    """Print the newest runs, for `cio-spark status`."""
    if not runs:
        console.print("no runs yet")
        return
    table = Table()
    for column in ("sync", "run", "started (UTC)", "status", "exit", "scope"):
        table.add_column(column, no_wrap=column == "run", overflow="fold")
    for column in ("source", "accepted"):
        table.add_column(column, justify="right", overflow="fold")
    table.add_column("all other rows")
    table.add_column("requests", justify="right", overflow="fold")
    table.add_column("version", overflow="fold")
    for run in runs:
        source, accepted, requests = (_count(run[name]) for name in ("source_rows", "accepted", "requests"))
        exit_status = "–" if run["exit_status"] is None else str(run["exit_status"])
        started = f"{as_utc(run['started_at']):%Y-%m-%d %H:%M:%S}"
        others = ", ".join(f"{_count(run[name])} {name}" for name in _OTHER_STATES if run[name])
        version = run["package_version"] or "–"
        facts = (run["sync"], run["run_id"], started, run["status"], exit_status, run["scope"] or "–")
        table.add_row(*facts, source, accepted, others, requests, version)
    console.print(table)
    for run in runs:
        if run["error"]:
            console.print(f"{run['run_id']}: {escape(run['error'])}")


def _count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


_OTHER_STATES = tuple(dict.fromkeys((*SKIPPED_STATES, *ROW_STATES[1:])))
"""All states of a run's rows but `accepted`; together with `accepted` they add up to the source rows."""
