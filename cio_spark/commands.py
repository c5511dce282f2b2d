"""What the commands and the jobs do, apart from their arguments: sessions, keys, order of several syncs, statuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from cio_spark import runtime
from cio_spark.clock import SystemClock
from cio_spark.config import ApiKey, SyncConfig, load_configs
from cio_spark.console import ConsoleProgress, ResultDisplay, show_preview, show_runs
from cio_spark.errors import CioSparkError, ExitStatus
from cio_spark.logs.event_log import EventLog
from cio_spark.logs.events import Event
from cio_spark.logs.style import LogStyle
from cio_spark.pipeline.progress import Progress
from cio_spark.runtime.cancellation import Cancellation
from cio_spark.spark.failures import explain_failure
from cio_spark.spark.session import open_session

if TYPE_CHECKING:
    from cio_spark.results import Tables


@dataclass(frozen=True)
class Selection:
    """Which configuration a command is about.

    Attributes:
        paths: sync files.
        environment: name of an environment file.
        overrides: `key=value`, as of `--set`.
        warehouse: folder of local tables.
        debug: leave Spark's messages on the terminal.
        log: how events are written.
    """

    paths: Sequence[Path]
    environment: str | None = None
    overrides: Sequence[str] = ()
    warehouse: Path | None = None
    debug: bool = False
    log: LogStyle = LogStyle.OFF

    def load(self) -> list[SyncConfig]:
        """The configurations, critical first; what is said to the command wins over a notebook's widgets."""
        widgets = runtime.read_widgets()
        overrides = [*widgets.overrides, *runtime.environment_overrides(), *self.overrides]
        return load_configs(self.paths, environment=self.environment or widgets.environment, overrides=overrides)


