"""Defines the commands that need no tables and no cluster: `standin`, `demo` and `schema`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cio_spark.cli.options import Debug
from cio_spark.cli.run_command import run_command
from cio_spark.errors import ExitStatus


def standin(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on; default: 8087.")] = None,
    api_key: Annotated[str, typer.Option(help="The key it accepts.")] = "standin-key",
    store: Annotated[Path | None, typer.Option(help="SQLite file for what it gets; default: in memory.")] = None,
) -> None:
    """Run the stand-in for Customer.io: a real server that obeys the API's contract."""

    def run(console: Console) -> ExitStatus:
        from cio_spark.standin.serving import DEFAULT_PORT, serve

        def started(server: object) -> None:
            root = getattr(server, "root_url", "")
            console.print(f"listening on {getattr(server, 'url', '')}, key {api_key}; Ctrl-C ends it")
            console.print(f"what it got: curl {root}/_standin/summary")

        server = serve(host, DEFAULT_PORT if port is None else port, api_key, store, on_start=started)
        console.print(f"got {server.received.count():,} messages")
        return ExitStatus.SUCCESS

    run_command(run)


def demo(
    warehouse: Annotated[Path, typer.Option(help="Folder of the demo's tables.")] = Path(".cio-spark/demo/warehouse"),
    debug: Debug = False,
) -> None:
    """Send 1.47 million real purchases to the stand-in, twice, and show the books."""

    def run(console: Console) -> ExitStatus:
        from cio_spark.demo import run_demo

        return run_demo(console, warehouse, debug=debug)

    run_command(run, debug=debug)


def schema(
    out: Annotated[Path | None, typer.Option(help="File to write; default: standard output.")] = None,
) -> None:
    """Print the JSON schema of sync files, for editors."""

    def run(console: Console) -> ExitStatus:
        from cio_spark.config import render_schema

        if out is None:
            sys.stdout.write(render_schema())
        else:
            out.write_text(render_schema(), encoding="utf-8")
            console.print(f"wrote {out}")
        return ExitStatus.SUCCESS

    run_command(run)
