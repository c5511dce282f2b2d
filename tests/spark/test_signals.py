"""Tests a real SIGTERM and a real Ctrl-C that reach `cio-spark sync` while it sends.

The next run goes on from there.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pyspark.sql import Row
from pyspark.sql import functions as F
from sync_bench import KEY, Bench, order_rows, sigterm_after, small_waves, staged, wait_for_messages
from sync_bench import ROWS_OF_WAVES as ROWS
from typer.testing import CliRunner

from cio_spark.cli import app
from cio_spark.errors import ExitStatus
from cio_spark.results import set_up_tables
from cio_spark.standin import Fault

MESSAGES_OF_A_WAVE_AT_WORK = 30


def prepare(orders: Bench, folder: Path, grace_seconds: int) -> list[str]:
    """Write the source and the sync file of a slow run in waves, and return the arguments of its command."""
    orders.write_sql(order_rows(ROWS, customers=60))
    orders.api.script(Fault(latency_seconds=0.2))
    conf = orders.write_config(folder / "orders.yml", **small_waves(grace_seconds))
    return ["sync", str(conf), "--warehouse", str(orders.warehouse)]


@contextmanager
def sending(orders: Bench, arguments: list[str]) -> Iterator[subprocess.Popen[str]]:
    """Start a process, and yield it when it is in the middle of its first wave.

    The process has a process group of its own, as it would have in a shell.
    """
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name("cio-spark")), *arguments],
        env={**os.environ, "CUSTOMERIO_API_KEY": KEY},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    )

    def still_there() -> None:
        assert process.poll() is None, process.communicate()[0]

    try:
        wait_for_messages(orders.api, MESSAGES_OF_A_WAVE_AT_WORK, still_there)
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def only_run(orders: Bench) -> Row:
    set_up_tables(orders.tables)  # the other process made the tables known to its own session only
    (run,) = orders.tables.read("sync_run_state").where(F.col("sync") == orders.name).collect()
    return run


@pytest.mark.timeout(240)
def test_after_a_sigterm_the_wave_is_finished_and_the_rest_waits_for_the_next_run(
    orders: Bench, tmp_path: Path
) -> None:
    arguments = prepare(orders, tmp_path, grace_seconds=60)
    with sigterm_after(orders.api, MESSAGES_OF_A_WAVE_AT_WORK):
        ended = CliRunner().invoke(app, arguments, env={"CUSTOMERIO_API_KEY": KEY}, catch_exceptions=False)
    said = ended.output

    assert ended.exit_code == 143, said
    run = only_run(orders)
    assert (run["status"], run["exit_status"], run["in_doubt"]) == ("cancelled", 143, 0)
    # The wave that had begun was finished and recorded: the API took nothing that the tables do not call accepted
    assert run["accepted"] == orders.api.received.count()
    assert run["not_started"] == ROWS - run["accepted"] > 0
    assert f"cancelled: 0 records in doubt, {run['not_started']} not sent" in " ".join(said.split())
    assert "Traceback" not in said
    orders.api.clear_faults()
    again = orders.run(**small_waves(60))
    assert (again.exit_status, again.books.balanced) == (ExitStatus.SUCCESS, True)
    assert again.books.survey.unchanged == run["accepted"]
    assert orders.api.received.count() == ROWS
    assert orders.api.received.duplicates() == {}
    assert staged(orders) == []


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_after_ctrl_c_without_grace_the_wave_is_in_doubt_and_is_sent_again_under_the_same_ids(
    orders: Bench, tmp_path: Path
) -> None:
    with sending(orders, prepare(orders, tmp_path, grace_seconds=0)) as process:
        os.killpg(process.pid, signal.SIGINT)  # a terminal signals the whole group, including the JVM
        said, _ = process.communicate(timeout=120)

    assert process.returncode == 130, said
    run = only_run(orders)
    assert (run["status"], run["exit_status"], run["accepted"]) == ("cancelled", 130, 0)
    assert run["in_doubt"] > 0
    assert run["not_started"] == ROWS - run["in_doubt"] > 0
    assert f"{run['in_doubt']} records in doubt, {run['not_started']} not sent" in " ".join(said.split())
    assert "Traceback" not in said
    in_doubt = set(orders.api.received.message_ids())
    assert MESSAGES_OF_A_WAVE_AT_WORK <= len(in_doubt) <= run["in_doubt"]
    orders.api.clear_faults()
    again = orders.run(**small_waves(60))
    assert (again.exit_status, again.books.balanced) == (ExitStatus.SUCCESS, True)
    assert again.books.delivery.accepted == len(set(orders.api.received.message_ids())) == ROWS
    assert set(orders.api.received.duplicates()) == in_doubt
    assert set(orders.api.received.duplicates().values()) == {2}
    assert staged(orders) == []