def worst(statuses: Sequence[ExitStatus]) -> ExitStatus:
    """The status that counts of several: an error is worse than a run that finished with errors."""
    order = [
        ExitStatus.SUCCESS,
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


def fail(console: Console, error: CioSparkError, sync: str | None = None) -> ExitStatus:
    """Shows an error in a sentence and gives its exit status."""
    lines = str(error).splitlines()
    for line in lines:
        console.print(f"[red]error:[/red] {escape(f'{sync}: ' if sync else '')}{escape(line)}", soft_wrap=True)
    return error.exit_status


def sync(
    selection: Selection,
    console: Console,
    *,
    limit: int | None,
    dry_run: bool,
    retry_held: bool,
    take_over: bool,
    job_attempt: str | None,
    same_workspace: bool,
) -> ExitStatus:
    """Runs, or previews, several syncs one after another; one that fails does not keep the others from running."""
    configs = selection.load()
    keys = {} if dry_run else {config.sync.name: runtime.find_api_key(config) for config in configs}
    opened = open_session(selection.warehouse, debug=selection.debug)
    from cio_spark.pipeline import preview_sync, run_sync  # needs pyspark, which open_runtime has made sure of

    statuses: list[ExitStatus] = []
    refused: set[ApiKey] = set()
    cancellation = Cancellation()
    with runtime.cancel_on_signals(cancellation):
        for config in configs:
            name = config.sync.name
            label = name if len(configs) > 1 else None
            if cancellation.requested:
                statuses.append(_skip(console, name, "the job was cancelled", cancellation.exit_status))
                continue
            if not dry_run and keys[name] in refused:
                why = "its API key was refused a moment ago"
                statuses.append(_skip(console, name, why, ExitStatus.KEY_REFUSED))
                continue
            try:
                if dry_run:
                    preview = preview_sync(
                        config,
                        spark=opened.spark,
                        warehouse=opened.warehouse,
                        limit=limit,
                        retry_held=retry_held,
                        same_workspace=same_workspace,
                    )
                    show_preview(console, name, preview)
                    continue
                result = run_sync(
                    config,
                    spark=opened.spark,
                    api_key=keys[name],
                    warehouse=opened.warehouse,
                    limit=limit,
                    retry_held=retry_held,
                    progress=progress_of(selection, console),
                    cancellation=cancellation,
                    take_over=take_over,
                    job_attempt=job_attempt,
                    same_workspace=same_workspace,
                    executor_log=selection.log,
                )
                status = result.exit_status
            except CioSparkError as error:
                status = fail(console, error, label)
            except Exception as error:  # one sync that fails in an unknown way must not hide the others' results
                if selection.debug:
                    raise
                status = fail(console, explain_failure(error, config.expressions()), label)
            if status is ExitStatus.KEY_REFUSED:
                refused.add(keys[name])
            statuses.append(status)
    return worst(statuses)


def _skip(console: Console, sync: str, why: str, status: ExitStatus) -> ExitStatus:
    """Say that a sync is not started."""
    EventLog(sync).write(Event.RUN_NOT_STARTED, exit_status=int(status), error=why)
    console.print(f"{sync}: not started, {why}")
    return status


def replay(
    selection: Selection,
    console: Console,
    *,
    run: str | None,
    category: str | None,
    record: str | None,
    take_over: bool,
    job_attempt: str | None,
    same_workspace: bool,
) -> ExitStatus:
    """Sends dead letters again."""
    config = selection.load()[0]
    key = runtime.find_api_key(config)
    opened = open_session(selection.warehouse, debug=selection.debug)
    from cio_spark.pipeline.replay import Letters, replay_sync

    cancellation = Cancellation()
    with runtime.cancel_on_signals(cancellation):
        result = replay_sync(
            config,
            spark=opened.spark,
            api_key=key,
            warehouse=opened.warehouse,
            letters=Letters(run, category, record),
            progress=progress_of(selection, console),
            cancellation=cancellation,
            take_over=take_over,
            job_attempt=job_attempt,
            same_workspace=same_workspace,
            executor_log=selection.log,
        )
    return result.exit_status


def progress_of(selection: Selection, console: Console) -> Progress:
    """Give the listener of a run: where events are logged, they say what the progress display would."""
    return ConsoleProgress(console) if selection.log is LogStyle.OFF else ResultDisplay(console)


def open_tables(selection: Selection, config: SyncConfig) -> Tables:
    """The sync's tables, in the session that the command works with."""
    opened = open_session(selection.warehouse, debug=selection.debug)
    from cio_spark.results import Tables  # needs pyspark, which open_runtime has made sure of

    return Tables(opened.spark, config.tables, opened.warehouse)


def setup(selection: Selection, console: Console) -> ExitStatus:
    """Creates tables and views."""
    config = selection.load()[0]
    tables = open_tables(selection, config)
    from cio_spark.analysis.reading import create_analysis_views
    from cio_spark.results import set_up_tables

    done = set_up_tables(tables, clock=SystemClock(), owner_is_dead=runtime.owner_is_dead)
    create_analysis_views(tables)
    EventLog(config.sync.name).write(Event.TABLES_SET_UP, changes=done)
    for line in done or ["everything is there already"]:
        console.print(line, highlight=False)
    return ExitStatus.SUCCESS


def maintain(selection: Selection, console: Console, *, keep_days: int) -> ExitStatus:
    """Keeps the tables small."""
    config = selection.load()[0]
    tables = open_tables(selection, config)
    from cio_spark.results import maintain_tables, set_up_tables

    set_up_tables(tables, clock=SystemClock(), owner_is_dead=runtime.owner_is_dead)
    done = maintain_tables(tables, keep_days=keep_days, now=SystemClock().now())
    EventLog(config.sync.name).write(Event.TABLES_MAINTAINED, changes=done)
    for line in done:
        console.print(line, highlight=False)
    return ExitStatus.SUCCESS


def status(selection: Selection, console: Console, *, limit: int, everything: bool) -> ExitStatus:
    """Shows the last runs."""
    config = selection.load()[0]
    tables = open_tables(selection, config)
    from cio_spark.results import last_runs, set_up_tables

    if not tables.exists("sync_runs"):
        console.print("no runs yet")
        return ExitStatus.SUCCESS
    set_up_tables(tables)
    show_runs(console, last_runs(tables, None if everything else config.sync.name, limit))
    return ExitStatus.SUCCESS
