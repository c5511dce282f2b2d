"""Defines the commands that send: `sync` and `replay`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from cio_spark import runtime
from cio_spark.cli.options import (
    Conf,
    Confs,
    Debug,
    Environment,
    JobAttempt,
    Log,
    Overrides,
    SameWorkspace,
    TakeOver,
    Warehouse,
)
from cio_spark.cli.render.run_progress import ConsoleProgress, ResultDisplay
from cio_spark.cli.render.run_tables import show_preview
from cio_spark.cli.run_command import log_style, run_command, show_failure, worst_exit_status
from cio_spark.cli.selection import Selection
from cio_spark.config import ApiKey
from cio_spark.errors import ExitStatus, RunCancelledError
from cio_spark.logs.event_log import EventLog
from cio_spark.logs.events import Event
from cio_spark.logs.style import LogStyle
from cio_spark.runtime.cancellation import Cancellation, signal_of


def sync(
    confs: Confs,
    environment: Environment = None,
    overrides: Overrides = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many source rows.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan; send nothing, write nothing.")] = False,
    retry_held: Annotated[
        bool, typer.Option("--retry-held", help="Also try records refused before with the same payload.")
    ] = False,
    full: Annotated[bool, typer.Option("--full", help="Compare all rows, not only those that changed.")] = False,
    full_refresh: Annotated[bool, typer.Option("--full-refresh", hidden=True)] = False,
    take_over: TakeOver = False,
    job_attempt: JobAttempt = None,
    same_workspace: SameWorkspace = False,
    warehouse: Warehouse = None,
    log: Log = None,
    debug: Debug = False,
) -> None:
    """Send what is new or changed in a source, and write down what became of every row."""
    selection = Selection(confs, environment, overrides or (), warehouse, debug, log_style(log))

    def run(console: Console) -> ExitStatus:
        if dry_run:
            return _preview_syncs(
                selection,
                console,
                limit=limit,
                retry_held=retry_held,
                full=full or full_refresh,
                same_workspace=same_workspace,
            )
        return _run_syncs(
            selection,
            console,
            limit=limit,
            retry_held=retry_held,
            full=full or full_refresh,
            take_over=take_over,
            job_attempt=job_attempt,
            same_workspace=same_workspace,
        )

    run_command(run, debug=debug, log=selection.log)


def _run_syncs(
    selection: Selection,
    console: Console,
    *,
    limit: int | None,
    retry_held: bool,
    full: bool,
    take_over: bool,
    job_attempt: str | None,
    same_workspace: bool,
) -> ExitStatus:
    """Run several syncs one after another; if one fails, the others still run.

    A sync is not started if the job was cancelled, or if the API has just refused its key.
    """
    configs = selection.load()
    keys = {config.sync.name: runtime.find_api_key(config) for config in configs}
    opened = selection.open_session()
    from cio_spark.pipeline import run_sync  # needs pyspark, which open_session has made sure of

    statuses: list[ExitStatus] = []
    refused: set[ApiKey] = set()
    cancellation = Cancellation()
    with runtime.cancel_on_signals(cancellation):
        for config in configs:
            name = config.sync.name
            if cancellation.requested:
                statuses.append(_skip(console, name, "the job was cancelled", cancellation.exit_status))
                continue
            if keys[name] in refused:
                why = "its API key was refused a moment ago"
                statuses.append(_skip(console, name, why, ExitStatus.KEY_REFUSED))
                continue
            try:
                result = run_sync(
                    config,
                    spark=opened.spark,
                    api_key=keys[name],
                    warehouse=opened.warehouse,
                    limit=limit,
                    retry_held=retry_held,
                    full=full,
                    progress=_progress_of(selection, console),
                    cancellation=cancellation,
                    take_over=take_over,
                    job_attempt=job_attempt,
                    same_workspace=same_workspace,
                    executor_log=selection.log,
                )
                status = result.exit_status
            except Exception as error:  # however one sync fails, the others must still run and show their results
                status = show_failure(console, error, config, of_several=len(configs) > 1, debug=selection.debug)
                if isinstance(error, RunCancelledError):  # who cancels a sync by its Spark jobs, cancels the command
                    cancellation.request(signal_of(status))
            if status is ExitStatus.KEY_REFUSED:
                refused.add(keys[name])
            statuses.append(status)
    return worst_exit_status(statuses)


def _preview_syncs(
    selection: Selection, console: Console, *, limit: int | None, retry_held: bool, full: bool, same_workspace: bool
) -> ExitStatus:
    """Preview several syncs one after another; if one fails, the others are still shown."""
    configs = selection.load()
    opened = selection.open_session()
    from cio_spark.pipeline import preview_sync  # needs pyspark, which open_session has made sure of

    statuses: list[ExitStatus] = []
    cancellation = Cancellation()
    with runtime.cancel_on_signals(cancellation):
        for config in configs:
            name = config.sync.name
            if cancellation.requested:
                statuses.append(_skip(console, name, "the job was cancelled", cancellation.exit_status))
                continue
            try:
                preview = preview_sync(
                    config,
                    spark=opened.spark,
                    warehouse=opened.warehouse,
                    limit=limit,
                    retry_held=retry_held,
                    full=full,
                    same_workspace=same_workspace,
                )
            except Exception as error:  # as in `_run_syncs`
                statuses.append(
                    show_failure(console, error, config, of_several=len(configs) > 1, debug=selection.debug)
                )
            else:
                show_preview(console, name, preview)
    return worst_exit_status(statuses)


def _skip(console: Console, sync: str, why: str, status: ExitStatus) -> ExitStatus:
    """Print and log that a sync is not started, and return the exit status for it."""
    EventLog(sync).write(Event.RUN_NOT_STARTED, exit_status=int(status), error=why)
    console.print(f"{sync}: not started, {why}")
    return status


def replay(
    conf: Conf,
    environment: Environment = None,
    overrides: Overrides = None,
    run: Annotated[str | None, typer.Option(help="Only dead letters of this run.")] = None,
    category: Annotated[str | None, typer.Option(help="Only those of this error category.")] = None,
    record: Annotated[str | None, typer.Option(help="Only those of this record id.")] = None,
    take_over: TakeOver = False,
    job_attempt: JobAttempt = None,
    same_workspace: SameWorkspace = False,
    warehouse: Warehouse = None,
    log: Log = None,
    debug: Debug = False,
) -> None:
    """Send dead letters again, under their own message ids; nothing older than what was accepted."""
    selection = Selection([conf], environment, overrides or (), warehouse, debug, log_style(log))

    def send_again(console: Console) -> ExitStatus:
        config = selection.load()[0]
        key = runtime.find_api_key(config)
        opened = selection.open_session()
        from cio_spark.pipeline.replay import Letters, replay_sync

        cancellation = Cancellation()
        with runtime.cancel_on_signals(cancellation):
            result = replay_sync(
                config,
                spark=opened.spark,
                api_key=key,
                warehouse=opened.warehouse,
                letters=Letters(run, category, record),
                progress=_progress_of(selection, console),
                cancellation=cancellation,
                take_over=take_over,
                job_attempt=job_attempt,
                same_workspace=same_workspace,
                executor_log=selection.log,
            )
        return result.exit_status

    run_command(send_again, debug=debug, log=selection.log)


def _progress_of(selection: Selection, console: Console) -> ConsoleProgress | ResultDisplay:
    """Return the listener that shows a run on the console.

    If events are logged, they tell the progress, and the listener shows only the result.
    """
    return ConsoleProgress(console) if selection.log is LogStyle.OFF else ResultDisplay(console)
