"""Tests widgets and secrets through the `dbutils` that a notebook of Databricks has, with a fake one in its place."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from cio_spark import load_config
from cio_spark.errors import ConfigurationError
from cio_spark.runtime import WidgetSettings, create_widgets, find_api_key, read_widgets, set_task_values

SECRET = "key-in-the-scope"
SYNC = """
sync: {name: orders}
source: {table: shop.orders}
payload: {call: track, record_id: id, user_id: id, event: {value: e}}
api: {secret: {scope: customerio, key: api_key}}
"""


class JavaError(Exception):
    """Stands for the Java exceptions that dbutils raises."""


class FakeDbutils:
    """Imitates what the package uses of `dbutils`, by the names and parameters of Databricks' own."""

    def __init__(self, session: object) -> None:
        self.session = session
        self.values: dict[str, str] = {}
        self.task_values: dict[str, object] = {}
        self.widgets = SimpleNamespace(get=self._widget, text=self._text)
        self.secrets = SimpleNamespace(get=self._secret)
        self.jobs = SimpleNamespace(taskValues=SimpleNamespace(set=self._set))

    def _widget(self, name: str) -> str:
        if name not in self.values:
            raise JavaError(f"InputWidgetNotDefined: {name}")
        return self.values[name]

    def _text(self, name: str, defaultValue: str, label: str | None = None) -> None:  # noqa: ARG002, N803
        self.values[name] = defaultValue

    def _secret(self, scope: str, key: str) -> str:
        if (scope, key) != ("customerio", "api_key"):
            raise JavaError(f"Secret does not exist with scope: {scope} and key: {key}")
        return SECRET

    def _set(self, key: str, value: object) -> None:
        self.task_values[key] = value


@pytest.fixture
def dbutils(monkeypatch: pytest.MonkeyPatch) -> FakeDbutils:
    """Return the fake, which the package finds as on Databricks: by `pyspark.dbutils` and the session."""
    session = object()
    fake = FakeDbutils(session)

    def made_for(given: object) -> FakeDbutils:
        assert given is session
        return fake

    modules: dict[str, Any] = {"pyspark.dbutils": {"DBUtils": made_for}}
    modules["pyspark.sql"] = {"SparkSession": SimpleNamespace(builder=SimpleNamespace(getOrCreate=lambda: session))}
    for name, members in modules.items():
        module = ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "18.1")
    for variable in ("CUSTOMERIO_API_KEY", "CUSTOMERIO_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    return fake


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    (tmp_path / "orders.yml").write_text(SYNC)
    return tmp_path / "orders.yml"


def test_a_notebook_draws_its_widgets_and_reads_what_the_user_says(dbutils: FakeDbutils, conf: Path) -> None:
    create_widgets(database_name="customerio_demo", environment="test")
    assert dbutils.values == {
        "customerio_region": "",
        "database_name": "customerio_demo",
        "catalog_name": "",
        "environment": "test",
    }
    dbutils.values["customerio_region"] = "eu"
    said = read_widgets()
    assert said == WidgetSettings("test", ('api.region="eu"', 'tables.database="customerio_demo"'))
    config = load_config(conf, overrides=said.overrides)
    assert (config.api.region, config.tables.database) == ("eu", "customerio_demo")


def test_a_widget_that_a_job_has_set_keeps_its_value(dbutils: FakeDbutils) -> None:
    dbutils.values["environment"] = "prod"
    create_widgets(environment="test")
    create_widgets(environment="test")
    assert read_widgets().environment == "prod"


def test_a_widget_without_a_setting_is_an_error(dbutils: FakeDbutils) -> None:
    with pytest.raises(ConfigurationError, match="customerio_regoin is no widget: there are customerio_region"):
        create_widgets(customerio_regoin="eu")
    assert dbutils.values == {}


def test_no_widget_is_drawn_outside_of_databricks(dbutils: FakeDbutils, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABRICKS_RUNTIME_VERSION")
    create_widgets(environment="test")
    assert (dbutils.values, read_widgets()) == ({}, WidgetSettings())


@pytest.mark.usefixtures("dbutils")
def test_the_key_comes_from_the_secret_that_the_sync_names_and_prints_as_a_mask(conf: Path) -> None:
    key = find_api_key(load_config(conf))
    assert key.reveal() == SECRET
    assert SECRET not in f"{key} {key!r}"


@pytest.mark.usefixtures("dbutils")
def test_a_secret_that_cannot_be_read_is_a_sentence_that_names_it(conf: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"secret other/api_key cannot be read \(JavaError\)"):
        find_api_key(load_config(conf, overrides=["api.secret={scope: other, key: api_key}"]))


def test_values_for_later_tasks_go_through_dbutils(dbutils: FakeDbutils) -> None:
    set_task_values({"exit_status": 0})
    assert dbutils.task_values == {"exit_status": 0}
