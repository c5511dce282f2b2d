"""Tests that no value of a row ends a task or changes the structure of a request.

A record that cannot be sent is invalid, with a code.
"""

from __future__ import annotations

import json
from typing import Any

import hypothesis.strategies as st
import pyarrow as pa
import pytest
from delivery_world import JudgingClient, ScriptedClient, codes, deliver, fates, refusing, row, settings_for
from hypothesis import given
from hypothesis import settings as hypothesis_settings

from cio_spark.clock import SystemClock
from cio_spark.delivery import OutcomeGroup, ProcessState, deliver_partition
from cio_spark.delivery.records import PREPARED, record_batch

TEXTS = [field.name for field in PREPARED if field.type == pa.string()]
SEEN = ("payload", "record_id", "person_key", "message_id")
"""Text columns that are sent, or that tell records apart."""
VICTIM = '{"type":"track","userId":"victim","event":"User Deleted","properties":{}}'


def with_bytes(chunk: pa.RecordBatch, column: str, values: list[bytes | None]) -> pa.RecordBatch:
    """Return a chunk whose column has these bytes, as Spark hands over the result of a cast from BINARY."""
    at = chunk.schema.get_field_index(column)
    return chunk.set_column(at, chunk.schema.field(at), pa.array(values, pa.binary()).view(pa.string()))


def delivered(chunk: pa.RecordBatch, client: ScriptedClient, **settings: Any) -> list[OutcomeGroup]:
    made = settings_for(**settings)
    process = ProcessState(made, SystemClock(), lambda: client)
    groups = list(deliver_partition(7, [chunk], made, process=process))
    assert sum(group.as_arrow().num_rows for group in groups) == chunk.num_rows
    return groups


def code_by_hash(groups: list[OutcomeGroup]) -> dict[int, tuple[str, str | None]]:
    """Return the status and the code of each record by its payload hash, which no test here changes."""
    found: dict[int, tuple[str, str | None]] = {}
    for written in (group.as_arrow() for group in groups):
        codes = written.column("error_code").view(pa.binary()).to_pylist()
        for key, status, code in zip(
            written.column("payload_hash").to_pylist(), written.column("status"), codes, strict=True
        ):
            found[key] = (status.as_py(), code and code.decode(errors="replace"))
    return found


def numbers_in(body: bytes) -> list[int]:
    """Return the numbers of the rows in a body, found by the beginnings of their payloads.

    No text in these tests contains such a beginning.
    """
    return [int(part[: part.index(b'"')]) for part in body.split(b'{"messageId":"id-')[1:]]


def is_utf8(value: bytes | None) -> bool:
    try:
        return value is None or value.decode() is not None
    except UnicodeDecodeError:
        return False


texts = st.binary(max_size=12) | st.text(max_size=6).map(str.encode) | st.sampled_from([b"M\xfcller", b"\xed\xa0\x80"])


@hypothesis_settings(max_examples=150, deadline=None)
@given(
    columns=st.dictionaries(st.sampled_from(TEXTS), st.lists(st.none() | texts, min_size=6, max_size=6), max_size=4),
    overwrites=st.booleans(),
    lanes=st.integers(1, 2),
)
def test_random_bytes_in_any_text_column_end_as_a_record_that_is_sent_or_an_invalid_one(
    columns: dict[str, list[bytes | None]], overwrites: bool, lanes: int
) -> None:
    chunk = record_batch([row(number, lane=number) for number in range(6)])
    for column, values in columns.items():
        chunk = with_bytes(chunk, column, values)
    client = JudgingClient(refusing({4}))

    found = code_by_hash(delivered(chunk, client, hold_person_after_failure=overwrites, lanes=lanes))

    persons: list[object] = list(columns.get("person_key", range(6)))
    for number in range(6):
        refused = columns.get("error_code", [None] * 6)[number] is not None
        broken = any(not is_utf8(columns[name][number]) for name in SEEN if name in columns)
        if refused:
            assert found[number][0] == "invalid"
        elif broken:
            assert found[number] == ("invalid", "not_utf8")
        elif "payload" in columns:
            assert found[number] == ("invalid", "not_one_item")  # random bytes are no JSON object
        elif number == 5 and overwrites and persons[4] == persons[5] and found[5][0] == "not_attempted":
            assert found[4][0] == "rejected"  # an earlier record of the same person was refused
        else:
            assert found[number] == (("rejected", "http_400") if number == 4 else ("accepted", None))


