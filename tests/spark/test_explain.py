"""Tests what `explain` says about a record or a person, on rows written by hand; no sync is run here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from tables_by_hand import ByHand, at, started, status
from typer.testing import CliRunner

from cio_spark.cli import app
from cio_spark.config import SyncConfig, load_config
from cio_spark.explain import Explanation, Subject, table_lookup
from cio_spark.explain.assemble import explain_subject
from cio_spark.pipeline.checks import prepare_and_validate
from cio_spark.results import Tables

SYNC = "explain_spark_failures"
ROWS = """
SELECT * FROM VALUES
    ('o1', 'c1', 10.5D, 'paid'), ('o2', 'c1', 11.5D, 'paid'), ('o3', 'c1', double('NaN'), 'paid'),
    ('o4', 'c1', 1.0D, 'paid'), ('o4', 'c1', 2.0D, 'paid'), ('o8', 'c1', 8.0D, 'paid'), ('o9', 'c9', 9.0D, 'open')
AS orders(id, customer, amount, state)
"""
SENSITIVE = "13.37"


class World:
    """Holds the sync's tables and the file that configures the sync."""

    def __init__(self, tables: Tables, conf: Path) -> None:
        self.tables = tables
        self.conf = conf

    @property
    def config(self) -> SyncConfig:
        return load_config(self.conf)

    def explain(self, kind: str, value: str) -> Explanation:
        return explain_subject(self.config, self.tables, Subject(kind, value))


