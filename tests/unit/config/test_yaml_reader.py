"""YAML is read strictly, and every problem names its place."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from cio_spark.config.yaml_reader import plain_scalar, read_yaml

PAIRS = list(pairwise("abcdefg"))
BOMB = "a: &a [1,1]\n" + "".join(f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in PAIRS)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"),
        ("yes", "yes"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("12", 12),
        ("-3", -3),
        ("0x1F", 31),
        ("007", "007"),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("2024-01-31", "2024-01-31"),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("=", "="),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    read = read_yaml(f"key: {text}").data["key"]
    assert (type(read), read) == (type(value), value)
    assert plain_scalar(text) == value


def test_quotes_make_text_of_anything() -> None:
    assert read_yaml("""{a: "1", b: 'true', c: "", d: !!str 5}""").data == {"a": "1", "b": "true", "c": "", "d": "5"}


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "b.c", "is given twice (line 4)"),
        ("a:\n- {x: 1, x: 2}\n", "a.0.x", "is given twice (line 2)"),
        ("a: {5: x}", "a", "has a key that is no text; put it in quotes (line 1)"),
        ("a: {[1]: x}", "a", "has a key that is no text; put it in quotes (line 1)"),
        (
            "a: !python/object:os.system x",
            "a",
            "has the tag '!python/object:os.system'; tags are not supported (line 1)",
        ),
        ("a: !!set {x}", "a", "has the tag 'tag:yaml.org,2002:set'; tags are not supported (line 1)"),
        ("a: !!int x", "a", "has the tag 'tag:yaml.org,2002:int'; tags are not supported (line 1)"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", "c", "has a merge key '<<'; write the values out (line 3)"),
        (r'a: "\ud800"', "a", "holds half a character (a lone surrogate) (line 1)"),
    ],
)
def test_a_problem_inside_the_document_has_its_path_and_line(text: str, path: str, message: str) -> None:
    (finding,) = read_yaml(text).findings
    assert (finding.path, finding.message) == (path, message)


def test_all_problems_come_out_and_the_rest_is_read() -> None:
    document = read_yaml("a: 1\na: 2\nb: {1: x, c: 3}\n")
    assert len(document.findings) == 2
    assert document.data == {"a": 1, "b": {"c": 3}}


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("a: 1\nb: c: d\n", 2, "needs quotes"),
        ("a:\n\tb: 1\n", 2, "not with tabs"),
        ("a: [1\n", 2, "is not valid YAML"),
        ("a: *b\n", 1, "is not valid YAML"),
        ("a: 1\n---\nb: 2\n", 2, "second document"),
        ("a: \x00", None, "control characters"),
        ("[" * 5000, None, "nests too deeply"),
        ("a: &a [*a]", None, "nests too deeply"),
        (
            BOMB,
            None,
            "repeats itself",
        ),
    ],
)
def test_text_that_is_not_yaml_gives_a_line_and_one_sentence(text: str, line: int | None, part: str) -> None:
    document = read_yaml(text)
    assert document.broken is not None
    assert document.broken[0] == line
    assert part in document.broken[1]


def test_anchors_can_be_used() -> None:
    assert read_yaml("a: &x [1]\nb: *x\n").data == {"a": [1], "b": [1]}
