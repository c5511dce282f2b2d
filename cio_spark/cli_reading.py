"""The commands that look at what runs have written: status, analyze, monitor, report, explain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cio_spark import commands, reading_commands
from cio_spark.cli_options import (
    Conf,
    Confs,
    Debug,
    Environment,
    Everything,
    Log,
    Overrides,
    Warehouse,
    log_style,
    run_command,
)
from cio_spark.commands import Selection


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
    run_command(lambda console: commands.status(selection, console, limit=limit, everything=everything), debug=debug)


def analyze(
    conf: Conf,
    environment: Environment = None,
    overrides: Overrides = None,
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
    selection = Selection([conf], environment, overrides or (), warehouse, debug)
    run_command(
        lambda console: reading_commands.analyze(
            selection, console, hours=hours, runs=runs, everything=everything, target=target, overlay=suggest
        ),
        debug=debug,
    )


def monitor(
    confs: Confs,
    environment: Environment = None,
    overrides: Overrides = None,
    minutes: Annotated[
        int | None, typer.Option(min=1, max=1440, help="Length of the window; default: monitoring.window_minutes.")
    ] = None,
    warehouse: Warehouse = None,
    log: Log = None,
    debug: Debug = False,
) -> None:
    """Evaluate alerts; exit status 0: healthy or nothing lately, 8: degraded or a warning, 9: critical."""
    selection = Selection(confs, environment, overrides or (), warehouse, debug, log_style(log))
    run_command(
        lambda console: reading_commands.monitor(selection, console, minutes=minutes), debug=debug, log=selection.log
    )


def report(
    conf: Conf,
    environment: Environment = None,
    overrides: Overrides = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="The page; default: SYNC-report.html here.")
    ] = None,
    hours: Annotated[int, typer.Option(min=1, help="How far back the hourly trends go.")] = 24,
    runs: Annotated[int, typer.Option(min=1, max=1000, help="How many runs.")] = 10,
    warehouse: Warehouse = None,
    debug: Debug = False,
) -> None:
    """Write one HTML file: books, performance, errors, what to change; it loads nothing and holds no payload."""
    selection = Selection([conf], environment, overrides or (), warehouse, debug)
    run_command(
        lambda console: reading_commands.report(selection, console, output=output, hours=hours, runs=runs), debug=debug
    )


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
    run_command(
        lambda console: reading_commands.explain(
            selection, console, record=record, person=person, show_values=show_values
        ),
        debug=debug,
    )


def register(app: typer.Typer) -> None:
    """Adds these commands to the application."""
    for command in (status, analyze, monitor, report, explain):
        app.command()(command)