@pytest.fixture(scope="module")
def world(spark: SparkSession, warehouse: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    by_hand = ByHand(spark, warehouse).set_up()
    place = warehouse / "sources" / SYNC
    spark.sql(ROWS).coalesce(1).write.format("delta").save(str(place))
    conf = tmp_path_factory.mktemp("explain") / "explain_spark_failures.yml"
    conf.write_text(
        f"sync: {{name: {SYNC}}}\nsource: {{path: '{place}', where: \"state = 'paid'\"}}\n"
        "payload: {call: track, record_id: id, user_id: customer, event: {value: Order Placed}, "
        "properties: {include: [amount]}}\ntables: {database: tests}\n"
    )
    world = World(by_hand.tables, conf)
    records = prepare_and_validate(world.config, spark.sql(ROWS)).select("record_id", "payload_hash").collect()
    found = {row["record_id"]: row["payload_hash"] for row in records}
    in_batch: dict[str, Any] = {"batch_id": "event_processing-run1-w0-p0-l0-0", "http_status": 200}
    refused = {"error_category": "validation", "error_code": "http_400", "error_message": "amount [is] <odd>"}
    by_hand.write("sync_runs", [started(SYNC, "run1", 0), started(SYNC, "run2", 60)])
    by_hand.write(
        "record_status",
        [
            status(SYNC, "run1", "o1", person_key="c1", payload_hash=found["o1"], attempted_at=at(1), **in_batch),
            status(SYNC, "run1", "o2", "rejected", person_key="c1", payload_hash=found["o2"], attempted_at=at(2))
            | refused
            | {"http_status": 400, "batch_id": "b-2", "attempts": 7},
            status(SYNC, "run1", "o6", "failed", person_key="c6", attempted_at=at(4), error_code="timeout"),
            status(SYNC, "run2", "o6", person_key="c6", attempted_at=at(64), http_status=200),
            status(SYNC, "run1", "o8", person_key="c1", payload_hash=found["o8"] + 1, http_status=200),
            status("another", "run1", "o1", "failed", person_key="c1"),
        ],
    )
    letter = {"sync": SYNC, "run_id": "run1", "dead_at": at(5)}
    by_hand.write(
        "dead_letters",
        [
            letter | refused | {"record_id": "o2", "message_id": "m-o2", "person_key": "c1"},
            letter
            | {"record_id": "o6", "message_id": "m-o6", "person_key": "c6", "error_code": "timeout"}
            | {"payload": f'{{"type":"track","event":"Order Placed","properties":{{"amount":"{SENSITIVE}"}}}}'},
        ],
    )
    return world


@pytest.fixture(scope="module")
def person(world: World) -> Explanation:
    return world.explain("person", "c1")


@pytest.fixture(scope="module")
def replayed(world: World) -> Explanation:
    return world.explain("record", "o6")


def test_a_record_that_was_accepted_with_this_payload_is_unchanged(world: World) -> None:
    said = world.explain("record", "o1")
    (record,) = said.in_source.records
    assert said.in_source.source.endswith(f"{SYNC} (version 0)")
    assert (record.state, record.error_code, record.person_key) == ("unchanged", None, "c1")
    assert '"amount":10.5' in record.payload
    (attempt,) = said.attempts
    assert (attempt.run_id, attempt.message_id, attempt.answer) == ("run1", "m-o1", "HTTP 200")
    assert attempt.batch_id == "event_processing-run1-w0-p0-l0-0"
    assert attempt.attempted_at == at(1)
    assert said.letters == ()


def test_every_record_of_a_person_is_in_the_state_that_a_run_would_find_it_in(person: Explanation) -> None:
    assert {record.record_id: record.state for record in person.in_source.records} == {
        "o1": "unchanged",  # accepted, with this payload
        "o2": "held",  # rejected, with this payload
        "o3": "invalid",  # not a number
        "o4": "new",  # never sent; two rows have this id
        "o8": "changed_ignored",  # accepted, with another payload; events are not sent again
    }
    assert person.in_source.rows == 6
    assert {r.record_id: r.error_code for r in person.in_source.records if r.error_code} == {"o3": "not_json_number"}


def test_attempts_of_a_person_are_those_of_this_sync_with_their_answers(person: Explanation) -> None:
    assert {attempt.record_id: attempt.answer for attempt in person.attempts} == {
        "o1": "HTTP 200",
        "o2": "HTTP 400, http_400: amount [is] <odd>",
        "o8": "HTTP 200",
    }


def test_the_dead_letter_of_a_rejected_record_waits(person: Explanation) -> None:
    assert [(letter.message_id, letter.accepted_since) for letter in person.letters] == [("m-o2", False)]


def test_a_record_that_has_left_the_source_is_known_from_the_tables(replayed: Explanation) -> None:
    assert (replayed.in_source.rows, replayed.in_source.left_out, replayed.is_known) == (0, 0, True)


def test_a_replayed_dead_letter_was_accepted_since_and_attempts_are_newest_first(replayed: Explanation) -> None:
    assert [(attempt.run_id, attempt.status) for attempt in replayed.attempts] == [
        ("run2", "accepted"),
        ("run1", "failed"),
    ]
    assert replayed.attempts[1].answer == "no answer, timeout"
    assert [letter.accepted_since for letter in replayed.letters] == [True]


def test_a_row_that_the_condition_leaves_out_is_told_from_none(world: World) -> None:
    said = world.explain("record", "o9")
    assert (said.in_source.rows, said.in_source.left_out, said.attempts) == (0, 1, ())


def test_the_command_says_in_one_sentence_that_nobody_knows_a_record(world: World) -> None:
    command = ["explain", str(world.conf), "--record", "o404", "--warehouse", str(world.tables.warehouse)]
    result = CliRunner().invoke(app, command, env={"COLUMNS": "400"})
    assert result.exit_code == 0, result.output
    assert result.output.strip().count("\n") == 0
    assert result.output.startswith(f"nobody knows record o404 of sync {SYNC}: it is not in ")


def test_a_source_that_cannot_be_read_leaves_what_the_tables_know(world: World) -> None:
    config = world.config.model_copy(update={"source": world.config.source.model_copy(update={"path": "/nowhere"})})
    said = explain_subject(config, world.tables, Subject("record", "o1"))
    assert "there is no readable Delta table" in (said.in_source.trouble or "")
    assert [attempt.status for attempt in said.attempts] == ["accepted"]


def test_a_record_is_explained_although_an_expression_fails_on_another_one(world: World, tmp_path: Path) -> None:
    conf = tmp_path / "failing.yml"
    conf.write_text(
        world.conf.read_text().replace("{include: [amount]}", "{set: {share: 10 / cast(amount - 11.5 AS INT)}}")
    )
    failing = World(world.tables, conf)
    assert failing.explain("record", "o4").in_source.rows == 2
    assert "payload.properties.set.share" in (failing.explain("record", "o2").in_source.trouble or "")
    user_id = """"if(id = 'o2', raise_error('no'), customer)\""""
    conf.write_text(world.conf.read_text().replace("user_id: customer", f"user_id: {user_id}"))
    assert failing.explain("person", "c1").in_source.rows == world.explain("person", "c1").in_source.rows - 1
    assert "payload.user_id" in (failing.explain("record", "o2").in_source.trouble or "")


def test_that_a_letter_was_delivered_is_known_however_many_attempts_came_after(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_lookup, "MOST_ATTEMPTS", 0)
    said = world.explain("record", "o6")
    assert [letter.accepted_since for letter in said.letters] == [True]
    assert [letter.accepted_since for letter in world.explain("record", "o2").letters] == [False]
