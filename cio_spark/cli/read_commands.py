"""Defines the commands that show on a terminal what runs have written: `status`, `analyze`, `monitor`, `explain`."""

from __future__ import annotations

from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from cio_spark import runtime
from cio_spark.cli.options import (
    Conf,
    Confs,
    Debug,
    Environment,
    Everything,
    Log,
    Only,
    Overrides,
    Parameters,
    Warehouse,
)
from cio_spark.cli.render.run_tables import show_runs
from cio_spark.cli.run_command import log_style, run_command, run_each
from cio_spark.cli.selection import Selection
from cio_spark.clock import SystemClock
from cio_spark.config import SyncConfig, WebhookUrl
from cio_spark.errors import CioSparkError, ConfigurationError, ExitStatus

NO_RUNS = "no runs yet"


class FailOn(str, Enum):
    """Lists the alerts for which `monitor` may end with another exit status than 0."""

    WARNING = "warning"
    CRITICAL = "critical"


def status(
    conf: Conf,
    environment: Environment = None,
    overrides: Overrides = None,
    limit: Annotated[int, typer.Option(min=1, help="How many runs.")] = 10,
    everything: Everything = False,
    warehouse: Warehouse = None,
    debug: Debug = False,
) -> None:
    """Show the last runs."""
    selection = Selection([conf], environment, overrides or (), warehouse, debug)

    def run(console: Console) -> ExitStatus:
        config = selection.load_one()
        tables = selection.open_tables(config)
        from cio_spark.results import are_set_up, last_runs

        if not are_set_up(tables):
            console.print(NO_RUNS)
            return ExitStatus.SUCCESS
        show_runs(console, last_runs(tables, None if everything else config.sync.name, limit))
        return ExitStatus.SUCCESS

    run_command(run, debug=debug)


def analyze(
    confs: Confs,
    environment: Environment = None,
    overrides: Overrides = None,
    parameters: Parameters = None,
    only: Only = "",
    hours: Annotated[int, typer.Option(min=1, help="How far back the hourly trends go.")] = 24,
    runs: Annotated[int, typer.Option(min=1, max=1000, help="How many runs.")] = 10,
    everything: Everything = False,
    target: Annotated[
        float | None, typer.Option(min=0.001, help="Records per second the suggestion should reach.")
    ] = None,
    suggest: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the suggestion as an environment file.")
    ] = None,
    warehouse: Warehouse = None,
    debug: Debug = False,
) -> None:
    """Show performance, errors and books, what holds a sync back, and what to change."""
    selection = Selection(confs, environment, overrides or (), warehouse, debug, parameters=parameters or (), only=only)

    def run(console: Console) -> ExitStatus:
        configs = selection.load()
        if suggest is not None and len(configs) > 1:
            raise ConfigurationError.of("--suggest", f"is about one sync, and there are {len(configs)}: name one")
        opened = selection.open_session()
        from cio_spark.analysis.findings import find_what_holds_back
        from cio_spark.analysis.reading import analyze_sync
        from cio_spark.cli.render.analysis_tables import show_analysis, show_bottlenecks
        from cio_spark.results import Tables, are_set_up

        def analyze_one(config: SyncConfig) -> ExitStatus:
            tables = Tables(opened.spark, config.tables, opened.warehouse)
            if not are_set_up(tables):
                console.print(NO_RUNS)
                return ExitStatus.SUCCESS
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
            if suggest is not None:
                suggestion.write_overlay(suggest)
                console.print(
                    f"wrote {suggest}; in conf/environments, `cio-spark sync … --environment {suggest.stem}` takes it"
                )
            return ExitStatus.SUCCESS

        return run_each(configs, analyze_one, debug=debug)

    run_command(run, debug=debug)


def monitor(
    confs: Confs,
    environment: Environment = None,
    overrides: Overrides = None,
    parameters: Parameters = None,
    only: Only = "",
    minutes: Annotated[
        int | None, typer.Option(min=1, max=1440, help="Length of the window; default: monitoring.window_minutes.")
    ] = None,
    fail_on: Annotated[
        FailOn, typer.Option(help="The mildest alert for which the exit status is not 0.", case_sensitive=False)
    ] = FailOn.WARNING,
    warehouse: Warehouse = None,
    log: Log = None,
    debug: Debug = False,
) -> None:
    """Evaluate alerts; exit status 0: healthy or nothing lately, 8: degraded or a warning, 9: critical."""
    selection = Selection(confs, environment, overrides or (), warehouse, debug, log_style(log), parameters or (), only)
    # Values for later tasks of a Databricks job, also where the command ends before it has looked at any sync
    found: dict[str, str | int] = {"status": "no_data", "open_alerts": 0}

    def run(console: Console) -> ExitStatus:
        configs = selection.load()
        opened = selection.open_session()
        from cio_spark.cli.render.analysis_tables import show_health
        from cio_spark.monitoring import Health, Observed
        from cio_spark.monitoring.check import check_sync
        from cio_spark.monitoring.health import STATUSES
        from cio_spark.results import Tables, are_set_up

        clock, healths = SystemClock(), list[Health]()

        def check_one(config: SyncConfig) -> ExitStatus:
            tables = Tables(opened.spark, config.tables, opened.warehouse)
            if are_set_up(tables):
                webhook = _find_webhook(config, console)
                health = check_sync(config, tables, clock=clock, minutes=minutes, webhook=webhook)
            else:
                health = Health(config.sync.name, "no_data", Observed(clock.now(), clock.now()))
            show_health(console, health)
            healths.append(health)
            return health.exit_status_from(fail_on.value)

        status = run_each(configs, check_one, debug=debug)
        found["status"] = max((health.status for health in healths), key=STATUSES.index, default="no_data")
        found["open_alerts"] = sum(len(health.open_alerts) for health in healths)
        return status

    run_command(run, debug=debug, log=selection.log, task_values=lambda _: found)


def _find_webhook(config: SyncConfig, console: Console) -> WebhookUrl | None:
    """Return the webhook that alerts are sent to, or None.

    If the webhook cannot be found, that is printed, and the alerts are evaluated all the same, because they are
    recorded in a table anyway.
    """
    try:
        return runtime.find_webhook(config)
    except CioSparkError as error:
        console.print(f"[yellow]{config.sync.name}: no webhook is told:[/yellow] {escape(str(error))}")
        return None


def explain(
    conf: Conf,
    environment: Environment = None,
    overrides: Overrides = None,
    record: Annotated[str | None, typer.Option(metavar="ID", help="A record id.")] = None,
    person: Annotated[str | None, typer.Option(metavar="ID", help="A person: the id that is sent.")] = None,
    show_values: Annotated[bool, typer.Option("--show-values", help="Payloads with their values.")] = False,
    warehouse: Warehouse = None,
    debug: Debug = False,
) -> None:
    """Show everything known about one record or person: source, payload, validation, state, attempts, dead letters."""
    selection = Selection([conf], environment, overrides or (), warehouse, debug)

    def run(console: Console) -> ExitStatus:
        config = selection.load_one()
        from cio_spark.explain import subject_of

        subject = subject_of(config, record, person)
        tables = selection.open_tables(config)
        from cio_spark.cli.render.record_view import show_explanation
        from cio_spark.explain.assemble import explain_subject

        show_explanation(console, explain_subject(config, tables, subject), config, show_values=show_values)
        return ExitStatus.SUCCESS

    run_command(run, debug=debug)
