"""Tests that a run fixes every setting that reaches a byte, and records it.

In this way, what is sent does not depend on the session.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from sync_bench import Bench

from cio_spark.config.payload import PayloadSection
from cio_spark.errors import ConfigurationError, ExitStatus
from cio_spark.ledger import add_message_id, mark_all_new
from cio_spark.payload import prepare_records
from cio_spark.pipeline import preview_sync
from cio_spark.spark.fixed_settings import BYTES_FORMAT, FIXED, TIME_ZONE, fix_settings
from cio_spark.validation import validate_records

OTHERS = {
    "true": "false",
    "false": "true",
    "CORRECTED": "LEGACY",
    "EXCEPTION": "LAST_WIN",
    "TIMESTAMP_LTZ": "TIMESTAMP_NTZ",
    "UTF-8": "HEX",
}
SOURCE = """
SELECT '1' id, timestamp_ltz'2024-03-10 08:30:00Z' at, timestamp_ntz'2024-03-10 02:30:00' wall, date'0999-01-01' day,
  CAST(NULL AS STRING) gone, array(1, 2) l, map('b', 1, 'a', NULL) m, unhex('C3A9') b, 12.3456789012345678BD p,
  named_struct('a', 1, 'n', CAST(NULL AS INT)) s
"""
SECTION: dict[str, Any] = {
    "call": "identify",
    "record_id": "id",
    "user_id": "concat('u', cast(at AS STRING))",
    "timestamp": "wall",
    "traits": {
        "include": ["at", "wall", "day", "gone", "m", "s"],
        "set": {
            "hour": "date_format(at, 'HH')",
            "text": "cast(at AS STRING)",
            "instant": "cast(wall AS TIMESTAMP)",
            "read": "cast('2024-07-01 12:00:00' AS TIMESTAMP)",
            "struct": "cast(s AS STRING)",
            "bytes": "cast(named_struct('b', b) AS STRING)",
            "sum": "'1' + 1",
            "product": "p * 12345678901234567890.12345678BD",
            "size": "size(CAST(NULL AS array<INT>))",
            "elt": "cast(elt(1, b, b) AS STRING)",
            "both": "cast(concat(b, b) AS STRING)",
            "quoted": "'a\\tb'",
            "base64": "base64(cast(repeat('x', 80) AS BINARY))",
            "padded": "cast(lpad(b, 4, unhex('20')) AS STRING)",
            "split": "split('ab', '')",
            "json": "to_json(named_struct('n', CAST(NULL AS INT)))",
            "insert": "array_insert(l, -1, 9)",
        },
    },
}


def known(spark: SparkSession) -> dict[str, str]:
    """Return those settings that a run fixes and that this version of Spark has."""
    found = {}
    for name, value in FIXED.items():
        with contextlib.suppress(Exception):
            spark.conf.get(name)
            found[name] = value
    return found


@pytest.fixture
def session(spark: SparkSession) -> Iterator[SparkSession]:
    """Yield the session, and set its settings back afterwards."""
    before = {name: spark.conf.get(name, None) for name in (TIME_ZONE, *known(spark))}
    yield spark
    for name, value in before.items():
        spark.conf.unset(name) if value is None else spark.conf.set(name, value)


def sent(spark: SparkSession) -> list[Any]:
    section = PayloadSection.model_validate(SECTION)
    records = validate_records(prepare_records(spark.sql(SOURCE), section), section.call)
    with_id = add_message_id(mark_all_new(records), "s")
    return [tuple(row) for row in with_id.select("record_id", "person_key", "message_id", "payload").collect()]


def test_every_setting_that_reaches_a_byte_may_be_another_one(session: SparkSession) -> None:
    as_before = sent(session)
    theirs = {name: OTHERS[value] for name, value in known(session).items()} | {TIME_ZONE: "America/New_York"}
    for name, value in theirs.items():
        session.conf.set(name, value)
    assert sent(session) != as_before
    with fix_settings(session, "UTC") as settings:
        assert sent(session) == as_before
    assert settings.values.items() >= {TIME_ZONE: "UTC", **known(session)}.items()
    assert settings.replaced == theirs
    assert {name: session.conf.get(name) for name in theirs} == theirs


def test_a_time_zone_that_there_is_none_of_is_a_configuration_error(session: SparkSession) -> None:
    with (
        pytest.raises(ConfigurationError, match=r"payload.time_zone is 'Mars/Base'"),
        fix_settings(session, "Mars/Base"),
    ):
        pass
    assert session.conf.get(TIME_ZONE) == "UTC"


@pytest.mark.slow
def test_a_sync_of_another_session_sends_the_same_and_makes_the_same_tables(
    bench: Callable[..., Bench], session: SparkSession
) -> None:
    people = bench(
        {
            "call": "identify",
            "record_id": "id",
            "user_id": "id",
            "traits": {"include": "*", "set": {"hour": "date_format(at, 'HH')"}},
        },
        tables={"database": "other_session"},
    )
    people.write_sql("SELECT 'a' id, CAST(NULL AS STRING) plan, timestamp'2024-01-01 12:00:00Z' at")
    theirs = {
        TIME_ZONE: "America/New_York",
        "spark.sql.timestampType": "TIMESTAMP_NTZ",
        "spark.sql.jsonGenerator.ignoreNullFields": "false",
    }
    for name, value in theirs.items():
        session.conf.set(name, value)
    first = people.run()
    assert first.exit_status is ExitStatus.SUCCESS
    assert {name: session.conf.get(name) for name in theirs} == theirs
    for name in theirs:
        session.conf.unset(name)
    session.conf.set(TIME_ZONE, "UTC")
    (message,) = people.api.received.all()
    assert message["payload"]["traits"] == {"at": 1704110400, "hour": "12", "id": "a"}
    second = people.run()
    assert (second.exit_status, second.books.survey.unchanged, second.notes) == (ExitStatus.SUCCESS, 1, ())
    started = people.tables.read("sync_runs").where(F.col("event") == "started").orderBy("run_id").collect()
    recorded = [json.loads(row["session_settings"]) for row in started]
    assert recorded[0] == recorded[1]
    assert (recorded[0]["bytes_format"], recorded[0]["settings"][TIME_ZONE]) == (BYTES_FORMAT, "UTC")

    config = people.config(payload={**people.payload, "time_zone": "Europe/Berlin"})
    preview = preview_sync(config, spark=session, warehouse=people.warehouse)
    assert preview.counts.changed == 1
    assert preview.notes == (
        "spark.sql.session.timeZone was UTC in the last run, and is Europe/Berlin now: "
        "records whose bytes change by it are sent once more",
    )
