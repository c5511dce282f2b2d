"""What the commands that look at the tables do: analyze, monitor, report, explain."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from cio_spark import runtime
from cio_spark.clock import SystemClock
from cio_spark.commands import Selection, open_tables
from cio_spark.config import SyncConfig, WebhookUrl
from cio_spark.errors import CioSparkError, ConfigurationError, ExitStatus
from cio_spark.spark.session import open_session


def analyze(
    selection: Selection,
    console: Console,
    *,
    hours: int,
    runs: int,
    everything: bool,
    target: float | None,
    overlay: Path | None,
) -> ExitStatus:
    """Shows how a sync performs, what holds it back and what to change."""
    config = selection.load()[0]
    tables = open_tables(selection, config)
    from cio_spark.analysis.findings import find_what_holds_back
    from cio_spark.analysis.reading import analyze_sync
    from cio_spark.console_analysis import show_analysis, show_bottlenecks
    from cio_spark.results import set_up_tables

    if not tables.exists("batch_operations"):
        console.print("no runs yet")
        return ExitStatus.SUCCESS
    set_up_tables(tables)
    since = SystemClock().now() - timedelta(hours=hours)
    name = config.sync.name
    analysis = analyze_sync(tables, None if everything else name, since=since, runs=runs)
    show_analysis(console, analysis)
    findings = find_what_holds_back(analysis.run_performance, config, target)
    if findings is None:
        console.print(f"{name} has sent nothing yet")
        return ExitStatus.SUCCESS
    suggestion = findings.suggestion
    show_bottlenecks(console, findings.run["run_id"], findings.bottlenecks, suggestion)
    if overlay is not None:
        suggestion.write_overlay(overlay)
        console.print(
            f"wrote {overlay}; in conf/environments, `cio-spark sync … --environment {overlay.stem}` takes it"
        )
    return ExitStatus.SUCCESS


def monitor(selection: Selection, console: Console, *, minutes: int | None) -> ExitStatus:
    """Evaluates alerts, writes down what changed, tells the webhook; the worst sync's status counts."""
    configs = selection.load()
    opened = open_session(selection.warehouse, debug=selection.debug)
    from cio_spark.console_analysis import show_health
    from cio_spark.monitoring.check import check_sync
    from cio_spark.monitoring.health import STATUSES
    from cio_spark.results import Tables, set_up_tables

    clock, healths = SystemClock(), []
    for config in configs:
        webhook = _find_webhook(config, console)
        tables = Tables(opened.spark, config.tables, opened.warehouse)
        set_up_tables(tables)
        health = check_sync(config, tables, clock=clock, minutes=minutes, webhook=webhook)
        show_health(console, health)
        healths.append(health)
    worst = max(healths, key=lambda health: STATUSES.index(health.status))
    open_alerts = sum(len(health.open_alerts) for health in healths)
    runtime.set_task_values({"status": worst.status, "open_alerts": open_alerts})
    return worst.exit_status


def report(selection: Selection, console: Console, *, output: Path | None, hours: int, runs: int) -> ExitStatus:
    """Writes one HTML file about a sync."""
    config = selection.load()[0]
    write = report_writer()
    tables = open_tables(selection, config)
    from cio_spark.results import set_up_tables

    set_up_tables(tables)
    path = output or Path(f"{config.sync.name}-report.html")
    now = SystemClock().now()
    write(tables, config, path, now=now, since=now - timedelta(hours=hours), runs=runs)
    console.print(f"wrote {escape(str(path))}", soft_wrap=True)
    return ExitStatus.SUCCESS


def report_writer() -> Callable[..., None]:
    """`report.page.write_report`, which needs the extra; whoever asks early has the error before Spark is started.

    Raises:
        ConfigurationError: the extra is not installed.
    """
    try:
        from cio_spark.report.page import write_report
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("jinja2", "markupsafe", "matplotlib"):
            raise
        raise ConfigurationError.of(str(error.name), "is not installed: pip install 'cio-spark[report]'") from None
    return write_report


def explain(
    selection: Selection, console: Console, *, record: str | None, person: str | None, show_values: bool
) -> ExitStatus:
    """Shows everything known about one record or person."""
    config = selection.load()[0]
    from cio_spark.explain import subject_of

    subject = subject_of(config, record, person)
    tables = open_tables(selection, config)
    from cio_spark.console_explain import show_explanation
    from cio_spark.explain.assemble import explain_subject

    show_explanation(console, explain_subject(config, tables, subject), config, show_values=show_values)
    return ExitStatus.SUCCESS


def _find_webhook(config: SyncConfig, console: Console) -> WebhookUrl | None:
    """Whom to tell; without it alerts are evaluated all the same, for the table is the truth."""
    try:
        return runtime.find_webhook(config)
    except CioSparkError as error:
        console.print(f"[yellow]{config.sync.name}: no webhook is told:[/yellow] {escape(str(error))}")
        return None
