"""Tests that the JSON text of a row is accepted only if it is one JSON object.

There may be nothing else from its first to its last byte.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cio_spark.payload.json_text import MAX_DEPTH, read_object


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("{}", "{}"),
        (' \t\r\n{ "a" : [ 1 , { } , [ ] ] } \n', '{"a":[1,{},[]]}'),
        (
            '{"n": 123456789012345678.99, "m": 1.50, "k": -0, "e": 1E+5, "i": 9007199254740993}',
            '{"n":123456789012345678.99,"m":1.50,"k":-0,"e":1E+5,"i":9007199254740993}',
        ),
        ('{"t": true, "f": false, "z": null}', '{"t":true,"f":false,"z":null}'),
        (
            r'{"a": "\"\\\/\b\f\n\r\t\u0001\u001f\u007f\u00e9\ud83d\ude00"}',
            '{"a":"\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001F\x7fé😀"}',
        ),
        (r'{"a": "\\u001f\u001f\\\u000b"}', r'{"a":"\\u001f\u001F\\\u000B"}'),
        ('{"line": "one\ntwo"}', '{"line":"one\\ntwo"}'),
        ('{"\u2028": "\u2029"}', '{"\u2028":"\u2029"}'),
        ('{"a": 1, "A": 2}', '{"a":1,"A":2}'),
        ('{"tiny": 1e-400}', '{"tiny":1e-400}'),
        ('{"a":' * (MAX_DEPTH - 1) + "{}" + "}" * (MAX_DEPTH - 1),) * 2,
    ],
)
def test_an_object_is_written_anew_with_the_digits_of_its_numbers(text: str, written: str) -> None:
    assert read_object(text) == written


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "null",
        "1",
        "[]",
        '"text"',
        '"{}"',
        r'"{}},{\"type\":\"track\",\"userId\":\"victim\",\"event\":\"User Deleted\",\"properties\":{}"',
        '{}, "userId": "victim", "z": {}',
        "{}{}",
        "{} x",
        "{}}",
        "x {}",
        "\ufeff{}",
        "\u00a0{}",
        "{}\0",
        "{",
        '{"a": 1',
        "{'a': 1}",
        '{"a": 1,}',
        "{a: 1}",
        '{"a": 01}',
        '{"a": .5}',
        '{"a": 1.}',
        '{"a": +1}',
        '{"a": \u0661}',
        '{"a": NaN}',
        '{"a": -Infinity}',
        '{"a": 1e400}',
        '{"a": [-1e999]}',
        '{"a": ' + "9" * 400 + "}",
        '{"a": 1, "a": 1}',
        r'{"b": {"a": 1, "\u0061": 2}}',
        '{"a": [{"x": 1, "x": 2}]}',
        r'{"a": "\ud800"}',
        r'{"\udc00": 1}',
        '{"a": "\\x"}',
        '{"a":' * MAX_DEPTH + "{}" + "}" * MAX_DEPTH,
        '{"a":' + "[" * 100_000,
        '{"a":' * 100_000,
        "// comment\n{}",
        '{"a": 1 /* comment */}',
    ],
)
def test_what_is_no_object_or_more_than_one_is_refused(text: str) -> None:
    assert read_object(text) is None


def test_no_text_stays_none() -> None:
    assert read_object(None) is None


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
)


@given(st.dictionaries(texts, values, max_size=5))
def test_every_object_is_read_as_what_it_says(fields: dict[str, Any]) -> None:
    for ascii_only in (True, False):
        written = read_object(json.dumps(fields, ensure_ascii=ascii_only, indent=1))
        assert written is not None
        assert json.loads(written) == fields


@given(st.text(max_size=30) | st.text('{}[]",:\\ aue0', max_size=12))
@example('{"a":1}')
def test_no_text_raises_and_what_is_written_is_one_object_that_stays_as_it_is(text: str) -> None:
    written = read_object(text)
    assert written is None or isinstance(json.loads(written), dict)
    assert written is None or read_object(written) == written
