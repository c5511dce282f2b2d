"""Tests that a run says whether its sync writes other bytes than in its last run, and why."""

from __future__ import annotations

from typing import Any

from cio_spark.config import SyncConfig
from cio_spark.pipeline.changed_bytes import reasons_for_changed_bytes
from cio_spark.spark.fixed_settings import TIME_ZONE, SessionSettings

SENT = "records whose bytes change by it are sent once more"
UTC = SessionSettings({TIME_ZONE: "UTC"})


def sync(**payload: Any) -> SyncConfig:
    said = {"call": "identify", "record_id": "id", "user_id": "id", **payload}
    return SyncConfig.model_validate({"sync": {"name": "s"}, "source": {"table": "a.b"}, "payload": said})


def test_a_sync_that_is_not_affected_by_the_new_format_says_nothing() -> None:
    assert reasons_for_changed_bytes(sync(traits={"include": ["plan"]}), None, UTC) == ()


def test_everything_is_sent_once_more_in_its_new_order() -> None:
    assert reasons_for_changed_bytes(sync(traits={"include": "*"}), None, UTC) == (
        f'payload.traits: the fields of include: "*" now stand in the order of their names: {SENT}',
    )


def test_events_that_were_accepted_are_not_sent_again() -> None:
    events = sync(call="track", event={"value": "E"}, properties_from="json")
    (note,) = reasons_for_changed_bytes(events, "", UTC)
    assert note.startswith("payload.properties_from: numbers of JSON text now keep their digits")
    assert note.endswith("are not sent again (on_change: ignore)")


def test_settings_of_the_session_that_no_longer_decide_are_named() -> None:
    berlin = SessionSettings({TIME_ZONE: "UTC"}, replaced={TIME_ZONE: "Europe/Berlin"})
    (note,) = reasons_for_changed_bytes(sync(), None, berlin)
    assert note.startswith(
        "spark.sql.session.timeZone is now UTC in every run, this session's Europe/Berlin decided before; "
        "payload.time_zone sets another"
    )


def test_settings_that_differ_from_those_of_the_last_run_are_named() -> None:
    berlin = SessionSettings({TIME_ZONE: "Europe/Berlin"})
    assert reasons_for_changed_bytes(sync(traits={"include": "*"}), berlin.to_json(), UTC) == (
        f"spark.sql.session.timeZone was Europe/Berlin in the last run, and is UTC now: {SENT}",
    )
    assert reasons_for_changed_bytes(sync(traits={"include": "*"}), UTC.to_json(), UTC) == ()
