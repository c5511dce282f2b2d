"""Draws the rows of the analysis views, bottlenecks and the health of a sync on a terminal; numbers are rounded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cio_spark.analysis import Bottleneck, Suggestion
from cio_spark.analysis.table_layout import TABLES, ColumnLayout, TableLayout
from cio_spark.cli.render.run_tables import duration
from cio_spark.monitoring import Health

if TYPE_CHECKING:
    from cio_spark.analysis.reading import Analysis

_COLOURS = {"high": "red", "critical": "red", "medium": "yellow", "warning": "yellow", "degraded": "yellow"}


def show_analysis(console: Console, analysis: Analysis) -> None:
    """Print a table for each view that has rows."""
    for name, shown in TABLES.items():
        rows = getattr(analysis, name)
        if rows:
            console.print(table_of(shown, rows))


def table_of(shown: TableLayout, rows: Sequence[Any]) -> Table:
    """Make a terminal table of rows; numbers are aligned to the right."""
    table = Table(title=shown.title, title_justify="left")
    for column in shown.columns:
        table.add_column(column.heading, justify="right" if column.is_number else "left", overflow="fold")
    for row in rows[: shown.most]:
        table.add_row(*[_cell(column, row) for column in shown.columns])
    return table


def _cell(column: ColumnLayout, row: Any) -> str:
    said = escape(column.of(row))
    return f"[red]{said}[/red]" if column.figure == "balanced" and row["balanced"] is False else said


def show_bottlenecks(console: Console, run_id: str, found: Sequence[Bottleneck], suggestion: Suggestion) -> None:
    """Print the bottlenecks of a run, what to do about each of them, and a better configuration."""
    console.print(f"[bold]what held run {run_id} back[/bold]")
    for item in found:
        colour = _COLOURS.get(item.severity, "dim")
        console.print(f"  [{colour}]{item.severity}[/{colour}] {item.type}: {item.metric}")
        console.print(f"    → {escape(item.suggestion)}")
    if not found:
        console.print("  nothing that stands out")
    if suggestion.changes:
        expected = f"{suggestion.records_per_second:,.0f} records/s, limited by {suggestion.limited_by}"
        console.print(f"[bold]suggested[/bold] (expected while there is work: {expected})")
        for change in suggestion.changes:
            console.print(f"  batch.{escape(str(change))}")
    console.print(f"  {escape(suggestion.strategy)}")


def show_health(console: Console, health: Health) -> None:
    """Print the health of a sync, its open alerts and the alerts that were just resolved."""
    window, running = health.observed.window, health.observed.running
    colour = _COLOURS.get(health.status, "green")
    console.print(f"{health.sync}: [{colour}]{health.status}[/{colour}]")
    if running is not None:
        console.print(f"  run {running.run_id} is at work since {running.started_at:%Y-%m-%d %H:%M:%S UTC}")
    span = duration((health.observed.now - health.observed.since).total_seconds())
    if window.batch_count:
        console.print(
            f"  last {span}: {window.batch_count:,} batches, {window.total_records:,} records, "
            f"{window.error_rate_percent:.2f} % errors, {window.requests_per_second:.1f} requests/s, "
            f"{window.records_per_second:,.0f} records/s"
        )
    else:
        console.print(f"  last {span}: no batches")
    new = {event.alert_id for event in health.opened}
    for event in health.open_alerts:
        since = "new" if event.alert_id in new else f"since {event.at:%Y-%m-%d %H:%M UTC}"
        colour = _COLOURS[event.severity]
        console.print(f"  [{colour}]{event.severity}[/{colour}] {event.type} ({since}): {escape(event.message)}")
    for event in health.resolved:
        console.print(f"  [green]resolved[/green] {event.type} (was: {escape(event.message)})")
    if health.webhook is not None:
        console.print(f"  {escape(health.webhook)}")
