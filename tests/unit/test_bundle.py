"""Tests that the Databricks bundle is valid against its schema, complete, and laid out by the convention."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from bundle import BUNDLE, RESOURCES, ROOT, TARGETS, USER, load_bundle, read, shipped_files, texts
from jsonschema import Draft202012Validator

KINDS = {"job": "jobs", "schema": "schemas", "volume": "volumes", "dashboard": "dashboards", "alert": "alerts"}
SCHEMA = json.loads((ROOT / "tests" / "data" / "databricks_bundle_schema.json").read_text(encoding="utf-8"))
SYNC_JOB, ALERT = ROOT / "resources" / "sync.job.yml", ROOT / "resources" / "open_alerts.alert.yml"
SCHEMA_FILE = ROOT / "resources" / "customerio.schema.yml"
BASES = {"schemas": SCHEMA_FILE, "volumes": ROOT / "resources" / "files.volume.yml"}
THE_FOUR = ["catalog", "source_tables", "notify", "service_principal"]


def problems(document: dict[str, Any]) -> list[str]:
    return [error.message for error in Draft202012Validator(SCHEMA).iter_errors(document)]


@pytest.mark.parametrize("path", [BUNDLE, *RESOURCES], ids=lambda path: path.name)
def test_every_file_is_valid_against_the_bundle_schema(path: Path) -> None:
    assert problems(read(path)) == []


@pytest.mark.parametrize("target", TARGETS)
def test_each_target_is_valid_once_all_references_are_resolved(target: str) -> None:
    bundle = load_bundle(target)
    assert not [text for text in texts(bundle) if "${" in text]
    assert problems(bundle) == []


@pytest.mark.parametrize(
    ("path", "keys", "value"),
    [
        (BUNDLE, ("targets", "dev", "mod"), "development"),
        (BUNDLE, ("targets", "dev", "mode"), 7),
        (BUNDLE, ("targets", "prod", "permissions", 0, "level"), "CAN_DO"),
        (BUNDLE, ("variables", "catalog", "descripton"), "x"),
        (BUNDLE, ("artifacts", "cio_spark", "type"), 3),
        (BUNDLE, ("include",), "resources/*.yml"),
        (BUNDLE, ("sync", "path"), ["conf"]),
        (SYNC_JOB, ("resources", "jobs", "sync", "max_concurrent_run"), 1),
        (SYNC_JOB, ("resources", "jobs", "sync", "max_concurrent_runs"), "one"),
        (SYNC_JOB, ("resources", "jobs", "sync", "tasks", 0, "spark_python_task", "parameter"), []),
        (SYNC_JOB, ("resources", "jobs", "sync", "tasks", 1, "run_if"), "ALWAYS"),
        (SYNC_JOB, ("resources", "jobs", "sync", "tasks", 2, "condition_task", "op"), "EQUALS"),
        (SYNC_JOB, ("resources", "jobs", "sync", "job_clusters", 0, "new_cluster"), 2),
        (SYNC_JOB, ("resources", "job"), {}),
        (SCHEMA_FILE, ("resources", "schemas", "customerio", "catalog"), "main"),
        (ALERT, ("resources", "alerts", "open_alerts", "evaluation", "comparison_operator"), "ABOVE"),
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


def test_the_main_file_holds_the_frame_only() -> None:
    assert set(read(BUNDLE)) == {"bundle", "include", "artifacts", "sync", "variables", "targets"}
    assert {path for pattern in read(BUNDLE)["include"] for path in ROOT.glob(pattern)} == set(RESOURCES)


@pytest.mark.parametrize("path", RESOURCES, ids=lambda path: path.name)
def test_a_resource_file_holds_the_one_resource_it_is_named_after(path: Path) -> None:
    key, kind, suffix = path.name.split(".")
    assert suffix == "yml"
    document = read(path)
    assert list(document) == ["resources"]
    assert list(document["resources"]) == [KINDS[kind]]
    assert list(document["resources"][KINDS[kind]]) == [key]


def test_every_variable_is_described_used_and_has_a_value_and_the_four_to_edit_come_first() -> None:
    variables = read(BUNDLE)["variables"]
    assert list(variables)[:4] == THE_FOUR
    assert all(variable["description"] for variable in variables.values())
    assert all("default" in variable or "lookup" in variable for variable in variables.values())
    everything = "".join(path.read_text(encoding="utf-8") for path in (BUNDLE, *RESOURCES))
    assert [name for name in variables if f"${{var.{name}}}" not in everything] == []
    for target in read(BUNDLE)["targets"].values():
        assert set(target.get("variables", {})) <= set(variables)
        # What is edited at the top must count: no target may have a value of its own for it
        assert set(target.get("variables", {})) & {"catalog", "source_tables", "service_principal"} == set()


def test_dev_is_the_default_and_needs_no_service_principal() -> None:
    targets = read(BUNDLE)["targets"]
    assert [name for name, target in targets.items() if target.get("default")] == ["dev"]
    assert {name: target["mode"] for name, target in targets.items()} == {
        "dev": "development",
        "staging": "production",
        "prod": "production",
    }
    principal = read(BUNDLE)["variables"]["service_principal"]["default"]
    dev = load_bundle("dev")
    assert not [text for text in texts(dev) if principal in text]
    assert not {"run_as", "permissions", "workspace"} & set(dev)
    assert dev["resources"]["jobs"]["sync"]["email_notifications"]["on_failure"] == [USER]


@pytest.mark.parametrize("target", ["staging", "prod"])
def test_staging_and_prod_belong_to_the_service_principal(target: str) -> None:
    bundle, principal = load_bundle(target), read(BUNDLE)["variables"]["service_principal"]["default"]
    assert bundle["workspace"]["root_path"] == f"/Workspace/Users/{principal}/.bundle/cio_spark/{target}"
    assert bundle["run_as"] == {"service_principal_name": principal}
    assert {"service_principal_name": principal, "level": "CAN_MANAGE"} in bundle["permissions"]
    assert "users" not in [permission.get("group_name") for permission in bundle["permissions"]]
    for kind, key in (("schemas", "customerio"), ("volumes", "files")):
        assert bundle["resources"][kind][key]["lifecycle"] == {"prevent_destroy": True}
        base, own = read(BASES[kind])["resources"][kind][key], read(BUNDLE)["targets"][target]["resources"][kind][key]
        assert {name: own[name] for name in set(own) - {"lifecycle", "grants"}} == {
            name: value for name, value in base.items() if name != "comment"
        }
    (grant,) = bundle["resources"]["schemas"]["customerio"]["grants"]
    assert grant["principal"] == principal
    assert {"USE_SCHEMA", "CREATE_TABLE", "SELECT", "MODIFY", "WRITE_VOLUME"} <= set(grant["privileges"])


def test_nothing_runs_by_itself_in_dev_whatever_is_said_at_the_top() -> None:
    said = read(BUNDLE)["targets"]["dev"]["variables"]
    assert {key: said[key] for key in ("hourly_sync", "table_trigger", "schedules")} == dict.fromkeys(
        ("hourly_sync", "table_trigger", "schedules"), "PAUSED"
    )
    assert unpaused("dev") == set()
    assert unpaused("prod") == set()


def unpaused(target: str, **variables: str) -> set[str]:
    """Return the jobs and alerts that start by themselves."""
    resources = load_bundle(target, **variables)["resources"]
    starts = {key: job.get("schedule") or job.get("trigger") for key, job in resources["jobs"].items()}
    starts |= {key: alert["schedule"] for key, alert in resources["alerts"].items()}
    assert len([start for start in starts.values() if start is not None]) == 5
    return {key for key, start in starts.items() if start is not None and start["pause_status"] != "PAUSED"}


def test_how_a_sync_starts_and_whether_somebody_looks_after_it_are_chosen_apart() -> None:
    assert unpaused("prod", hourly_sync="UNPAUSED") == {"sync"}
    assert unpaused("prod", table_trigger="UNPAUSED") == {"sync_serverless"}
    assert unpaused("prod", schedules="UNPAUSED") == {"monitor", "maintain", "open_alerts"}


@pytest.mark.parametrize("target", TARGETS)
def test_each_target_has_its_environment_with_a_secret_of_its_own(target: str) -> None:
    def secret(name: str) -> dict[str, str]:
        found: dict[str, str] = read(ROOT / "conf" / "environments" / f"{name}.yml")["api"]["secret"]
        return found

    parameters = load_bundle(target)["resources"]["jobs"]["sync"]["parameters"]
    (environment,) = (item["default"] for item in parameters if item["name"] == "environment")
    assert environment == target
    assert [name for name in TARGETS if secret(name) == secret(target)] == [target]


def test_only_configuration_and_scripts_ship_beside_the_wheel() -> None:
    shipped = shipped_files()
    assert {name.split("/")[0] for name in shipped} == {"conf", "jobs"}
    assert "conf/syncs/orders.yml" in shipped
    assert "jobs/sync.py" in shipped
    assert "conf/schema.json" not in shipped
    assert len(shipped) < 20
    assert not [name for name in shipped if (ROOT / name).stat().st_size > 5_000]
