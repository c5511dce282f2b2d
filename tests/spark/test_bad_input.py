"""Tests that each mistake of a user ends in one clear sentence, with nothing sent and nothing half-done."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import functions as F
from sync_bench import KEY, Bench, claim_by_hand, order_rows
from typer.testing import CliRunner

from cio_spark import runtime
from cio_spark.cli import app
from cio_spark.errors import CioSparkError, ExitStatus, SyncAlreadyRunningError
from cio_spark.results import set_up_tables
from cio_spark.standin import Fault


def refusal(sync: Bench, **options: Any) -> CioSparkError:
    """Return the error of a run that must not start, and check that nothing was sent or written."""
    with pytest.raises(CioSparkError) as caught:
        sync.run(**options)
    assert sync.api.received.count() == 0
    assert sync.tables.exists("record_status") is False or sync.statuses() == []
    message = str(caught.value)
    assert "Traceback" not in message
    assert "org.apache" not in message
    assert all(len(line) < 400 for line in message.splitlines())
    return caught.value


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ({"table": "shop.nothing"}, "source.table: there is no table or view shop.nothing"),
        ({"path": "/no/such/folder"}, "source.path: there is no readable Delta table at /no/such/folder"),
        ({"query": "SELECT * FROM nowhere"}, "source.query: there is no table or view nowhere"),
        ({"query": "SELEC 1"}, "source.query must be a SELECT"),
        ({"query": "SELECT 1 AS id, 2 AS id"}, "source has more than one column named id"),
    ],
)
def test_a_source_that_is_not_there(orders: Bench, source: Any, sentence: str) -> None:
    assert sentence in str(refusal(orders, source=source))


def test_a_bad_condition_and_a_bad_order_name_the_column_that_was_meant(orders: Bench) -> None:
    orders.write_sql(order_rows(1))
    path = str(orders.source)
    where = refusal(orders, source={"path": path, "where": "amuont > 1"})
    assert str(where) == "source.where: there is no column `amuont`; did you mean `amount`?"
    order = refusal(orders, source={"path": path, "order_by": "att DESC"})
    assert str(order) == "source.order_by: there is no column `att`; did you mean `at`?"
    assert where.exit_status is ExitStatus.CONFIGURATION_ERROR


def test_expressions_that_are_no_value_of_one_row_end_in_one_sentence_each(orders: Bench) -> None:
    orders.write_sql(order_rows(3))
    path = str(orders.source)
    for sql in ("sum(amount)", "explode(array(1, 2))", "row_number() OVER (ORDER BY id)"):
        for options, place in (
            ({"source": {"path": path, "where": f"{sql} > 1"}}, "source.where"),
            ({"source": {"path": path, "order_by": f"{sql} DESC"}}, "source.order_by"),
            ({"payload": {**orders.payload, "user_id": sql}}, "payload.user_id"),
        ):
            error = refusal(orders, **options)
            assert str(error).startswith(f"{place} is not a value of one row")
            assert error.exit_status is ExitStatus.CONFIGURATION_ERROR


def test_a_wrong_key_is_refused_before_anything_is_written(orders: Bench) -> None:
    orders.write_sql(order_rows(3))
    error = refusal(orders, key="wrong")
    assert error.exit_status is ExitStatus.KEY_REFUSED
    assert "refused the API key" in str(error)
    assert "wrong" not in str(error).replace("wrong region", "")


def test_an_unreachable_host_is_said_to_be_safe_to_try_again(orders: Bench) -> None:
    orders.write_sql(order_rows(3))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    error = refusal(orders, api={"base_url": f"http://127.0.0.1:{port}/v1"})
    assert error.exit_status is ExitStatus.API_UNAVAILABLE
    assert "cannot be reached" in str(error)


def test_a_redirect_is_taken_for_the_wrong_region_and_never_followed(orders: Bench) -> None:
    orders.write_sql(order_rows(3))
    orders.api.script(Fault(status=301, location="https://cdp-eu.customer.io/v1/batch"))
    error = refusal(orders)
    assert error.exit_status is ExitStatus.CONFIGURATION_ERROR
    assert "region" in str(error)


def test_a_second_run_is_refused_while_the_first_is_at_work_and_closes_it_as_lost_once_its_process_is_gone(
    orders: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders.write_sql(order_rows(3))
    set_up_tables(orders.tables)
    # The owner is a dead process of this machine: it has the place of this process, and a number that no process has
    first = runtime.owner().replace(f":{os.getpid()}", f":{2**22 + 1}")
    lost = claim_by_hand(orders.tables, orders.name, first)
    with monkeypatch.context() as still_there:
        still_there.setattr(runtime, "owner_is_dead", lambda _: False)
        with pytest.raises(SyncAlreadyRunningError, match=rf"already running since .* on {first.partition('/')[0]}"):
            orders.run()
    assert orders.api.received.count() == 0
    assert orders.run().exit_status is ExitStatus.SUCCESS
    (run,) = orders.tables.read("sync_run_state").where(F.col("run_id") == lost.run_id).collect()
    assert run["status"] == "lost"


def test_an_expression_that_fails_on_a_row_is_named_without_the_value(orders: Bench) -> None:
    orders.write_sql("SELECT 'o' AS id, 'c' AS customer, 1D AS amount, 'SECRET-VALUE' AS text, now() AS at")
    payload = {**orders.payload, "properties": {"set": {"total": "cast(text AS INT) + 1"}}}
    with pytest.raises(CioSparkError) as caught:
        orders.run(payload=payload)
    assert "payload.properties.set.total: `cast(text AS INT) + 1` fails on 1 row of the source" in str(caught.value)
    assert "use try_cast" in str(caught.value)
    assert "SECRET-VALUE" not in str(caught.value)
    run = orders.tables.read("sync_run_state").where(F.col("sync") == orders.name).collect()[0]
    assert run["status"] == "failed"
    assert "SECRET-VALUE" not in run["error"]


def test_a_33_kib_row_among_good_ones_does_not_spoil_their_batch(orders: Bench) -> None:
    orders.write_sql(order_rows(20))
    big = {**orders.payload, "properties": {"set": {"x": "IF(id = 'o7', array_repeat(repeat('y', 990), 34), NULL)"}}}
    result = orders.run(payload=big, batch={"error_threshold_percent": 10.0})
    assert orders.status_of(result)["o7"] == "item_too_large"
    assert result.books.delivery.accepted == orders.api.received.count() == 19


def test_a_results_table_of_somebody_else_is_not_touched(orders: Bench) -> None:
    orders.write_sql(order_rows(1))
    orders.spark.sql("SELECT 1 AS sync, 'x' AS other").write.format("delta").save(
        str(orders.warehouse / "foreign" / "record_status")
    )
    with pytest.raises(CioSparkError, match="is not one of cio_spark's"):
        orders.run(tables={"database": "foreign"})
    assert orders.api.received.count() == 0


def test_a_warehouse_that_cannot_be_written_is_named(orders: Bench) -> None:
    orders.write_sql(order_rows(1))
    source = {"path": str(orders.source)}
    orders.warehouse = Path("/proc/cio-spark")
    with pytest.raises(CioSparkError, match="the warehouse /proc/cio-spark cannot be written") as caught:
        orders.run(source=source)
    assert caught.value.exit_status is ExitStatus.CONFIGURATION_ERROR
    assert orders.api.received.count() == 0


@pytest.fixture
def files(orders: Bench, tmp_path: Path) -> Path:
    """Write the source and the sync file for the command line, and return the file."""
    orders.write_sql(order_rows(5))
    return orders.write_config(tmp_path / "orders.yml")


def invoke(warehouse: Path, *arguments: str, key: str | None = KEY) -> tuple[int, str]:
    environment = {"CUSTOMERIO_API_KEY": key, "CUSTOMERIO_BASE_URL": None, "COLUMNS": "200"}
    result = CliRunner().invoke(app, [*arguments, "--warehouse", str(warehouse)], env=environment)
    assert "Traceback" not in result.output
    # Standard error also has the lines of the log, which has tests of its own
    sentences = [line for line in result.stderr.splitlines() if not line.startswith('{"timestamp": ')]
    return result.exit_code, result.stdout + "\n".join(sentences)


def test_the_command_runs_previews_and_reports_a_sync(orders: Bench, files: Path) -> None:
    status, said = invoke(orders.warehouse, "sync", str(files), "--dry-run", key=None)
    assert status == 0
    assert "nothing is sent" in said
    assert "limited by" in said
    assert "<text, 2 characters>" in said  # the masked user id
    assert "c1" not in said.split("userId")[1].splitlines()[0]
    assert orders.api.received.count() == 0
    status, said = invoke(orders.warehouse, "sync", str(files))
    assert status == 0, said
    assert orders.api.received.count() == 5
    status, said = invoke(orders.warehouse, "status", str(files))
    assert status == 0
    assert "succeeded" in said
    status, said = invoke(orders.warehouse, "setup", str(files))
    assert (status, said.strip()) == (0, "everything is there already")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--set", "batch.max_batch_siz=5"], "max_batch_size"),
        (["--set", "batch.parallel_workers=21"], "between 1 and 20"),
        (["--set", "source.table=shop.x"], "source"),
        (["--environment", "nowhere"], "nowhere"),
    ],
)
def test_a_bad_setting_ends_the_command_with_status_2_and_a_sentence(
    orders: Bench, files: Path, arguments: list[str], sentence: str
) -> None:
    status, said = invoke(orders.warehouse, "sync", str(files), *arguments)
    assert status == 2
    assert sentence in said


def test_a_missing_key_names_every_place_that_was_looked_at(orders: Bench, files: Path) -> None:
    status, said = invoke(orders.warehouse, "sync", str(files), key=None)
    assert status == 2
    assert "CUSTOMERIO_API_KEY" in said
    assert "api.secret" in said


def test_two_files_of_one_name_are_refused(orders: Bench, files: Path) -> None:
    twin = files.with_name("twin.yml")
    shutil.copy(files, twin)
    status, said = invoke(orders.warehouse, "sync", str(files), str(twin))
    assert status == 2
    assert "twin.yml" in said
