"""Reads the Databricks bundle as the command line does: resources merged, variables and references resolved."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
BUNDLE = ROOT / "databricks.yml"
RESOURCES = sorted((ROOT / "resources").glob("*.yml"))
TARGETS = ("dev", "staging", "prod")
USER = "somebody@example.com"
FOUR: dict[str, Any] = {
    "catalog": "main",
    "source_tables": ["main.shop.customers", "main.shop.orders"],
    "notify": "data-team@example.com",
    "service_principal": "00000000-0000-0000-0000-000000000000",
}
"""Values of the four variables, which users edit: whatever they write, these tests pass."""
_REFERENCE = re.compile(r"\$\{([^}]*)\}")


def read(path: Path) -> dict[str, Any]:
    """Read one YAML file of the bundle."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


def texts(value: Any) -> Iterator[str]:
    """Yield all texts in a document, without the keys."""
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts(item)


def load_bundle(target: str, file_path: str = "/Workspace/files", **variables: str) -> dict[str, Any]:
    """Return the whole bundle as a target deploys it, without the keys that it was put together from.

    Args:
        target: name of the target.
        file_path: folder of the workspace into which files are uploaded.
        variables: values in place of those of the bundle, as `--var` gives them.

    Raises:
        KeyError: a reference leads nowhere.
    """
    bundle = read(BUNDLE)
    own = bundle.pop("targets")[target]
    # Only a workspace can answer a look-up by name
    values = {name: variable.get("default", "looked-up") for name, variable in bundle["variables"].items()}
    values.update({**FOUR, **own.pop("variables", {}), **variables})
    del bundle["variables"], bundle["include"], own["mode"]
    own.pop("default", None)
    for path in RESOURCES:
        bundle = _merge(bundle, read(path))
    bundle = _merge(bundle, own)
    workspace = {"file_path": file_path, "current_user": {"userName": USER}}
    known = {"var": values, "bundle": {**bundle["bundle"], "target": target}, "workspace": workspace}
    resolved = _resolve(bundle, {**known, "resources": bundle["resources"]})
    assert isinstance(resolved, dict)
    return resolved


def _merge(base: Any, over: Any) -> Any:
    if isinstance(base, dict) and isinstance(over, dict):
        return {**base, **{key: _merge(base.get(key), value) for key, value in over.items()}}
    return over


def _resolve(value: Any, known: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        return {key: _resolve(item, known) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolve(item, known) for item in value]
    if not isinstance(value, str):
        return value
    if (whole := _REFERENCE.fullmatch(value)) is not None:
        return _look_up(whole[1], known)
    return _REFERENCE.sub(lambda found: str(_look_up(found[1], known)), value)


def _look_up(reference: str, known: Mapping[str, Any]) -> Any:
    value: Any = known
    for part in reference.split("."):
        value = value[part]
    return _resolve(value, known)


def shipped_files() -> list[str]:
    """Return the files that a deployment uploads beside the wheel, relative to the project."""
    sync = read(BUNDLE)["sync"]
    assert set(sync) == {"paths", "exclude"}, "this function knows no other keys"
    found = [path.relative_to(ROOT).as_posix() for folder in sync["paths"] for path in (ROOT / folder).rglob("*")]
    return sorted(
        name
        for name in found
        if (ROOT / name).is_file() and not any(fnmatch.fnmatch(name, pattern) for pattern in sync["exclude"])
    )
