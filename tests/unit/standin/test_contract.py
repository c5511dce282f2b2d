"""Tests that the stand-in takes and refuses what Customer.io's API takes and refuses.

The rules come from Customer.io's Data Pipelines OpenAPI; docs/delivery.md lists what is documented nowhere.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from standin_client import batch_of_size, event, message_of_size, post, send

from cio_spark.standin import StandIn


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn() as running:
        yield running


MESSAGES: dict[str, dict[str, Any]] = {
    "identify": {"userId": "p", "traits": {"plan": "gold"}},
    "track": {"userId": "p", "event": "Order Placed"},
    "page": {"anonymousId": "p", "name": "home"},
    "screen": {"userId": "p", "name": "feed"},
    "group": {"userId": "p", "groupId": "g"},
    "alias": {"userId": "p", "previousId": "q"},
}


@pytest.mark.parametrize("call", MESSAGES)
def test_each_call_takes_its_message_and_answers_200_with_an_empty_object(api: StandIn, call: str) -> None:
    answer = post(api, json.dumps(MESSAGES[call]).encode(), call)

    assert (answer.status_code, answer.json()) == (200, {})
    [message] = api.received.all()
    assert (message["type"], message["person"], message["payload"]) == (call, "p", MESSAGES[call])


def test_a_batch_takes_all_types_in_their_order(api: StandIn) -> None:
    assert send(api, *({"type": call, **message} for call, message in MESSAGES.items())).status_code == 200

    assert [message["type"] for message in api.received.all()] == list(MESSAGES)


def test_a_batch_need_not_be_compact_nor_start_with_its_items(api: StandIn) -> None:
    body = json.dumps({"context": {"batch": [1]}, "batch": [event(1), event(2, event="Ünïcode")]}, indent=2)

    assert post(api, f" {body}\n".encode()).status_code == 200

    assert [message["payload"] for message in api.received.all()] == [event(1), event(2, event="Ünïcode")]


@pytest.mark.parametrize(
    "message",
    [
        {"type": "identify", "traits": {"email": "a@example.com"}},
        {"type": "identify", "userId": "", "traits": {"email": "a@example.com"}},
        {"type": "track", "groupId": "g", "event": "Plan Changed"},
        {"type": "track", "event": "Report Delivery Event", "properties": {"metric": "opened"}},
        {"type": "group", "groupId": "g"},
        event(userId="x" * 150),
        event(userId="é" * 75),
        event(event="x" * 100),
        event(timestamp="2026-01-31T12:00:00+01:00"),
        event(timestamp="2026-01-31"),
        event(properties=None),
    ],
)
def test_what_the_documentation_allows_is_taken(api: StandIn, message: dict[str, Any]) -> None:
    assert send(api, message).status_code == 200
    assert api.received.count() == 1


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (["not an object"], "not an object"),
        ({"userId": "p", "event": "e"}, "type"),
        (event(type="purchase"), "type"),
        (event(type=["track"]), "type"),
        (event(userId=None), "userId"),
        (event(userId=""), "userId"),
        (event(userId=7), "userId is not a string"),
        (event(userId="x" * 151), "userId is longer than 150 bytes"),
        (event(userId="é" * 76), "userId is longer than 150 bytes"),
        (event(anonymousId="x" * 151), "anonymousId is longer"),
        (event(userId="\ud800"), "userId is not Unicode"),
        (event(event=None), "event"),
        (event(event=""), "event"),
        (event(event="x" * 101), "event is longer than 100 bytes"),
        (event(timestamp=1767225600), "timestamp"),
        (event(timestamp="2026-13-01T00:00:00Z"), "timestamp"),
        (event(timestamp="yesterday"), "timestamp"),
        (event(properties="{}"), "properties"),
        ({"type": "identify", "traits": {"plan": "gold"}}, "email"),
        ({"type": "page", "name": "home"}, "userId or anonymousId"),
        ({"type": "screen", "groupId": "g"}, "userId or anonymousId"),
        ({"type": "group", "userId": "p"}, "groupId"),
        ({"type": "alias", "userId": "p"}, "previousId"),
        ({"type": "alias", "previousId": "p"}, "previousId"),
    ],
)
def test_what_breaks_a_rule_is_refused_in_strict_mode_and_silently_dropped_without(
    api: StandIn, message: Any, said: str
) -> None:
    refused = send(api, message)
    silent = send(api, message, strict=False)

    assert refused.status_code == 400
    assert said in refused.json()["meta"]["errors"][0]
    assert (silent.status_code, silent.json()) == (200, {})
    assert api.received.count() == 0
    assert [(row["status"], row["position"]) for row in api.received.dropped()] == [(400, 0), (200, 0)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[]",
        b"{}",
        b'{"batch":{}}',
        b'{"batch":[' + json.dumps(event()).encode(),
        b'{"batch":[' + json.dumps(event()).encode() + b"]",
        b'{"batch":[' + json.dumps(event()).encode() + b"]} and more",
        b'{"batch":[' + json.dumps(event()).encode() + b",]}",
        b'{"batch":[' + json.dumps(event(properties={"amount": float("nan")})).encode() + b"]}",
        b'{"batch":[' + json.dumps(event(properties={"amount": float("-inf")})).encode() + b"]}",
        b'{"batch":[' + json.dumps(event(userId="FILL")).encode().replace(b"FILL", b"\xff") + b"]}",
        b'{"batch":[' + b"[" * 200_000 + b"]}",
    ],
)
def test_a_body_that_is_no_json_is_refused_as_a_whole(api: StandIn, body: bytes) -> None:
    assert post(api, body).status_code == 400
    assert post(api, body, strict=False).status_code == 200
    assert api.received.count() == 0
    assert [row["position"] for row in api.received.dropped()] == [None, None]


def test_a_type_that_is_not_the_calls_own_is_refused(api: StandIn) -> None:
    assert post(api, json.dumps(event()).encode(), "identify").status_code == 400
    assert post(api, json.dumps(event()).encode(), "track").status_code == 200


def test_without_strict_mode_only_the_bad_messages_of_a_batch_are_dropped(api: StandIn) -> None:
    send(api, event(1), event(2, userId=None), event(3), strict=False)

    assert api.received.message_ids() == ["id-1", "id-3"]
    assert [(row["message_id"], row["position"]) for row in api.received.dropped()] == [("id-2", 1)]


def test_strict_mode_is_the_value_1_only(api: StandIn) -> None:
    assert send(api, event(userId=None), strict=False, headers={"X-Strict-Mode": "true"}).status_code == 200
    assert send(api, event(userId=None), strict=False, headers={"x-strict-mode": "1"}).status_code == 400


@pytest.mark.parametrize(("keep", "kept"), [(False, []), (True, ["id-1", "id-3"])])
def test_the_good_messages_of_a_refused_batch_are_kept_only_on_demand(keep: bool, kept: list[str]) -> None:
    with StandIn(keep_good_items_on_400=keep) as api:
        assert send(api, event(1), event(2, userId=None), event(3)).status_code == 400

        assert api.received.message_ids() == kept
        assert [message["payload"] for message in api.received.all()] == [event(int(one[-1])) for one in kept]


def test_both_shapes_of_an_error_body_can_be_had() -> None:
    with StandIn(error_shape="error") as api:
        assert send(api, event(event=None)).json() == {"meta": {"error": "event is required"}}
    with StandIn() as api:
        assert send(api, event(event=None), event(event=None)).json() == {"meta": {"errors": ["event is required"]}}


def test_an_error_does_not_quote_the_message(api: StandIn) -> None:
    answer = send(api, event(userId="secret" * 50), event(event="secret" * 50), event(timestamp="secret"))

    assert len(answer.json()["meta"]["errors"]) == 3
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    "authorization", [None, "Bearer standin-key", "Basic !!", "key:", "key", "standin-key:password"]
)
def test_a_wrong_or_missing_key_is_told_in_strict_mode_only(api: StandIn, authorization: str | None) -> None:
    if authorization is not None and " " not in authorization:
        authorization = "Basic " + base64.b64encode(authorization.encode()).decode()
    session = requests.Session()
    session.trust_env = False  # no .netrc
    headers = {} if authorization is None else {"Authorization": authorization}
    body = json.dumps({"batch": [event()]})

    strict = session.post(f"{api.url}/batch", body, headers={**headers, "X-Strict-Mode": "1"}, timeout=10)
    silent = session.post(f"{api.url}/batch", body, headers=headers, timeout=10)

    assert (strict.status_code, silent.status_code, silent.json()) == (401, 200, {})
    assert api.received.count() == 0
    assert [row["reason"] for row in api.received.dropped()] == ["API key is missing or unknown"] * 2


def test_a_body_of_exactly_500000_bytes_is_taken_and_one_byte_more_is_not(api: StandIn) -> None:
    assert post(api, batch_of_size(500_000)).status_code == 200
    count = api.received.count()
    assert api.received.over_limit() == (0, 0)

    assert post(api, batch_of_size(500_001)).status_code == 400
    assert post(api, batch_of_size(500_001), strict=False).status_code == 200

    assert api.received.count() == count
    assert api.received.over_limit() == (0, 2)


def test_the_body_limit_counts_uncompressed_bytes(api: StandIn) -> None:
    answer = post(api, gzip.compress(batch_of_size(500_001)), headers={"Content-Encoding": "gzip"})

    assert answer.status_code == 400
    assert api.received.over_limit().bodies == 1


@pytest.mark.parametrize("filler", ["x", "é", "🎈"])
def test_an_item_is_taken_up_to_32768_bytes_and_counted_from_32001(api: StandIn, filler: str) -> None:
    def post_item(size_bytes: int) -> int:
        item = json.dumps(message_of_size(size_bytes, filler), separators=(",", ":"), ensure_ascii=False).encode()
        assert len(item) == size_bytes
        return post(api, b'{"batch":[%s,%s]}' % (json.dumps(event(2)).encode(), item)).status_code

    assert (post_item(32_000), api.received.over_limit().items) == (200, 0)
    assert (post_item(32_001), api.received.over_limit().items) == (200, 1)
    assert (post_item(32_768), api.received.over_limit().items) == (200, 2)
    assert (post_item(32_769), api.received.over_limit().items) == (400, 3)
    assert api.received.count() == 6


def test_strict_mode_may_leave_size_out() -> None:
    with StandIn(strict_covers_size=False) as api:
        assert send(api, event(1), message_of_size(32_769)).status_code == 200
        assert post(api, batch_of_size(500_001)).status_code == 200

        assert api.received.message_ids() == ["id-1"]
        assert [row["position"] for row in api.received.dropped()] == [1, None]


def test_the_status_of_what_is_too_large_can_be_chosen() -> None:
    with StandIn(oversize_status=413) as api:
        assert post(api, batch_of_size(500_001)).status_code == 413
        assert send(api, message_of_size(32_769)).status_code == 413


def test_gzip_is_taken(api: StandIn) -> None:
    body = json.dumps({"batch": [event(1), event(2)]}).encode()
    compressed = gzip.compress(body[:50]) + gzip.compress(body[50:])

    assert post(api, compressed, headers={"Content-Encoding": "gzip"}).status_code == 200

    assert [message["payload"] for message in api.received.all()] == [event(1), event(2)]
    [request] = api.received.requests()
    assert (request["bytes"], request["compressed_bytes"]) == (len(body), len(compressed))


# The cases have names, because gzip writes the time into its header and every process must collect the same names
@pytest.mark.parametrize("body", [b"not gzip", gzip.compress(b'{"batch":[]}', mtime=0)[:-9]], ids=["text", "cut_off"])
def test_what_is_not_gzip_though_it_says_so_is_refused(api: StandIn, body: bytes) -> None:
    assert post(api, body, headers={"Content-Encoding": "gzip"}).status_code == 400


def test_a_decompression_bomb_is_refused_without_being_expanded(api: StandIn) -> None:
    bomb = gzip.compress(b" " * 200_000_000, 9)

    assert post(api, bomb, headers={"Content-Encoding": "gzip"}).status_code == 400

    assert api.received.requests()[0]["bytes"] < 20_000_000


@pytest.mark.parametrize("status", [415, 400])
def test_gzip_may_be_refused_and_the_same_body_taken_plain(status: int) -> None:
    body = json.dumps({"batch": [event()]}).encode()
    with StandIn(accept_gzip=False, gzip_refused_status=status) as api:
        compressed = post(api, gzip.compress(body), headers={"Content-Encoding": "gzip"})
        silent = post(api, gzip.compress(body), headers={"Content-Encoding": "gzip"}, strict=False)

        assert (compressed.status_code, silent.status_code, api.received.count()) == (status, 200, 0)
        assert post(api, body).status_code == 200
        assert api.received.count() == 1


def test_aliases_in_a_batch_may_be_refused() -> None:
    alias = {"type": "alias", **MESSAGES["alias"]}
    with StandIn(alias_in_batch=False) as api:
        assert send(api, alias).status_code == 400
        assert post(api, json.dumps(alias).encode(), "alias").status_code == 200
