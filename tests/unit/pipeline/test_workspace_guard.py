"""Tests that two ways to write an address are one address, and that another port is another server."""

from __future__ import annotations

import json

import pytest

from cio_spark.pipeline.workspace_guard import address_in, is_same_address


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://cdp.customer.io/v1", "HTTPS://CDP.customer.io:443/v1/", True),
        ("http://localhost/v1", "http://localhost:80/v1", True),
        ("https://cdp.customer.io/v1", "https://cdp-eu.customer.io/v1", False),
        ("https://proxy/us/v1", "https://proxy/eu/v1", False),
        ("http://proxy/v1", "https://proxy/v1", False),
        # These may be tunnels to two workspaces, or two stand-ins: neither knows what the other one received
        ("http://127.0.0.1:8087/v1", "http://127.0.0.1:8088/v1", False),
    ],
)
def test_addresses_are_compared_by_what_they_reach(one: str, other: str, same: bool) -> None:
    assert is_same_address(one, other) is same


@pytest.mark.parametrize("configuration", [None, "", "{", "[]", "{}", '{"api": null}', '{"api": {"url": 1}}'])
def test_a_configuration_that_names_no_address_ties_nobody(configuration: str | None) -> None:
    assert address_in(configuration) is None


def test_the_address_stands_in_the_configuration_that_a_run_keeps() -> None:
    assert address_in(json.dumps({"api": {"region": "eu", "url": "https://x/v1"}})) == "https://x/v1"
