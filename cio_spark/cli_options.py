"""What the commands' arguments have in common, and how any command is run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cio_spark import commands
from cio_spark.clock import SystemClock
from cio_spark.errors import CioSparkError, ExitStatus
from cio_spark.logs.command_line import choose_style, logs_configured
from cio_spark.logs.style import LogStyle
from cio_spark.spark.failures import explain_failure

Confs = Annotated[list[Path], typer.Argument(metavar="CONF...", help="Sync files, like conf/syncs/orders.yml.")]
Conf = Annotated[Path, typer.Argument(metavar="CONF", help="A sync file, like conf/syncs/orders.yml.")]
Environment = Annotated[
    str | None, typer.Option("--environment", "-e", help="Environment file: conf/environments/NAME.yml.")
]
Overrides = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override one setting.")]
Warehouse = Annotated[
    Path | None,
    typer.Option(help="Folder of local tables (CIO_SPARK_WAREHOUSE; default .cio-spark/warehouse)."),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show Spark's own messages, and stack traces.")]
TakeOver = Annotated[
    bool, typer.Option("--take-over", help="Start although another run has no end yet: you know that it is dead.")
]
JobAttempt = Annotated[
    str | None,
    typer.Option(
        metavar="RUN/TASK/COUNT",
        help="Of a Databricks task: {{job.run_id}}/{{task.name}}/{{task.execution_count}}; a retry need not wait.",
    ),
]
SameWorkspace = Annotated[
    bool, typer.Option("--same-workspace", help="The new address of the API leads to the same workspace as before.")
]
Log = Annotated[
    LogStyle | None,
    typer.Option(
        "--log", help="Events on standard error, one a line; default: json, on a terminal off.", show_default=False
    ),
]
Everything = Annotated[bool, typer.Option("--all", help="Of every sync in these tables.")]

_UNKNOWN_WIDTH = 80
_LOG_WIDTH = 180


def log_style(asked: LogStyle | None) -> LogStyle:
    """Decide how a command logs: as asked for by `--log`, else by whether standard output is a terminal."""
    return choose_style(asked, on_terminal=Console().is_terminal)


def run_command(command: Callable[[Console], ExitStatus], *, debug: bool = False, log: LogStyle = LogStyle.OFF) -> None:
    """Runs a command; an error becomes one sentence and an exit status.

    Args:
        command: what to do.
        debug: let exceptions through.
        log: how events are written to standard error.
    """
    console = Console(highlight=False)
    if not console.is_terminal and console.width == _UNKNOWN_WIDTH:
        # A file or a job's log has no width; in the 80 columns assumed for it tables fall apart
        console.width = _LOG_WIDTH
    try:
        with logs_configured(log, sys.stderr, SystemClock()):
            exit_status = command(console)
    except CioSparkError as error:
        if debug:
            raise
        exit_status = commands.fail(Console(stderr=True, highlight=False), error)
    except KeyboardInterrupt:
        exit_status = ExitStatus.CANCELLED_SIGINT
    except Exception as error:  # whatever else happens, a user gets a sentence; --debug gives the trace
        if debug:
            raise
        exit_status = commands.fail(Console(stderr=True, highlight=False), explain_failure(error, {}))
    raise typer.Exit(int(exit_status))
