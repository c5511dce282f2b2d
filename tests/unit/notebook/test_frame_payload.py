"""Tests that columns with the usual names decide what is sent for a DataFrame."""

from __future__ import annotations

import pytest

from cio_spark.errors import ConfigurationError
from cio_spark.notebook.frame_payload import payload_of


def test_the_notebooks_columns_are_events() -> None:
    columns = ["user_id", "user_identifier", "event_name", "event_timestamp", "properties"]
    assert payload_of(columns) == {
        "call": "track",
        "user_id": "`user_id`",
        "event": "`event_name`",
        "timestamp": "`event_timestamp`",
        "properties_from": "`properties`",
    }


def test_columns_without_a_part_are_properties_or_traits() -> None:
    assert payload_of(["userId", "event", "amount"])["properties"] == {"include": ["amount"]}
    people = payload_of(["user_id", "plan", "properties"])
    assert people == {"call": "identify", "user_id": "`user_id`", "traits": {"include": ["plan", "properties"]}}
    assert payload_of(["user_id", "traits"])["traits_from"] == "`traits`"
    assert payload_of(["anonymous_id"]) == {"call": "identify", "anonymous_id": "`anonymous_id`"}


def test_without_a_person_the_error_says_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match="payload="):
        payload_of(["id", "event"])
