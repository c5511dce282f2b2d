"""Runs any command: gives it a console and the log, and turns an error into a sentence and an exit status."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import typer
from rich.console import Console
from rich.markup import escape

from cio_spark import runtime
from cio_spark.clock import SystemClock
from cio_spark.config import SyncConfig
from cio_spark.errors import CioSparkError, ExitStatus
from cio_spark.logs.command_line import choose_style, logs_configured
from cio_spark.logs.style import LogStyle
from cio_spark.spark.failures import explain_failure

_LOG_WIDTH = 180


def log_style(asked: LogStyle | None) -> LogStyle:
    """Decide how a command logs: as asked for by `--log`, else by whether standard output is a terminal."""
    return choose_style(asked, on_terminal=Console().is_terminal)


def run_command(command: Callable[[Console], ExitStatus], *, debug: bool = False, log: LogStyle = LogStyle.OFF) -> None:
    """Run a command; an error becomes one sentence and an exit status.

    Args:
        command: what to do.
        debug: let exceptions through.
        log: how events are written to standard error.
    """
    console = Console(highlight=False)
    if not console.is_terminal and not runtime.says_terminal_width():
        # A file or a job's log has no width; in the 80 columns assumed for it tables fall apart
        console.width = _LOG_WIDTH
    try:
        with logs_configured(log, sys.stderr, SystemClock()):
            exit_status = command(console)
    except CioSparkError as error:
        if debug:
            raise
        exit_status = show_error(Console(stderr=True, highlight=False), error)
    except KeyboardInterrupt:
        exit_status = ExitStatus.CANCELLED_SIGINT
    except Exception as error:  # whatever else happens, a user gets a sentence; --debug gives the trace
        if debug:
            raise
        exit_status = show_error(Console(stderr=True, highlight=False), explain_failure(error, {}))
    raise typer.Exit(int(exit_status))


def worst(statuses: Sequence[ExitStatus]) -> ExitStatus:
    """Give the status that counts of several: an error is worse than a run that finished with errors."""
    order = [
        ExitStatus.SUCCESS,
        ExitStatus.MONITOR_WARNING,
        ExitStatus.MONITOR_CRITICAL,
        ExitStatus.ERROR_THRESHOLD_EXCEEDED,
        ExitStatus.FAIL_FAST,
        ExitStatus.API_UNAVAILABLE,
        ExitStatus.TAKEN_OVER,
        ExitStatus.CONFIGURATION_ERROR,
        ExitStatus.KEY_REFUSED,
        ExitStatus.INTERNAL_ERROR,
        ExitStatus.BOOKS_NOT_BALANCED,
        ExitStatus.CANCELLED_SIGINT,
        ExitStatus.CANCELLED_SIGTERM,
    ]
    return max(statuses, key=order.index, default=ExitStatus.SUCCESS)


def show_error(console: Console, error: CioSparkError, sync: str | None = None) -> ExitStatus:
    """Show an error in a sentence, and give its exit status."""
    lines = str(error).splitlines()
    for line in lines:
        console.print(f"[red]error:[/red] {escape(f'{sync}: ' if sync else '')}{escape(line)}", soft_wrap=True)
    return error.exit_status


def show_failure(
    console: Console, error: Exception, config: SyncConfig, *, of_several: bool, debug: bool
) -> ExitStatus:
    """Show why one of several syncs failed, and give its exit status, so that the others get their turn.

    Args:
        console: where to.
        error: what ended it.
        config: the sync.
        of_several: whether its name is needed to tell it from others.
        debug: let errors through that are not ours.
    """
    if debug and not isinstance(error, CioSparkError):
        raise error
    return show_error(console, explain_failure(error, config.expressions()), config.sync.name if of_several else None)
