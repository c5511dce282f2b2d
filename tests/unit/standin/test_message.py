"""Tests that decoding a whole batch at once changes no decision about any of its messages."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standin_client import event, message_of_size

from cio_spark.standin import body as body_module
from cio_spark.standin.contract import CALLS, Contract
from cio_spark.standin.judge import ContractDecision, ReceivedRequest, apply_contract
from cio_spark.standin.message import QUICK_ITEM_BYTES, decode_batch


def batch_of(*messages: bytes) -> bytes:
    return b'{"batch":[' + b",".join(messages) + b"]}"


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def event_with(value: bytes) -> bytes:
    """Return an event with a property whose JSON is this."""
    return compact(event(properties={"p": "FILL"})).replace(b'"FILL"', value)


def decide(body: bytes) -> ContractDecision:
    delivery = ReceivedRequest(1, "batch", body, encoding="", strict=False, authorized=True)
    return apply_contract(delivery, Contract())


def decide_one_by_one(body: bytes) -> ContractDecision:
    """Decide about a body of which the messages are decoded one after the other, by Python's own library."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(body_module, "decode_batch", lambda _: None)
        return decide(body)


# JSON of a property → whether the batch can be decoded at once
PROPERTIES = {
    "number": (b"0.50", True),
    "minus zero": (b"-0", True),
    "integer of 400 digits": (b"9" * 400, True),
    "integer of 5,000 digits": (b"9" * 5_000, False),
    "float that is too large": (b"1e999", True),
    "NaN": (b"NaN", False),
    "Infinity": (b"-Infinity", False),
    "leading zero": (b"01", False),
    "no digits behind the point": (b"1.", False),
    "no digits before the point": (b".5", False),
    "plus": (b"+1", False),
    "broken word": (b"nul", False),
    "UTF-8": ("é🎈".encode(), False),
    "UTF-8 in a string": ('"é🎈"'.encode(), True),
    "invalid UTF-8": (b'"\xff"', False),
    "UTF-8 of a surrogate": (b'"\xed\xa0\x80"', False),
    "UTF-8 that is too long": (b'"\xc0\x80"', False),
    "invalid UTF-8 in a name": (b'{"\xff":1}', False),
    "lone surrogate": (b'"\\ud800"', False),
    "pair of surrogates": (b'"\\ud83c\\udf88"', True),
    "NUL": (b'"\\u0000"', True),
    "unknown escape": (b'"\\x"', False),
    "short escape": (b'"\\u12"', False),
    "control character": (b'"a\nb"', False),
    "name twice": (b'{"a":1,"a":2}', True),
    "name that is a number": (b"{1:2}", False),
    "comma at the end of an array": (b"[1,]", False),
    "comma at the end of an object": (b'{"a":1,}', False),
    "comment": (b"/**/1", False),
    "form feed": (b"\x0c1", False),
    "white space": (b" \t\r\n1 ", True),
    "depth 500": (b"[" * 500 + b"]" * 500, True),
    "depth 200,000": (b"[" * 200_000, False),
    "end of the batch": (b'1}}],"batch":[{"a":{"b":1', False),
}


@pytest.mark.parametrize("name", PROPERTIES)
def test_a_property_changes_no_decision(name: str) -> None:
    json_text, at_once = PROPERTIES[name]
    body = batch_of(compact(event(1)), event_with(json_text), compact(event(3)))

    assert decide(body) == decide_one_by_one(body)
    assert (decode_batch(body) is not None) == at_once


TEXTS: tuple[Any, ...] = (None, "", "x", "x" * 151, "é" * 76, "\ud800", 0, 7, False, 10**400, ["track"], {"a": 1})
OBJECTS: tuple[Any, ...] = (None, "", "x", 0, [], {}, {"email": "a@example.com"}, {"email": 7}, {"email": "\ud800"})
MEMBERS = {
    **dict.fromkeys(
        ("type", "userId", "anonymousId", "previousId", "groupId", "event", "messageId", "timestamp"), TEXTS
    ),
    **dict.fromkeys(("traits", "properties", "context", "integrations"), OBJECTS),
}


@pytest.mark.parametrize("call", CALLS)
def test_the_type_and_size_of_a_member_change_no_decision(call: str) -> None:
    for name, value in ((name, value) for name, values in MEMBERS.items() for value in values):
        for others in ({"userId": "p", "previousId": "q", "groupId": "g", "event": "e"}, {}):
            message = compact({"type": call, **others, name: value})
            body = batch_of(message, compact(event(2)))
            assert decide(body) == decide_one_by_one(body), message


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"batch":[]}',
        b'{"batch":[' + b" " * 5_000 + b"]}",
        b'{"batch":[]]}',
        b'{"batch":[],"batch":[]}',
        b'{"batch":[],"context":{"batch":[]}}',
        b'{"batch":[null,7,"x",[],{}]}',
        b'\xef\xbb\xbf{"batch":[]}',
        batch_of(compact(event(1))) + b" ",
        batch_of(compact(event(1)) + b" ", b"\n" + compact(event(2))),
        batch_of(compact(event(1)).replace(b'"userId"', b'"user\\u0049d"')),
        batch_of(compact(event(1)).replace(b'"userId"', b'"userId":"first","userId"')),
        batch_of(compact(event(1)).replace(b'"userId"', b'"userId":7,"userId"')),
        batch_of(compact(event(1)).replace(b'"properties"', b'"properties":7,"properties"')),
        batch_of(compact(event(1)).replace(b'"properties"', b'"properties":null,"user_id":"x","properties"')),
        *(batch_of(compact(message_of_size(size_bytes))) for size_bytes in (32_000, 32_001, 32_768, 32_769)),
    ],
)
def test_the_shape_of_a_body_changes_no_decision(body: bytes) -> None:
    assert decide(body) == decide_one_by_one(body)


any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(CALLS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(["type", "userId", "anonymousId", "groupId", "event", "messageId", "traits", "properties"])


@given(st.lists(st.dictionaries(names, any_json), max_size=3), st.booleans(), st.data())
def test_no_damage_to_a_batch_changes_a_decision(
    messages: list[dict[str, Any]], ascii_only: bool, data: st.DataObject
) -> None:
    text = json.dumps({"batch": [event(1, **one) for one in messages]}, separators=(",", ":"), ensure_ascii=ascii_only)
    body = bytearray(text.encode(errors="surrogatepass"))
    for position in data.draw(st.lists(st.integers(0, len(body) - 1), max_size=2)):
        body[position] = data.draw(st.integers(0, 255))

    assert decide(bytes(body)) == decide_one_by_one(bytes(body))


def test_batches_as_the_package_sends_them_are_decoded_at_once() -> None:
    purchase = compact(event(1, properties={"brand": "National", "categories": ["GROCERY"], "amount": 0.5}))

    messages = decode_batch(batch_of(*[purchase] * 1_000))

    assert messages is not None
    assert len(messages) == 1_000
    assert (messages[0].user_id, messages[0].message_id) == ("person-1", "id-1")


def test_only_small_messages_are_decoded_at_once() -> None:
    assert decode_batch(batch_of(compact(message_of_size(QUICK_ITEM_BYTES)))) is not None
    assert decode_batch(batch_of(compact(message_of_size(QUICK_ITEM_BYTES + 1)))) is None
