"""Runs any command with a console and a log, and turns errors into a sentence and an exit status."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

import typer
from rich.console import Console
from rich.markup import escape

from cio_spark import runtime
from cio_spark.clock import SystemClock
from cio_spark.config import SyncConfig
from cio_spark.errors import CioSparkError, ExitStatus
from cio_spark.logs.command_line import choose_style, logs_configured
from cio_spark.logs.event_log import EventLog
from cio_spark.logs.events import Event
from cio_spark.logs.style import LogStyle
from cio_spark.spark.failures import explain_failure

_LOG_WIDTH = 180


def log_style(asked: LogStyle | None) -> LogStyle:
    """Decide how a command logs: as `--log` says, else off on a terminal and JSON elsewhere.

    Args:
        asked: value of `--log`; None if it is not given.
    """
    return choose_style(asked, on_terminal=Console().is_terminal)


def run_command(
    command: Callable[[Console], ExitStatus],
    *,
    debug: bool = False,
    log: LogStyle = LogStyle.OFF,
    task_values: Callable[[ExitStatus], Mapping[str, str | int]] | None = None,
) -> None:
    """Run a command and exit; an error is shown as a sentence and becomes an exit status.

    Args:
        command: function that does the work of the command, and returns its exit status.
        debug: whether exceptions are raised instead.
        log: style in which events are written to standard error.
        task_values: makes the values for later tasks of a Databricks job; called with the exit status, however the
            command has ended, because a condition on a value that was never set fails. None sets no values.

    Raises:
        typer.Exit: the command has ended; it carries the exit status.
    """
    console = Console(highlight=False)
    if not console.is_terminal and not runtime.says_terminal_width():
        # A file or a job's log has no width; in the 80 columns that are assumed for it, tables become unreadable
        console.width = _LOG_WIDTH
    try:
        with logs_configured(log, sys.stderr, SystemClock()):
            exit_status = command(console)
    except CioSparkError as error:
        if debug:
            raise
        exit_status = show_error(_errors(), error)
    except KeyboardInterrupt:
        exit_status = ExitStatus.CANCELLED_SIGINT
    except Exception as error:  # whatever else happens, a user gets a sentence; --debug gives the trace
        if debug:
            raise
        exit_status = show_error(_errors(), explain_failure(error, {}))
    if task_values is not None and (refused := runtime.set_task_values(task_values(exit_status))) is not None:
        _errors().print(f"[yellow]task values could not be set[/yellow] ({refused})")
    raise typer.Exit(int(exit_status))


def worst_exit_status(statuses: Sequence[ExitStatus]) -> ExitStatus:
    """Return the worst of several exit statuses.

    A run that ended with an error of its own is worse than a run that finished with too many records in error.

    Args:
        statuses: exit statuses; none of them means success.
    """
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
    """Show an error, and return its exit status."""
    lines = str(error).splitlines()
    for line in lines:
        console.print(f"[red]error:[/red] {escape(f'{sync}: ' if sync else '')}{escape(line)}", soft_wrap=True)
    return error.exit_status


def run_each(configs: Sequence[SyncConfig], command: Callable[[SyncConfig], ExitStatus], *, debug: bool) -> ExitStatus:
    """Run a command for each sync, one after the other; if one fails, the others still have their turn.

    Args:
        configs: configurations of the syncs.
        command: does the work for one sync, and returns its exit status.
        debug: whether exceptions are raised instead of shown; a `CioSparkError` is shown all the same, because it is a
            sentence of ours with an exit status.

    Returns:
        The worst exit status.
    """
    statuses: list[ExitStatus] = []
    for config in configs:
        try:
            statuses.append(command(config))
        except Exception as error:  # one sync that fails in any way must not hide the others
            if debug and not isinstance(error, CioSparkError):
                raise
            sync = config.sync.name if len(configs) > 1 else None
            statuses.append(show_error(_errors(), explain_failure(error, config.expressions()), sync))
    return worst_exit_status(statuses)


def _errors() -> Console:
    """Return the console for errors, which belong on standard error."""
    return Console(stderr=True, highlight=False)


def skip_sync(console: Console, sync: str, why: str, status: ExitStatus) -> ExitStatus:
    """Print and log that a sync is not started, and return the exit status for it."""
    EventLog(sync).write(Event.RUN_NOT_STARTED, exit_status=int(status), error=why)
    console.print(f"{sync}: not started, {why}")
    return status
