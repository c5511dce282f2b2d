"""Tests the small sections sync, source, api and tables, and the description of the whole configuration."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from cio_spark.config import ApiSection, SourceSection, SyncConfig, SyncSection, TablesSection

SUPPRESSION: dict[str, Any] = {
    "sync": {"name": "gdpr"},
    "source": {"table": "t"},
    "payload": {"call": "suppress", "record_id": "id", "user_id": "id"},
}


@pytest.mark.parametrize("name", ["orders", "orders-eu.v2", "_x", "9", "a" * 100])
def test_a_sync_has_a_name_that_is_safe_everywhere(name: str) -> None:
    assert SyncSection(name=name).name == name


@pytest.mark.parametrize("name", ["", "a b", "a/b", "..", "-x", "ü", "a\n", "a" * 101])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        SyncSection(name=name)


@pytest.mark.parametrize("written", [{}, {"table": "t", "path": "p"}, {"path": "p", "query": "q"}, {"table": None}])
def test_a_source_is_exactly_one_of_three(written: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="one of table, path"):
        SourceSection.model_validate(written)


@pytest.mark.parametrize(("written", "parsed"), [("a DESC", ["a DESC"]), (["a", "b DESC"], ["a", "b DESC"]), ([], [])])
def test_order_by_is_one_expression_or_several(written: Any, parsed: list[str]) -> None:
    assert SourceSection.model_validate({"table": "t", "order_by": written}).order_by == parsed


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ({}, "https://cdp.customer.io/v1"),
        ({"region": "eu"}, "https://cdp-eu.customer.io/v1"),
        ({"region": "eu", "base_url": "http://127.0.0.1:8087/v1/"}, "http://127.0.0.1:8087/v1"),
    ],
)
def test_the_address_is_the_regions_unless_one_is_given(written: dict[str, Any], url: str) -> None:
    assert ApiSection.model_validate(written).url == url


@pytest.mark.parametrize(
    "url", ["", "cdp.customer.io", "ftp://x", "http://", "http://a b", "http://x:99999", "http://["]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="must be an address"):
        ApiSection(base_url=url)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.8.9.10:8087", "localhost", "LOCALHOST.:1", "api.localhost", "[::1]:8087", "[::ffff:127.0.0.1]"],
)
def test_an_address_without_encryption_is_taken_on_this_machine(host: str) -> None:
    assert ApiSection(base_url=f"http://{host}/v1").url == f"http://{host}/v1"


@pytest.mark.parametrize(
    "url",
    [
        "http://cdp.customer.io/v1",
        "HTTP://cdp.customer.io/v1",
        "http://10.0.0.7:8087/v1",
        "http://localhost.example.com/v1",
        "http://127.0.0.1.example.com/v1",
        "http://0.0.0.0:8087/v1",
        "http://[fe80::1]/v1",
    ],
)
def test_an_address_without_encryption_elsewhere_is_refused_unless_that_is_wanted(url: str) -> None:
    with pytest.raises(ValidationError, match=r"api\.insecure: true"):
        ApiSection(base_url=url)

    assert ApiSection(base_url=url, insecure=True).url == url


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1, float("nan"), True])
def test_a_share_of_the_rate_is_a_part_of_it(share: Any) -> None:
    with pytest.raises(ValidationError):
        ApiSection(share_of_rate=share)


@pytest.mark.parametrize("url", ["https://hunter2:@cdp.customer.io/v1", "https://cdp.customer.io/v1?key=hunter2"])
def test_an_address_with_a_key_in_it_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ApiSection(base_url=url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("database", ["customerio", "my-db", "_x", "9a"])
def test_a_database_is_an_identifier(database: str) -> None:
    assert TablesSection(database=database).database == database


@pytest.mark.parametrize("database", ["", "a.b", "a`b", "a b", "x; DROP TABLE y", "-a"])
def test_no_sql_gets_in_by_a_tables_name(database: str) -> None:
    with pytest.raises(ValidationError):
        TablesSection(database=database)


def test_sections_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        TablesSection().database = "other"  # type: ignore[misc]


def test_the_description_is_the_resolved_configuration_as_json() -> None:
    written = {**SUPPRESSION, "api": {"secret": {"scope": "customerio", "key": "api_key"}}}
    described = json.loads(json.dumps(SyncConfig.model_validate(written).describe()))
    assert described["sync"] == {
        "name": "gdpr",
        "priority": "normal",
        "operation_type": "suppression_sync",
        "on_change": "send",
    }
    assert described["api"]["url"] == "https://cdp.customer.io/v1"
    assert described["batch"]["max_batch_size"] == 1000
    assert described["payload"]["user_id"] == "id"
