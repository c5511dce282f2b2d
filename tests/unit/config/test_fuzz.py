"""Tests that the loader answers any text with a configuration or with ConfigurationError."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cio_spark.config import SyncConfig, load_config
from cio_spark.config.payload_rules import PAYLOAD_FIELDS
from cio_spark.errors import ConfigurationError

KNOWN_KEYS = [
    *("sync", "source", "payload", "batch", "api", "tables", "name", "priority", "table", "path", "query", "order_by"),
    *("include", "except", "set", "value", "default", "drop", "send", "iso", "secret", "scope", "key", "base_url"),
    *("max_batch_size", "strategy", "region", "database", "<literal>", "[key]", *PAYLOAD_FIELDS),
]
KNOWN_VALUES = ["track", "identify", "suppress", "*", "a", "http://x", "iso", "drop", "User Deleted", "http://["]
keys = st.sampled_from(KNOWN_KEYS) | st.text(max_size=5)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(KNOWN_VALUES) | st.text(max_size=10)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4), max_leaves=8
)
sections = st.dictionaries(keys, values, max_size=5)
mappings = st.dictionaries(st.sampled_from(KNOWN_KEYS[:6]) | keys, sections | values, max_size=6)
payloads = st.fixed_dictionaries(
    {"call": st.sampled_from(["track", "identify", "group", "device"]), "record_id": values},
    optional=dict.fromkeys(PAYLOAD_FIELDS[2:], values),
)
yaml_like = st.lists(
    st.sampled_from(
        [
            *KNOWN_KEYS[:12],
            ": ",
            "\n",
            "  ",
            "- ",
            "{",
            "}",
            "[",
            "]",
            ",",
            "&a ",
            "*a",
            "!x ",
            "'",
            '"',
            "|",
            "1",
            "#",
            "\t",
            "<<",
            "?",
            "---\n",
        ]
    ),
    max_size=40,
).map("".join)


def load(content: bytes, *, environment: bytes | None = None, overrides: tuple[str, ...] = ()) -> SyncConfig | None:
    """Return the configuration, or None if it was refused with at least one problem; fail on anything else."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "syncs" / "sync.yml"
        path.parent.mkdir()
        path.write_bytes(content)
        if environment is not None:
            (Path(folder) / "environments").mkdir()
            (Path(folder) / "environments" / "test.yml").write_bytes(environment)
        try:
            return load_config(path, environment="test" if environment is not None else None, overrides=overrides)
        except ConfigurationError as error:
            problems = error.problems
    assert problems
    assert all(problem.message for problem in problems)
    for problem in problems:
        assert "pydantic" not in problem.message
        str(problem).encode("utf-8")
    return None


@settings(deadline=None)
@given(st.binary() | st.text().map(lambda text: text.encode("utf-8")))
def test_arbitrary_bytes_never_crash_the_loader(content: bytes) -> None:
    assert load(content) is None


@settings(max_examples=100, deadline=None)
@given(yaml_like)
def test_text_that_looks_like_yaml_never_crashes_the_loader(text: str) -> None:
    load(text.encode("utf-8"))


@settings(max_examples=100, deadline=None)
@given(mappings, mappings)
def test_arbitrary_mappings_never_crash_the_loader(written: dict[str, Any], environment: dict[str, Any]) -> None:
    load(dump(written), environment=dump(environment))


@settings(max_examples=100, deadline=None)
@given(payloads)
def test_arbitrary_payloads_never_crash_the_loader(payload: dict[str, Any]) -> None:
    load(dump({"sync": {"name": "s"}, "source": {"table": "t"}, "payload": payload}))


@settings(deadline=None)
@given(st.lists(st.text(max_size=30) | st.builds("{}.{}={}".format, keys, keys, st.text(max_size=10)), max_size=4))
def test_arbitrary_overrides_never_crash_the_loader(overrides: list[str]) -> None:
    good = {
        "sync": {"name": "s"},
        "source": {"table": "t"},
        "payload": {"call": "suppress", "record_id": "r", "user_id": "u"},
    }
    load(dump(good), overrides=tuple(overrides))


def dump(data: dict[str, Any]) -> bytes:
    return yaml.safe_dump(data, allow_unicode=True).encode("utf-8", "replace")
