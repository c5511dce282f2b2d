"""Turns pydantic's errors into sentences that a user can act on: what was found, what is allowed, what was meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any, get_args

from annotated_types import Ge, Le
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from cio_spark.config.base import IDENTIFIER_PATTERN, NAME_PATTERN
from cio_spark.config.key_leaks import looks_secret
from cio_spark.config.located import Finding, Location
from cio_spark.config.mapping import UNION_TAGS
from cio_spark.config.section_rules import MISSING, RULES_ERROR

LONGEST_ECHO = 60
_PATTERNS = {
    NAME_PATTERN: "1 to 100 letters, digits, '_', '.' or '-', the first a letter, digit or '_'",
    IDENTIFIER_PATTERN: "1 to 255 letters, digits, '_' or '-', the first a letter, digit or '_'",
}
_KINDS = {
    "string_type": "text",
    "string_unicode": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping (key: value)",
    "model_type": "a mapping (key: value)",
    "model_attributes_type": "a mapping (key: value)",
    "scalar_form": "a Spark SQL expression, or {value: x} for a constant",
    "columns_form": "a column, or a list of columns",
    "include_form": 'a list of columns, or "*" for all',
}


def nearest(name: object, names: Iterable[str]) -> str:
    """Return a did-you-mean hint with a leading "; ", or an empty text if no name is near."""
    text = str(name).lower()
    matches = difflib.get_close_matches(text, list(names), n=1, cutoff=0.6)
    return f"; did you mean {matches[0]!r}?" if matches else ""


def found(value: object) -> str:
    """Return a value as messages show it: short, and in the words of YAML."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    shown = repr(str(value) if isinstance(value, str) else value)
    return shown if len(shown) <= LONGEST_ECHO else shown[:LONGEST_ECHO] + "...'"


def validation_findings(error: ValidationError, data: Any, model: type[BaseModel]) -> list[Finding]:
    """Turn pydantic's errors into findings, one per problem of a field; rules across fields are left out.

    Args:
        error: what pydantic found when it validated `data` as `model`.
        data: the validated data; it tells which part of a place the user wrote, as pydantic adds parts of its own.
        model: the model.

    Returns:
        One finding per problem, in pydantic's order.
    """
    return [
        _finding(details, data, model) for details in error.errors(include_url=False) if details["type"] != RULES_ERROR
    ]


def _finding(details: ErrorDetails, data: Any, model: type[BaseModel]) -> Finding:
    keys = _without_tags(details["loc"], data)
    owner, field = _resolve(keys, model)
    location = _as_written(keys, data)
    if details["type"] == "extra_forbidden":
        return Finding(location, _unknown_key(details["loc"][-1], owner))
    sentence = _sentence(details, field)
    if sentence.endswith(", found "):
        hidden = any(looks_secret(part) for part in location)
        sentence += "a value that is not shown" if hidden else found(details["input"])
        sentence += "" if hidden else _advice(details)
    return Finding(location, sentence)


def _sentence(details: ErrorDetails, field: FieldInfo | None) -> str:
    """Write the sentence for a problem; the caller adds the value to a sentence that ends in "found "."""
    kind, context = details["type"], details.get("ctx", {})
    if kind == "sentence":
        return str(context["text"])
    if kind == "missing":
        return MISSING
    if kind == "enum":
        return f"must be one of {', '.join(_allowed(context))}, found "
    if kind == "string_pattern_mismatch":
        return f"must be {_PATTERNS.get(context.get('pattern', ''), 'of another form')}, found "
    bounds = _bounds(field)
    if kind in ("greater_than_equal", "less_than_equal"):
        return f"must be{bounds}, found "
    numeric = kind.startswith(("int_", "float_"))
    return f"must be {_KINDS.get(kind, 'of another form')}{bounds if numeric else ''}, found "


def _advice(details: ErrorDetails) -> str:
    kind, value = details["type"], details["input"]
    if kind == "enum":
        return nearest(value, _allowed(details.get("ctx", {}))) if isinstance(value, str) else ""
    plain = isinstance(value, (bool, int, float))
    if kind == "scalar_form" and plain:
        return f"; for the constant write {{value: {found(value)}}}"
    return "; put it in quotes" if kind == "string_type" and plain else ""


def _allowed(context: dict[str, Any]) -> list[str]:
    return re.findall("'([^']*)'", str(context.get("expected", "")))


def _bounds(field: FieldInfo | None) -> str:
    limits = field.metadata if field else []
    low = next((limit.ge for limit in limits if isinstance(limit, Ge)), None)
    high = next((limit.le for limit in limits if isinstance(limit, Le)), None)
    return f" between {low} and {high}" if low is not None and high is not None else ""


def _unknown_key(key: object, owner: type[BaseModel] | None) -> str:
    names = [field.alias or name for name, field in owner.model_fields.items()] if owner else []
    allowed = f"{nearest(key, names) or ';'} allowed: {', '.join(names)}" if names else ""
    return f"is not a known key{allowed}"


def _without_tags(keys: Location, data: Any) -> Location:
    """Remove the tags of pydantic's unions from a place; a key of the user that only looks like a tag stays."""
    kept: list[str | int] = []
    for key in keys:
        if key in UNION_TAGS and not (isinstance(data, dict) and key in data):
            continue
        kept.append(key)
        data = data.get(key) if isinstance(data, dict) else None
    return tuple(kept)


def _as_written(keys: Location, data: Any) -> Location:
    """Return the part of a place that the user wrote: it ends where the data is no longer a mapping or a list."""
    written: list[str | int] = []
    for key in keys:
        if isinstance(data, dict):
            data = data.get(key)
        elif isinstance(data, list) and isinstance(key, int) and key < len(data):
            data = data[key]
        else:
            break
        written.append(key)
    return tuple(written[:-1]) if written and written[-1] == "[key]" else tuple(written)


def _resolve(keys: Location, model: type[BaseModel]) -> tuple[type[BaseModel] | None, FieldInfo | None]:
    """Return the model that the last key belongs to, and the field of that key; None for what cannot be found."""
    owner: type[BaseModel] | None = model
    field: FieldInfo | None = None
    for index, key in enumerate(keys):
        fields = {info.alias or name: info for name, info in owner.model_fields.items()} if owner else {}
        field = fields.get(str(key))
        if field is not None and index < len(keys) - 1:
            owner = _model_in(field.annotation)
    return owner, field


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _model_in(part))), None)
