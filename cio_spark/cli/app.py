"""Builds the `cio-spark` command from its groups of commands."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console

from cio_spark.cli.local_commands import demo, schema, standin
from cio_spark.cli.read_commands import analyze, explain, monitor, status
from cio_spark.cli.replay_command import replay
from cio_spark.cli.report_command import report
from cio_spark.cli.sync_command import sync
from cio_spark.cli.table_commands import maintain, setup
from cio_spark.version import VERSION

app = typer.Typer(
    name="cio-spark",
    help="Delta tables to Customer.io with Spark, and a Delta record of what became of every row.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (sync, replay, setup, maintain, status, analyze, monitor, report, explain, standin, demo, schema):
    app.command()(command)


@app.callback(invoke_without_command=True)
def main_options(
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    """Send rows of Delta tables to Customer.io with Spark."""
    if version:
        Console().print(VERSION)
        raise typer.Exit


def main() -> None:
    """Run the console script."""
    app()


def run_job(command: str) -> None:
    """Run a command with the process's arguments, for the scripts in `jobs/`.

    After a success it returns instead of raising `SystemExit`, as Databricks expects.

    Args:
        command: name of the command.
    """
    try:
        app([command, *sys.argv[1:]])
    except SystemExit as ended:
        if ended.code:
            raise
