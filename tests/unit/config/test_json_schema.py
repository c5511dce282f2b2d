"""Tests that the JSON schema is current, valid and complete, and agrees with the loader."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from cio_spark.config import configuration_schema, render_schema

CONF = Path(__file__).parents[3] / "conf"
EXAMPLES = sorted((CONF / "syncs").glob("*.yml"))


def fields(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every field of every section, with its place."""
    for section, definition in [("", schema), *schema["$defs"].items()]:
        for form in [definition, *definition.get("anyOf", [])]:
            for name, field in form.get("properties", {}).items():
                yield f"{section}.{name}", field


def test_the_shipped_schema_is_current() -> None:
    assert (CONF / "schema.json").read_text(encoding="utf-8") == render_schema()


def test_it_is_a_valid_schema_of_2020_12() -> None:
    schema = configuration_schema()
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_every_field_has_a_description() -> None:
    described = dict(fields(configuration_schema()))
    assert len(described) > 50
    assert [path for path, field in described.items() if not field.get("description")] == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_shipped_examples_fit_the_schema_and_name_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    Draft202012Validator(configuration_schema()).validate(yaml.safe_load(text))
    assert text.startswith("# yaml-language-server: $schema=../schema.json\n")


def test_there_are_examples() -> None:
    assert {"orders", "customers"} <= {path.stem for path in EXAMPLES}


@pytest.mark.parametrize(
    ("section", "value", "fits"),
    [
        ("payload", {"timestamps": "iso"}, True),
        ("payload", {"timestamps": {"default": "iso", "unix_seconds": ["a"]}}, True),
        ("payload", {"timestamps": "isoo"}, False),
        ("payload", {"record_id": ["a", "b"]}, True),
        ("payload", {"user_id": {"value": 5}}, True),
        ("payload", {"user_id": 5}, False),
        ("payload", {"properties": {"include": "*", "except": ["a"]}}, True),
        ("payload", {"properties": {"include": "all"}}, False),
        ("source", {"order_by": "a DESC"}, True),
        ("source", {"order_by": ["a DESC"]}, True),
        ("batch", {"parallel_workers": 21}, False),
        ("batch", {"workers": 1}, False),
        ("sync", {"name": "a b"}, False),
    ],
)
def test_the_schema_knows_the_forms_a_value_may_have(section: str, value: dict[str, Any], fits: bool) -> None:
    written: dict[str, Any] = {
        "sync": {"name": "s"},
        "source": {"table": "t"},
        "payload": {"call": "track", "record_id": "r"},
        "batch": {},
    }
    written[section] |= value
    assert Draft202012Validator(configuration_schema()).is_valid(written) is fits
