"""Reads the layers of a configuration (sync file, environment file, `--set`) and merges them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cio_spark.config.key_leaks import looks_secret
from cio_spark.config.located import Finding, Location, holds
from cio_spark.config.problems import nearest
from cio_spark.config.yaml_reader import plain_scalar, read_yaml
from cio_spark.errors import Problem

LARGEST_FILE_BYTES = 1_000_000
SET = "--set"


@dataclass
class Layer:
    """Holds the values of one source of configuration.

    Attributes:
        name: the source as the user knows it: the path of a file, or `--set`.
        data: values of the layer.
        findings: places in the layer that are wrong.
        unreadable: problems because of which the layer, or a part of it, could not be read; empty if it could be read.
    """

    name: str
    data: dict[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    unreadable: list[Problem] = field(default_factory=list)


def read_layer(path: Path, *, may_be_empty: bool) -> Layer:
    """Read a YAML file.

    Args:
        path: the file.
        may_be_empty: True if a file without values (only comments) is allowed.

    Returns:
        The layer, with the problems of the file in it; nothing is raised.
    """
    layer = Layer(str(path))
    text, trouble = _read_text(path)
    if trouble:
        layer.unreadable.append(Problem(layer.name, trouble))
        return layer
    document = read_yaml(text)
    if document.broken:
        line, sentence = document.broken
        layer.unreadable.append(Problem(layer.name if line is None else f"{layer.name}:{line}", sentence))
    elif document.data is None and not document.findings:
        if not may_be_empty:
            layer.unreadable.append(Problem(layer.name, "is empty; a sync needs at least sync, source and payload"))
    elif not isinstance(document.data, dict):
        layer.unreadable.append(Problem(layer.name, "must be a mapping (key: value) at its top"))
    else:
        layer.data = document.data
    layer.findings = document.findings
    return layer


def _read_text(path: Path) -> tuple[str, str]:
    """Return the text of a file, and an empty message; or an empty text, and the reason why it cannot be read."""
    try:
        if path.is_dir():
            return "", "is a folder; name a YAML file in it"
        content = path.read_bytes()
    except FileNotFoundError:
        return "", f"does not exist{_neighbour(path)}"
    except (OSError, ValueError) as error:
        return "", f"cannot be read ({getattr(error, 'strerror', None) or 'not a usable path'})"
    if len(content) > LARGEST_FILE_BYTES:
        return "", f"is no configuration: it is larger than {LARGEST_FILE_BYTES:,} bytes"
    try:
        return content.decode("utf-8-sig"), ""
    except UnicodeDecodeError:
        return "", "is not a text file in UTF-8"


def _neighbour(path: Path) -> str:
    try:
        return nearest(
            path.name, sorted(item.name for item in path.parent.iterdir() if item.suffix in (".yml", ".yaml"))
        )
    except OSError:
        return ""


def read_overrides(overrides: Sequence[str]) -> Layer:
    """Read texts of the form `key.path=value`; a later one wins over an earlier one."""
    layer = Layer(SET)
    for override in overrides:
        key, equals, text = override.partition("=")
        parts = tuple(part.strip() for part in key.split("."))
        if not equals or not all(parts):
            shown = "" if looks_secret(key) or len(key) > 60 else f", found {key!r}"
            layer.unreadable.append(Problem(SET, f"must be key.path=value{shown}"))
            continue
        value, trouble = _override_value(text.strip())
        if trouble:
            layer.unreadable.append(Problem(f"{SET} {key.strip()}", trouble))
            continue
        for part in reversed(parts):
            value = {part: value}
        layer.data = merge(layer.data, value)
    return layer


def _override_value(text: str) -> tuple[Any, str]:
    """Return the value of an override and an empty message, or None and the reason why the value cannot be read.

    A text that begins with a bracket or a quote is read as YAML; any other text is a plain scalar, which may contain
    `#`, or a colon before a blank.
    """
    if not text.startswith(("{", "[", '"', "'")):
        return (None, "holds half a character") if _half_characters(text) else (plain_scalar(text), "")
    document = read_yaml(text)
    if not document.broken and not document.findings:
        return document.data, ""
    if text.startswith(("{", "[")) or _half_characters(text):
        sentence = document.broken[1] if document.broken else document.findings[0].message
        return None, f"has a value that {sentence}"
    return text, ""


def _half_characters(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Merge two mappings; `over` wins, nested mappings are merged key by key, and every other value is replaced."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def merge_layers(layers: Sequence[Layer], sections: frozenset[str]) -> dict[str, Any]:
    """Merge all layers into one; a section without any value below its name (only comments) changes nothing."""
    merged: dict[str, Any] = {}
    for layer in layers:
        said = {key: value for key, value in layer.data.items() if value is not None or key not in sections}
        merged = merge(merged, said)
    return merged


def origin(layers: Sequence[Layer], location: Location) -> str:
    """Return the name of the layer that the value at a place comes from, or of the first layer if no layer has one."""
    return next((layer.name for layer in reversed(layers) if holds(layer.data, location)), layers[0].name)
