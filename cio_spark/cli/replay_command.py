"""Defines the command `replay`, which sends dead letters again."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

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
from cio_spark.cli.run_command import log_style, run_command
from cio_spark.cli.selection import Selection
from cio_spark.cli.send_each import find_keys, send_each
from cio_spark.config import SyncConfig
from cio_spark.errors import ExitStatus
from cio_spark.model import SyncResult
from cio_spark.runtime.cancellation import Cancellation


def replay(
    confs: Confs,
    environment: Environment = None,
    overrides: Overrides = None,
    parameters: Parameters = None,
    only: Only = "",
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
    selection = Selection(confs, environment, overrides or (), warehouse, debug, log_style(log), parameters or (), only)

    def send_again(console: Console) -> ExitStatus:
        configs = selection.load()
        keys = find_keys(configs)
        opened = selection.open_session()
        from cio_spark.pipeline.replay import Letters, replay_sync

        def send(config: SyncConfig, cancellation: Cancellation) -> SyncResult:
            return replay_sync(
                config,
                spark=opened.spark,
                api_key=keys[config.sync.name],
                warehouse=opened.warehouse,
                letters=Letters(run or None, category or None, record or None),  # a parameter of a job may be blank
                progress=choose_progress(selection.log, console),
                cancellation=cancellation,
                take_over=take_over,
                job_attempt=job_attempt,
                same_workspace=same_workspace,
                executor_log=selection.log,
            )

        return send_each(configs, keys, console, send, debug=debug)

    run_command(send_again, debug=debug, log=selection.log)
