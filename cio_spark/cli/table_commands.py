"""Defines the commands that create and maintain the tables: `setup` and `maintain`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console

from cio_spark import runtime
from cio_spark.cli.options import Confs, Debug, Environment, Log, Only, Overrides, Parameters, Warehouse
from cio_spark.cli.run_command import log_style, run_command, run_each
from cio_spark.cli.selection import Selection
from cio_spark.clock import SystemClock
from cio_spark.config import SyncConfig
from cio_spark.errors import ExitStatus
from cio_spark.logs.event_log import EventLog
from cio_spark.logs.events import Event


def setup(
    confs: Confs,
    environment: Environment = None,
    overrides: Overrides = None,
    parameters: Parameters = None,
    only: Only = "",
    warehouse: Warehouse = None,
    log: Log = None,
    debug: Debug = False,
) -> None:
    """Create the tables and views, and add columns that are missing."""
    selection = Selection(confs, environment, overrides or (), warehouse, debug, log_style(log), parameters or (), only)

    def run(console: Console) -> ExitStatus:
        configs = selection.load()
        opened = selection.open_session()
        from cio_spark.analysis.reading import create_analysis_views
        from cio_spark.results import Tables, set_up_tables

        def set_up(config: SyncConfig) -> ExitStatus:
            tables = Tables(opened.spark, config.tables, opened.warehouse)
            done = set_up_tables(tables, clock=SystemClock(), owner_is_dead=runtime.owner_is_dead)
            create_analysis_views(tables)
            EventLog(config.sync.name).write(Event.TABLES_SET_UP, changes=done)
            for line in done or ["everything is there already"]:
                console.print(line, highlight=False)
            return ExitStatus.SUCCESS

        return run_each(one_per_tables(configs), set_up, debug=debug)

    run_command(run, debug=debug, log=selection.log)


def maintain(
    confs: Confs,
    environment: Environment = None,
    overrides: Overrides = None,
    parameters: Parameters = None,
    only: Only = "",
    keep_days: Annotated[int, typer.Option(min=1, help="Days of history that are kept.")] = 90,
    warehouse: Warehouse = None,
    log: Log = None,
    debug: Debug = False,
) -> None:
    """Drop old history (never a record's last state), compact, vacuum, sweep staging."""
    selection = Selection(confs, environment, overrides or (), warehouse, debug, log_style(log), parameters or (), only)

    def run(console: Console) -> ExitStatus:
        configs = selection.load()
        opened = selection.open_session()
        from cio_spark.results import Tables, maintain_tables, set_up_tables

        def keep_small(config: SyncConfig) -> ExitStatus:
            tables = Tables(opened.spark, config.tables, opened.warehouse)
            set_up_tables(tables, clock=SystemClock(), owner_is_dead=runtime.owner_is_dead)
            same_tables = [other for other in configs if other.tables == config.tables]
            done = maintain_tables(
                tables,
                keep_days=keep_days,
                now=SystemClock().now(),
                letters_keep_days={other.sync.name: other.dead_letters.keep_days for other in same_tables},
            )
            EventLog(config.sync.name).write(Event.TABLES_MAINTAINED, changes=done)
            for line in done:
                console.print(line, highlight=False)
            return ExitStatus.SUCCESS

        return run_each(one_per_tables(configs), keep_small, debug=debug)

    run_command(run, debug=debug, log=selection.log)


def one_per_tables(configs: Sequence[SyncConfig]) -> list[SyncConfig]:
    """Return the first of all syncs that share the same tables, for each such group."""
    first: dict[str, SyncConfig] = {}
    for config in configs:
        first.setdefault(config.tables.model_dump_json(), config)
    return list(first.values())
