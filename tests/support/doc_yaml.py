"""Tells what a YAML block of the pages is, and checks it: a sync file, a part of one, a part of a Databricks bundle."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Any

import yaml
from doc_pages import ROOT
from jsonschema import Draft202012Validator

from cio_spark.config import SyncConfig, load_config
from cio_spark.errors import ConfigurationError

SYNCS = sorted((ROOT / "conf" / "syncs").glob("*.yml"))
SCHEMA = json.loads((ROOT / "tests" / "data" / "databricks_bundle_schema.json").read_text(encoding="utf-8"))
_SECTIONS = frozenset(SyncConfig.model_fields)
_NEEDED = frozenset({"sync", "source", "payload"})
_OF_BUNDLES = frozenset(
    {"bundle", "resources", "targets", "variables", "artifacts", "include", "workspace", "permissions", "run_as"}
)
_OF_KUBERNETES = frozenset({"apiVersion", "kind"})


class Kind(Enum):
    """Says what a YAML block is."""

    SYNC = "a whole sync file"
    PART = "some sections of a sync file, or an environment file"
    BUNDLE = "a part of a Databricks bundle"
    KUBERNETES = "an object of Kubernetes"
    UNKNOWN = "nothing that is known here"


def kind_of(document: Any) -> Kind:
    """Return what a document is, by its keys."""
    if not isinstance(document, dict):
        return Kind.UNKNOWN
    keys = set(document)
    if keys >= _OF_KUBERNETES:
        return Kind.KUBERNETES
    if keys & _OF_BUNDLES or (keys == {"sync"} and {"include", "exclude"} & set(document["sync"])):
        return Kind.BUNDLE
    if keys and keys <= _SECTIONS:
        return Kind.SYNC if keys >= _NEEDED else Kind.PART
    return Kind.UNKNOWN


def problems_of_yaml(text: str, folder: Path) -> list[str]:
    """Return what is wrong with a YAML block.

    Args:
        text: the block.
        folder: an empty folder for files that the loader reads.
    """
    problems = []
    for document in yaml.safe_load_all(text):
        kind = kind_of(document)
        if kind is Kind.SYNC:
            problems += _load(folder, text, None)
        elif kind is Kind.PART:
            problems += _load_over_a_sync(folder, text)
        elif kind is Kind.BUNDLE:
            problems += [error.message for error in Draft202012Validator(SCHEMA).iter_errors(document)]
        elif kind is Kind.UNKNOWN:
            problems.append(f"is {kind.value}")
    return problems


def _load(folder: Path, sync: str, environment: str | None) -> list[str]:
    (folder / "syncs").mkdir(exist_ok=True)
    (folder / "environments").mkdir(exist_ok=True)
    file = folder / "syncs" / "page.yml"
    file.write_text(sync, encoding="utf-8")
    if environment is not None:
        (folder / "environments" / "page.yml").write_text(environment, encoding="utf-8")
    try:
        load_config(file, environment=None if environment is None else "page", conf_dir=folder)
    except ConfigurationError as error:
        return [str(problem) for problem in error.problems]
    return []


def _load_over_a_sync(folder: Path, part: str) -> list[str]:
    """Load a part as an environment over each sync of `conf/`; return no problem if one of them takes it."""
    found = [_load(folder, sync.read_text(encoding="utf-8"), part) for sync in SYNCS]
    return [] if [] in found else found[0]
