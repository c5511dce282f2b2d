"""Defines the command `report`, which writes what runs have written into HTML files."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from cio_spark.cli.options import Confs, Debug, Environment, Only, Overrides, Parameters, Warehouse
from cio_spark.cli.run_command import run_command, run_each
from cio_spark.cli.selection import Selection
from cio_spark.clock import SystemClock
from cio_spark.config import SyncConfig
from cio_spark.errors import ConfigurationError, ExitStatus
from cio_spark.extras import explain_missing_module


def report(
    confs: Confs,
    environment: Environment = None,
    overrides: Overrides = None,
    parameters: Parameters = None,
    only: Only = "",
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="The page, or a folder (FOLDER/); default: SYNC-report.html here."
        ),
    ] = None,
    hours: Annotated[int, typer.Option(min=1, help="How far back the hourly trends go.")] = 24,
    runs: Annotated[int, typer.Option(min=1, max=1000, help="How many runs.")] = 10,
    warehouse: Warehouse = None,
    debug: Debug = False,
) -> None:
    """Write one HTML file a sync: books, performance, errors, what to change; it loads nothing, has no payload."""
    selection = Selection(confs, environment, overrides or (), warehouse, debug, parameters=parameters or (), only=only)

    def run(console: Console) -> ExitStatus:
        configs = selection.load()
        # A folder need not exist yet, and a Path would lose the slash that tells
        is_folder = not output or output.endswith("/") or Path(output).is_dir()
        if not is_folder and len(configs) > 1:
            raise ConfigurationError.of(
                "--output", f"is one file, and there are {len(configs)} syncs: name a folder, like reports/"
            )
        write = load_report_writer()
        opened = selection.open_session()
        from cio_spark.results import Tables, are_set_up

        def write_one(config: SyncConfig) -> ExitStatus:
            tables = Tables(opened.spark, config.tables, opened.warehouse)
            if not are_set_up(tables):
                console.print("no runs yet; no report is written")
                return ExitStatus.SUCCESS
            path = Path(output or "")
            if is_folder:
                path /= f"{config.sync.name}-report.html"
            now = SystemClock().now()
            write(tables, config, path, now=now, since=now - timedelta(hours=hours), runs=runs)
            console.print(f"wrote {escape(str(path))}", soft_wrap=True)
            return ExitStatus.SUCCESS

        return run_each(configs, write_one, debug=debug)

    run_command(run, debug=debug)


def load_report_writer() -> Callable[..., None]:
    """Return `report.page.write_report`, which needs the extra `report`.

    A command that calls this first shows the error before Spark is started.

    Raises:
        MissingLibraryError: the extra is not installed.
    """
    try:
        from cio_spark.report.page import write_report
    except ModuleNotFoundError as error:
        raise explain_missing_module(error) from None
    return write_report
