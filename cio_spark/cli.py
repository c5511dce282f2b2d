"""The `cio-spark` command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cio_spark import commands
from cio_spark.cli_options import (
    Conf,
    Confs,
    Debug,
    Environment,
    JobAttempt,
    Log,
    Overrides,
    SameWorkspace,
    TakeOver,
    Warehouse,
    log_style,
    run_command,
)
from cio_spark.cli_reading import register
from cio_spark.commands import Selection
from cio_spark.errors import ExitStatus
from cio_spark.version import VERSION

app = typer.Typer(
    name="cio-spark",
    help="Delta tables to Customer.io with Spark, and a Delta record of what became of every row.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def sync(
    confs: Confs,
    environment: Environment = None,
    overrides: Overrides = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many source rows.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan; send nothing, write nothing.")] = False,
    retry_held: Annotated[
        bool, typer.Option("--retry-held", help="Also try records refused before with the same payload.")
    ] = False,
    take_over: TakeOver = False,
    job_attempt: JobAttempt = None,
    same_workspace: SameWorkspace = False,
    warehouse: Warehouse = None,
    log: Log = None,
    debug: Debug = False,
) -> None:
    """Send what is new or changed in a source, and write down what became of every row."""
    selection = Selection(confs, environment, overrides or (), warehouse, debug, log_style(log))
    run_command(
        lambda console: commands.sync(
            selection,
            console,
            limit=limit,
            dry_run=dry_run,
            retry_held=retry_held,
            take_over=take_over,
            job_attempt=job_attempt,
            same_workspace=same_workspace,
        ),
        debug=debug,
        log=selection.log,
    )


@app.command()
def replay(
    conf: Conf,
    environment: Environment = None,
    overrides: Overrides = None,
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
    selection = Selection([conf], environment, overrides or (), warehouse, debug, log_style(log))
    run_command(
        lambda console: commands.replay(
            selection,
            console,
            run=run,
            category=category,
            record=record,
            take_over=take_over,
            job_attempt=job_attempt,
            same_workspace=same_workspace,
        ),
        debug=debug,
        log=selection.log,
    )


@app.command()
def setup(
    conf: Conf,
    environment: Environment = None,
    overrides: Overrides = None,
    warehouse: Warehouse = None,
    log: Log = None,
    debug: Debug = False,
) -> None:
    """Create the tables and views, and add columns that are missing."""
    selection = Selection([conf], environment, overrides or (), warehouse, debug, log_style(log))
    run_command(lambda console: commands.setup(selection, console), debug=debug, log=selection.log)


@app.command()
def maintain(
    conf: Conf,
    environment: Environment = None,
    overrides: Overrides = None,
    keep_days: Annotated[int, typer.Option(min=1, help="Days of history that are kept.")] = 90,
    warehouse: Warehouse = None,
    log: Log = None,
    debug: Debug = False,
) -> None:
    """Drop old history (never a record's last state), compact, vacuum, sweep staging."""
    selection = Selection([conf], environment, overrides or (), warehouse, debug, log_style(log))
    run_command(
        lambda console: commands.maintain(selection, console, keep_days=keep_days), debug=debug, log=selection.log
    )


register(app)


@app.command()
def standin(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8087,
    api_key: Annotated[str, typer.Option(help="The key it accepts.")] = "standin-key",
    store: Annotated[Path | None, typer.Option(help="SQLite file for what it gets; default: in memory.")] = None,
) -> None:
    """Run the stand-in for Customer.io: a real server that obeys the API's contract."""

    def serve(console: Console) -> ExitStatus:
        from cio_spark.standin import serve as serve_forever

        def started(server: object) -> None:
            root = getattr(server, "root_url", "")
            console.print(f"listening on {getattr(server, 'url', '')}, key {api_key}; Ctrl-C ends it")
            console.print(f"what it got: curl {root}/_standin/summary")

        server = serve_forever(host, port, api_key, store, on_start=started)
        console.print(f"got {server.received.count():,} messages")
        return ExitStatus.SUCCESS

    run_command(serve)


@app.command()
def demo(
    warehouse: Annotated[Path, typer.Option(help="Folder of the demo's tables.")] = Path(".cio-spark/demo/warehouse"),
    debug: Debug = False,
) -> None:
    """Send 1.47 million real purchases to the stand-in, twice, and show the books."""

    def run(console: Console) -> ExitStatus:
        from cio_spark.demo import run_demo

        return run_demo(console, warehouse, debug=debug)

    run_command(run, debug=debug)


@app.command()
def schema(
    out: Annotated[Path | None, typer.Option(help="File to write; default: standard output.")] = None,
) -> None:
    """Print the JSON schema of sync files, for editors."""

    def render(console: Console) -> ExitStatus:
        from cio_spark.config import render_schema

        if out is None:
            sys.stdout.write(render_schema())
        else:
            out.write_text(render_schema(), encoding="utf-8")
            console.print(f"wrote {out}")
        return ExitStatus.SUCCESS

    run_command(render)


@app.callback(invoke_without_command=True)
def main_options(
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    """Delta tables to Customer.io with Spark."""
    if version:
        Console().print(VERSION)
        raise typer.Exit


def main() -> None:
    """Entry point of the console script."""
    app()


def run_job(command: str) -> None:
    """Entry point of the jobs: a command with the process's arguments; a success returns, as Databricks expects."""
    try:
        app([command, *sys.argv[1:]])
    except SystemExit as ended:
        if ended.code:
            raise
