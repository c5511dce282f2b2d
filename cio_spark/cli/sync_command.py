"""Defines the command `sync`, which runs syncs or shows what they would do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console

from cio_spark import runtime
from cio_spark.cli.options import (
    Confs,
    Debug,
    Environment,
    JobAttempt,
    Log,
    Only,
    Overrides,
    Parameters,
    SameWorkspace,
    TakeOver,
    Warehouse,
)
from cio_spark.cli.render.run_progress import choose_progress
from cio_spark.cli.render.run_tables import show_preview
from cio_spark.cli.run_command import log_style, run_command, run_each, skip_sync
from cio_spark.cli.selection import Selection
from cio_spark.config import ApiKey, SyncConfig
from cio_spark.errors import CioSparkError, ExitStatus
from cio_spark.model import SyncResult
from cio_spark.runtime.cancellation import Cancellation


def sync(
    confs: Confs,
    environment: Environment = None,
    overrides: Overrides = None,
    parameters: Parameters = None,
    only: Only = "",
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
    selection = Selection(confs, environment, overrides or (), warehouse, debug, log_style(log), parameters or (), only)
    results: list[SyncResult] = []

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
            results,
            limit=limit,
            retry_held=retry_held,
            full=full or full_refresh,
            take_over=take_over,
            job_attempt=job_attempt,
            same_workspace=same_workspace,
        )

    run_command(run, debug=debug, log=selection.log, task_values=lambda status: _task_values(status, results))


def _task_values(status: ExitStatus, results: Sequence[SyncResult]) -> dict[str, str | int]:
    """Return what later tasks of a Databricks job can learn about a run of syncs.

    Conditions of a job compare texts, so `may_have_sent` is "true" or "false". A run that an error ended has no result,
    so what it sent is unknown, unless the status says that nothing was.
    """
    written = sum(result.books.delivery.persisted for result in results)
    nothing_sent = status in (ExitStatus.SUCCESS, ExitStatus.CONFIGURATION_ERROR) and not written
    return {
        "exit_status": int(status),
        "may_have_sent": "false" if nothing_sent else "true",
        "run_ids": ",".join(result.run_id for result in results),
    }


def _run_syncs(
    selection: Selection,
    console: Console,
    results: list[SyncResult],
    *,
    limit: int | None,
    retry_held: bool,
    full: bool,
    take_over: bool,
    job_attempt: str | None,
    same_workspace: bool,
) -> ExitStatus:
    """Run several syncs one after another; if one fails, the others still run.

    A sync is not started if the job was cancelled, or if the API has just refused its key. The results of runs that
    came to an end are added to `results`.
    """
    configs = selection.load()
    keys = {config.sync.name: runtime.find_api_key(config) for config in configs}
    opened = selection.open_session()
    from cio_spark.pipeline import run_sync  # needs pyspark, which open_session has made sure of

    refused: set[ApiKey] = set()
    cancellation = Cancellation()

    def send_one(config: SyncConfig) -> ExitStatus:
        name = config.sync.name
        if cancellation.requested:
            return skip_sync(console, name, "the job was cancelled", cancellation.exit_status)
        if keys[name] in refused:
            return skip_sync(console, name, "its API key was refused a moment ago", ExitStatus.KEY_REFUSED)
        try:
            result = run_sync(
                config,
                spark=opened.spark,
                api_key=keys[name],
                warehouse=opened.warehouse,
                limit=limit,
                retry_held=retry_held,
                full=full,
                progress=choose_progress(selection.log, console),
                cancellation=cancellation,
                take_over=take_over,
                job_attempt=job_attempt,
                same_workspace=same_workspace,
                executor_log=selection.log,
            )
        except CioSparkError as error:
            if error.exit_status is ExitStatus.KEY_REFUSED:
                refused.add(keys[name])
            raise
        results.append(result)
        if result.exit_status is ExitStatus.KEY_REFUSED:
            refused.add(keys[name])
        return result.exit_status

    with runtime.cancel_on_signals(cancellation):
        return run_each(configs, console, send_one, debug=selection.debug)


def _preview_syncs(
    selection: Selection, console: Console, *, limit: int | None, retry_held: bool, full: bool, same_workspace: bool
) -> ExitStatus:
    """Preview several syncs one after another; if one fails, the others are still shown."""
    configs = selection.load()
    opened = selection.open_session()
    from cio_spark.pipeline import preview_sync  # needs pyspark, which open_session has made sure of

    cancellation = Cancellation()

    def preview_one(config: SyncConfig) -> ExitStatus:
        name = config.sync.name
        if cancellation.requested:
            return skip_sync(console, name, "the job was cancelled", cancellation.exit_status)
        preview = preview_sync(
            config,
            spark=opened.spark,
            warehouse=opened.warehouse,
            limit=limit,
            retry_held=retry_held,
            full=full,
            same_workspace=same_workspace,
        )
        show_preview(console, name, preview)
        return ExitStatus.SUCCESS

    with runtime.cancel_on_signals(cancellation):
        return run_each(configs, console, preview_one, debug=selection.debug)