def test_a_text_whose_bytes_only_make_sense_with_its_neighbours_is_not_utf8() -> None:
    chunk = with_bytes(record_batch([row(1), row(2)]), "person_key", [b"caf\xc3", b"\xa9"])

    assert set(code_by_hash(delivered(chunk, ScriptedClient())).values()) == {("invalid", "not_utf8")}


def test_a_person_that_is_not_utf8_does_not_spoil_the_others_in_its_chunk() -> None:
    persons = [f"p{number}".encode() for number in range(20)]
    persons[14] = b"M\xfcller"
    chunk = with_bytes(record_batch([row(number) for number in range(20)]), "person_key", list(persons))
    client = JudgingClient(refusing({3}))

    found = code_by_hash(delivered(chunk, client, hold_person_after_failure=True))

    assert {number: code for number, code in found.items() if code[0] != "accepted"} == {
        3: ("rejected", "http_400"),
        14: ("invalid", "not_utf8"),
    }
    assert 14 not in [number for request in client.requests for number in request]


UNFIT = [
    f'{{"messageId":"id-1"}},{VICTIM},',
    f'{{"messageId":"id-1","properties":{{}}}},{VICTIM},',
    f'{{"messageId":"id-1"}} , {VICTIM},',
    '{"messageId":"id-1"}],"context":{"x":[{}],"y":[{}]},',
    '{"messageId":"id-1"}]},',
    '5,{"messageId":"id-1"},',
    '{"messageId":"id-1"},5,',
    '{"messageId":"id-1",',
    '{"messageId":"id-1"}',
    '{"messageId":"id-1","name":"x},',
    '{"messageId":"id-1","name":"\\\\"},{"type":"track","x":"\\\\"},',
    '["id-1"],',
    '"id-1",',
    "null,",
    ",",
    "",
    None,
]


@pytest.mark.parametrize("payload", UNFIT)
def test_a_payload_that_is_not_exactly_one_item_is_never_sent_and_the_rest_goes_on(payload: str | None) -> None:
    client = ScriptedClient()

    groups = deliver(settings_for(), [row(0), row(1, payload=payload), row(2)], client_factory=lambda: client)

    assert codes(groups) == {"r-0": ("accepted", None), "r-2": ("accepted", None), "r-1": ("invalid", None)}
    (unfit,) = [group.as_arrow().to_pylist() for group in groups if group.status == "invalid"]
    assert [(line["error_category"], line["error_code"]) for line in unfit] == [("validation", "not_one_item")]
    (body,) = client.bodies
    assert [item["messageId"] for item in json.loads(body)["batch"]] == ["id-0", "id-2"]


def test_two_payloads_that_would_make_two_items_only_together_are_both_unfit() -> None:
    rows = [row(1, payload='{"messageId":"id-1","a":[{'), row(2, payload='}]},{"messageId":"id-2"},'), row(3)]

    assert fates(deliver(settings_for(), rows, client_factory=ScriptedClient)) == {
        "r-1": "invalid",
        "r-2": "invalid",
        "r-3": "accepted",
    }


SIGNS = st.sampled_from(['"', "\\", "{", "}", "[", "]", ",", ":", "a", " ", "é", "\x00", "\n"])
tricky = st.lists(SIGNS, max_size=12).map("".join)


@hypothesis_settings(max_examples=200, deadline=None)
@given(values=st.lists(st.tuples(tricky, st.booleans()), min_size=1, max_size=8), most=st.integers(1, 8))
def test_a_request_holds_exactly_its_records_whatever_their_texts_hold(
    values: list[tuple[str, bool]], most: int
) -> None:
    """Check texts that are escaped as JSON, and texts that are not escaped, as after a defect of ours."""
    client = ScriptedClient()
    rows = []
    for number, (text, raw) in enumerate(values):
        inner = f'"{text}"' if raw else json.dumps(text, ensure_ascii=False)
        rows.append(row(number, payload=f'{{"messageId":"id-{number}","properties":{{"note":{inner},"n":[{{}}]}}}},'))

    found = fates(deliver(settings_for(max_records=most), rows, client_factory=lambda: client))

    for body in client.bodies:
        try:
            request = json.loads(body)
        except ValueError:  # no API can read such a body
            continue
        assert list(request) == ["batch"]
        payloads = [rows[n].payload for n in numbers_in(body)]
        assert request["batch"] == [json.loads(own[:-1]) for own in payloads if own is not None]
    for number, (_, raw) in enumerate(values):
        assert raw or found[f"r-{number}"] == "accepted"
