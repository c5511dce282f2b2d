"""Tests that the Databricks bundle is valid against its schema, complete, and laid out by the convention."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / "databricks.yml"
RESOURCES = sorted((ROOT / "resources").glob("*.yml"))
SYNC_JOB = ROOT / "resources" / "sync.job.yml"
KINDS = {"job": "jobs"}
SCHEMA = json.loads((ROOT / "tests" / "data" / "databricks_bundle_schema.json").read_text(encoding="utf-8"))


def read(path: Path) -> dict[str, Any]:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


def problems(document: dict[str, Any]) -> list[str]:
    return [error.message for error in Draft202012Validator(SCHEMA).iter_errors(document)]


def texts(value: Any) -> list[str]:
    """Return all texts in a document, without the keys."""
    if isinstance(value, dict):
        return [text for item in value.values() for text in texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in texts(item)]
    return [value] if isinstance(value, str) else []


def job() -> dict[str, Any]:
    found: dict[str, Any] = read(SYNC_JOB)["resources"]["jobs"]["sync"]
    return found


@pytest.mark.parametrize("path", [BUNDLE, *RESOURCES], ids=lambda path: path.name)
def test_every_file_is_valid_against_the_bundle_schema(path: Path) -> None:
    assert problems(read(path)) == []


@pytest.mark.parametrize(
    ("path", "keys", "value"),
    [
        (BUNDLE, ("targets", "dev", "mod"), "development"),
        (BUNDLE, ("targets", "dev", "mode"), 7),
        (BUNDLE, ("variables", "catalog", "descripton"), "x"),
        (BUNDLE, ("artifacts", "cio_spark", "type"), 3),
        (BUNDLE, ("include",), "resources/*.yml"),
        (SYNC_JOB, ("resources", "jobs", "sync", "max_concurrent_run"), 1),
        (SYNC_JOB, ("resources", "jobs", "sync", "max_concurrent_runs"), "one"),
        (SYNC_JOB, ("resources", "jobs", "sync", "tasks", 0, "spark_python_task", "parameter"), []),
        (SYNC_JOB, ("resources", "jobs", "sync", "job_clusters", 0, "new_cluster", "workers"), 2),
        (SYNC_JOB, ("resources", "job"), {}),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else None,
)
def test_a_broken_key_or_value_makes_it_invalid(path: Path, keys: tuple[Any, ...], value: Any) -> None:
    document = deepcopy(read(path))
    place: Any = document
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    assert problems(document)


def test_every_variable_that_is_used_is_declared_and_every_declared_one_is_used() -> None:
    used = {
        name
        for path in (BUNDLE, *RESOURCES)
        for text in texts(read(path))
        for name in re.findall(r"\$\{var\.(\w+)", text)
    }
    assert used == set(read(BUNDLE)["variables"])


def test_every_variable_has_a_description_and_a_value_in_every_target() -> None:
    bundle = read(BUNDLE)
    assert len(bundle["variables"]) <= 4
    assert all(variable.get("description") for variable in bundle["variables"].values())
    assert set(bundle["targets"]) == {"dev", "staging", "prod"}
    for target in bundle["targets"].values():
        assert set(target["variables"]) == set(bundle["variables"])


def test_dev_is_the_default_development_target_and_prod_is_production() -> None:
    targets = read(BUNDLE)["targets"]
    assert [name for name, target in targets.items() if target.get("default")] == ["dev"]
    assert targets["dev"]["mode"] == "development"
    assert targets["prod"]["mode"] == "production"


def test_the_files_a_target_names_exist() -> None:
    for target in read(BUNDLE)["targets"].values():
        assert (ROOT / "conf" / "environments" / f"{target['variables']['environment']}.yml").is_file()
        assert (ROOT / "conf" / "syncs" / target["variables"]["sync_conf"]).is_file()


def test_the_script_a_task_runs_exists() -> None:
    for task in job()["tasks"]:
        assert (ROOT / "resources" / task["spark_python_task"]["python_file"]).is_file()


@pytest.mark.parametrize("path", RESOURCES, ids=lambda path: path.name)
def test_a_resource_file_holds_the_one_resource_it_is_named_after(path: Path) -> None:
    key, kind, suffix = path.name.split(".")
    assert suffix == "yml"
    document = read(path)
    assert list(document) == ["resources"]
    assert list(document["resources"]) == [KINDS[kind]]
    assert list(document["resources"][KINDS[kind]]) == [key]


def test_the_bundle_includes_all_resource_files() -> None:
    included = {path for pattern in read(BUNDLE)["include"] for path in ROOT.glob(pattern)}
    assert included == set(RESOURCES)


def test_every_task_runs_on_a_job_cluster_that_is_defined() -> None:
    defined = {cluster["job_cluster_key"] for cluster in job()["job_clusters"]}
    assert {task["job_cluster_key"] for task in job()["tasks"]} == defined


def test_the_cluster_keeps_its_size_and_does_not_speculate() -> None:
    for cluster in job()["job_clusters"]:
        assert "autoscale" not in cluster["new_cluster"]
        assert "spark.speculation" not in cluster["new_cluster"].get("spark_conf", {})
