"""Tests the payload section: the forms of its values, and what each call needs and refuses."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from cio_spark.config import (
    NEAR_MISSES,
    RESERVED_EVENTS,
    Call,
    FieldMapping,
    Literal,
    OnChange,
    PayloadSection,
    SyncConfig,
    event_key,
    reserved_event,
)
from cio_spark.config.calls import COMMON_FIELDS
from cio_spark.config.payload_rules import PAYLOAD_FIELDS, payload_problems

WORKING: dict[str, dict[str, Any]] = {
    "identify": {"email": "email", "traits": {"include": "*"}},
    "track": {"user_id": "u", "event": {"value": "Order Placed"}},
    "page": {"anonymous_id": "a", "name": "title"},
    "screen": {"user_id": "u", "properties_from": "p"},
    "group": {"user_id": "u", "group_id": "g", "object_type_id": "'1'", "traits_from": "t"},
    "alias": {"user_id": "u", "previous_id": "p"},
    "suppress": {"user_id": "u"},
    "unsuppress": {"user_id": "u"},
    "delete_person": {"user_id": "u"},
    "device": {"user_id": "u", "device_token": "t", "device_type": {"value": "ios"}},
    "device_delete": {"user_id": "u", "device_token": "t"},
    "object_delete": {"object_id": "o"},
    "relationship_delete": {"user_id": "u", "object_id": "o"},
}


def section(call: str, **fields: Any) -> dict[str, Any]:
    return {"call": call, "record_id": "id", **fields}


def paths(written: dict[str, Any]) -> list[str]:
    return [problem.path for problem in payload_problems(written)]


@pytest.mark.parametrize("call", list(Call))
def test_every_call_has_a_smallest_working_section(call: Call) -> None:
    assert PayloadSection.model_validate(section(call, **WORKING[call])).call is call


@pytest.mark.parametrize("call", list(Call))
def test_every_needed_field_is_asked_for_when_nothing_is_given(call: Call) -> None:
    assert paths(section(call)) == [alternatives[0] for alternatives in call.spec.needs]


@pytest.mark.parametrize(
    ("call", "without"),
    [
        ("track", "event"),
        ("group", "group_id"),
        ("alias", "previous_id"),
        ("device", "device_token"),
        ("relationship_delete", "object_id"),
        ("suppress", "user_id"),
        ("identify", "email"),
    ],
)
def test_a_needed_field_is_asked_for_by_its_name(call: str, without: str) -> None:
    written = section(call, **WORKING[call])
    del written[without]
    assert len(problems := payload_problems(written)) == 1
    assert without in str(problems[0])


@pytest.mark.parametrize(
    ("call", "field", "hint"),
    [
        ("track", "email", "it takes user_id, anonymous_id"),
        ("track", "traits", "track has properties"),
        ("identify", "properties_from", "identify has traits_from"),
        ("suppress", "anonymous_id", "it takes user_id"),
        ("suppress", "event", "set for you"),
        ("device", "event", "set for you"),
        ("device", "context", "device_token"),
        ("page", "event", "name"),
        ("identify", "group_id", "it takes"),
    ],
)
def test_a_field_of_another_call_is_refused_with_a_hint(call: str, field: str, hint: str) -> None:
    (problem,) = payload_problems(section(call, **WORKING[call], **{field: "x"}))
    assert problem.path == field
    assert hint in problem.message


def test_properties_and_properties_from_exclude_each_other() -> None:
    written = section("track", **WORKING["track"], properties={"include": ["a"]}, properties_from="p")
    assert paths(written) == ["properties_from"]


def test_an_explicit_null_counts_as_not_given() -> None:
    assert paths(section("track", **WORKING["track"], email=None, traits=None)) == []


def test_a_section_made_in_python_obeys_the_same_rules() -> None:
    with pytest.raises(ValidationError, match="event is missing: track needs it"):
        PayloadSection(call=Call.TRACK, record_id="id", user_id="u")


def test_the_rules_know_every_field_of_the_section() -> None:
    assert set(PAYLOAD_FIELDS) == {info.alias or name for name, info in PayloadSection.model_fields.items()}
    assert all(set(COMMON_FIELDS).isdisjoint(call.spec.fields) for call in Call)


@pytest.mark.parametrize(
    ("event", "call"),
    [
        ({"value": "User Deleted"}, "delete_person"),
        ({"value": "user deleted"}, "delete_person"),
        ({"value": "Delete Person"}, "delete_person"),
        ({"value": "User Deletd"}, "delete_person"),
        ({"value": "user_suppressed"}, "suppress"),
        ({"value": "Unsuppress User"}, "unsuppress"),
        ("'Device Deleted'", "device_delete"),
        ({"value": "Device Created Or Updated"}, "device"),
        ({"value": "Object deleted"}, "object_delete"),
        ({"value": "Relationship Deleted"}, "relationship_delete"),
    ],
)
def test_a_reserved_event_or_a_near_miss_names_the_call_to_use(event: Any, call: str) -> None:
    (problem,) = payload_problems(section("track", user_id="u", event=event))
    assert problem.path == "event"
    assert problem.message.endswith(f"write call: {call}")


def test_a_reserved_event_without_a_call_is_refused_too() -> None:
    (problem,) = payload_problems(section("track", user_id="u", event={"value": "Report Delivery Event"}))
    assert "choose another event name" in problem.message


@pytest.mark.parametrize(
    "name",
    ["Order Placed", "Order Deleted", "User Created", "User Undeleted", "Device Connected", "Account Deleted", ""],
)
def test_ordinary_events_are_nobodys_near_miss(name: str) -> None:
    assert reserved_event(name) is None


def test_an_event_that_the_row_decides_is_left_to_validation() -> None:
    assert paths(section("track", user_id="u", event="event_name")) == []


def test_every_reserved_name_is_its_own_near_miss() -> None:
    assert {NEAR_MISSES[event_key(name)] for name in RESERVED_EVENTS} == set(RESERVED_EVENTS)


def test_a_scalar_is_an_expression_or_a_literal_of_its_own_type() -> None:
    values: list[Any] = ["EUR", 1, 1.5, True, None]
    mapping = FieldMapping.model_validate(
        {"set": {"e": "a + 1", **{str(i): {"value": v} for i, v in enumerate(values)}}}
    )
    assert mapping.set["e"] == "a + 1"
    literals = [item.value for item in mapping.set.values() if isinstance(item, Literal)]
    assert [(type(item), item) for item in literals] == [(type(item), item) for item in values]


@pytest.mark.parametrize(
    "wrong", [5, True, None, [], {}, {"value": []}, {"value": 2**63}, {"value": float("inf")}, " "]
)
def test_anything_else_is_no_scalar(wrong: Any) -> None:
    with pytest.raises(ValidationError):
        FieldMapping.model_validate({"set": {"field": wrong}})


def test_except_goes_only_with_all_columns() -> None:
    assert FieldMapping.model_validate({"include": "*", "except": ["a"]}).except_ == ["a"]
    with pytest.raises(ValidationError, match="except leaves out"):
        FieldMapping.model_validate({"include": ["b"], "except": ["a"]})


@pytest.mark.parametrize(("written", "columns"), [("id", ["id"]), (["id"], ["id"]), (["id", "line"], ["id", "line"])])
def test_a_record_id_is_one_column_or_several(written: Any, columns: list[str]) -> None:
    payload = PayloadSection.model_validate({**section("suppress", user_id="u"), "record_id": written})
    assert payload.record_id_columns == columns
    assert isinstance(payload.record_id, str) == (len(columns) == 1)


@pytest.mark.parametrize("wrong", [None, "", [], [""], ["a", "a"], 5, {"value": "x"}])
def test_a_record_id_that_names_no_columns_is_refused(wrong: Any) -> None:
    with pytest.raises(ValidationError):
        PayloadSection.model_validate({**section("suppress", user_id="u"), "record_id": wrong})


def test_timestamps_take_a_bare_format_or_exceptions_by_field() -> None:
    def policy(written: Any) -> Any:
        return PayloadSection.model_validate(section("suppress", user_id="u", timestamps=written)).timestamps

    assert policy("unix_seconds").default == "unix_seconds"
    assert policy({}).default is None
    assert policy({"unix_seconds": ["signed_up"]}).unix_seconds == ["signed_up"]
    with pytest.raises(ValidationError, match="cannot be in iso and in unix_seconds"):
        policy({"iso": ["a"], "unix_seconds": ["a"]})


@pytest.mark.parametrize(
    ("call", "operation_type", "on_change"),
    [
        ("identify", "people_update", "send"),
        ("group", "people_update", "send"),
        ("alias", "people_update", "ignore"),
        ("track", "event_processing", "ignore"),
        ("page", "event_processing", "ignore"),
        ("screen", "event_processing", "ignore"),
        ("suppress", "suppression_sync", "send"),
        ("unsuppress", "suppression_sync", "send"),
        ("delete_person", "suppression_sync", "send"),
        ("device", "people_update", "send"),
        ("device_delete", "people_update", "send"),
        ("object_delete", "people_update", "send"),
        ("relationship_delete", "people_update", "send"),
    ],
)
def test_operation_type_and_on_change_follow_from_the_call(call: str, operation_type: str, on_change: str) -> None:
    written = {"sync": {"name": "s"}, "source": {"table": "t"}, "payload": section(call, **WORKING[call])}
    config = SyncConfig.model_validate(written)
    assert (config.operation_type, config.on_change) == (operation_type, on_change)


def test_the_user_may_say_otherwise() -> None:
    written = {
        "sync": {"name": "s", "operation_type": "orders", "on_change": "send"},
        "source": {"table": "t"},
        "payload": section("track", **WORKING["track"]),
    }
    config = SyncConfig.model_validate(written)
    assert (config.operation_type, config.on_change) == ("orders", OnChange.SEND)


@pytest.mark.parametrize("written", [{"value": "iOS"}, "'iOS'", {"value": "web"}, {"value": 3}, {"value": ""}])
@pytest.mark.parametrize("call", ["device", "device_delete"])
def test_a_constant_that_is_no_platform_of_devices_is_refused(call: str, written: Any) -> None:
    (problem,) = payload_problems(section(call, user_id="u", device_token="t", device_type=written))
    assert problem.path == "device_type"
    assert problem.message.startswith("must be ios or android, found ")
    assert ("did you mean 'ios'?" in problem.message) == ("iOS" in str(written))


@pytest.mark.parametrize("written", [{"value": "ios"}, "'android'", "platform", {"value": None}])
def test_platforms_of_devices_and_what_rows_say_are_taken(written: Any) -> None:
    assert payload_problems(section("device", user_id="u", device_token="t", device_type=written)) == []
