"""Defines the options that several commands have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cio_spark.logs.style import LogStyle


def sync_path(text: str) -> Path:
    """Return the path that an argument names.

    Raises:
        typer.BadParameter: the argument is blank, as a job's parameter may be; as a path it would be the current
            folder.
    """
    if not text.strip():
        raise typer.BadParameter("is blank: name a sync file, or a folder of them")
    return Path(text)


Confs = Annotated[
    list[Path],
    typer.Argument(
        metavar="CONF...", parser=sync_path, help="Sync files, like conf/syncs/orders.yml, or folders of them."
    ),
]
Conf = Annotated[
    Path, typer.Argument(metavar="CONF", parser=sync_path, help="A sync file, like conf/syncs/orders.yml.")
]
Environment = Annotated[
    str | None, typer.Option("--environment", "-e", help="Environment file: conf/environments/NAME.yml.")
]
Overrides = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override one setting.")]
Parameters = Annotated[
    list[str] | None,
    typer.Option(
        "--parameter",
        metavar="NAME=VALUE",
        help="A job's parameter with the name of a notebook widget; blank: not set.",
    ),
]
Only = Annotated[str, typer.Option(metavar="NAMES", help="Only the syncs of these names, with commas; blank: all.")]
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
        metavar="RUN/TASK/COUNT/REPAIR",
        help="Of a Databricks task: {{job.run_id}}/{{task.name}}/{{task.execution_count}}/{{job.repair_count}}; "
        "a retry need not wait for a try that died, and hides no try that ended badly.",
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
