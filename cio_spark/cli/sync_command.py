"""Defines the command `sync`, which runs syncs or shows what they would do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Final

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
from cio_spark.cli.send_each import find_keys, send_each
from cio_spark.config import SyncConfig
from cio_spark.errors import CioSparkError, ExitStatus
from cio_spark.model import SyncResult
from cio_spark.runtime.cancellation import Cancellation
from cio_spark.task_attempt import TaskAttempt

MAY_HAVE_SENT: Final = {True: "true", False: "false"}
"""Texts of the task value `may_have_sent`: conditions of a Databricks job compare texts."""


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
    attempt = TaskAttempt.parse(job_attempt)
    outcomes = SyncOutcomes(is_later_try=attempt is not None and attempt.count > 1)

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
            outcomes,
            limit=limit,
            retry_held=retry_held,
            full=full or full_refresh,
            take_over=take_over,
            job_attempt=job_attempt,
            same_workspace=same_workspace,
        )

    run_command(run, debug=debug, log=selection.log, task_values=outcomes.task_values)


@dataclass
class SyncOutcomes:
    """Collects what a command's syncs have done, for later tasks of a Databricks job.

    Attributes:
        is_later_try: whether an earlier try of the same task may have sent something.
        results: results of the runs that came to an end.
        may_have_sent: names of the syncs of which it is not known that they sent nothing.
    """

    is_later_try: bool = False
    results: list[SyncResult] = field(default_factory=list)
    may_have_sent: set[str] = field(default_factory=set)

    def run(self, sync: str, send: Callable[[], SyncResult]) -> SyncResult:
        """Run a sync, and note whether it may have sent something.

        A run that an error ended has no result, so what it sent is unknown, unless the exit status says that nothing
        was.
        """
        self.may_have_sent.add(sync)
        try:
            result = send()
        except CioSparkError as error:
            if error.exit_status is ExitStatus.CONFIGURATION_ERROR:
                self.may_have_sent.discard(sync)
            raise
        self.results.append(result)
        if not result.books.delivery.persisted + result.books.in_doubt:
            self.may_have_sent.discard(sync)
        return result

    def task_values(self, status: ExitStatus) -> dict[str, str | int]:
        """Return the values by key, once the command has ended with an exit status."""
        return {
            "exit_status": int(status),
            "may_have_sent": MAY_HAVE_SENT[self.is_later_try or bool(self.may_have_sent)],
            "run_ids": ",".join(result.run_id for result in self.results),
        }


def _run_syncs(
    selection: Selection,
    console: Console,
    outcomes: SyncOutcomes,
    *,
    limit: int | None,
    retry_held: bool,
    full: bool,
    take_over: bool,
    job_attempt: str | None,
    same_workspace: bool,
) -> ExitStatus:
    """Run several syncs one after another, as `send_each` does, and note what they did in `outcomes`."""
    configs = selection.load()
    keys = find_keys(configs)
    opened = selection.open_session()
    from cio_spark.pipeline import run_sync  # needs pyspark, which open_session has made sure of

    def send(config: SyncConfig, cancellation: Cancellation) -> SyncResult:
        return outcomes.run(
            config.sync.name,
            lambda: run_sync(
                config,
                spark=opened.spark,
                api_key=keys[config.sync.name],
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
            ),
        )

    return send_each(configs, keys, console, send, debug=selection.debug)


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
        return run_each(configs, preview_one, debug=selection.debug)
