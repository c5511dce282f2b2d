"""Tests the widgets of a Databricks notebook as settings, with a fake dbutils."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from cio_spark import load_config
from cio_spark.cli.selection import Selection
from cio_spark.errors import ConfigurationError
from cio_spark.runtime import WidgetSettings, databricks, read_parameters, read_widgets

SYNC = """
sync: {name: orders}
source: {table: shop.orders}
payload: {call: track, record_id: id, user_id: id, event: {value: e}}
api: {region: us}
tables: {catalog: of_the_file, database: of_the_file}
"""
ENVIRONMENTS = {
    "stage": "batch: {parallel_workers: 2}\ntables: {database: of_stage}",
    "prod": "batch: {parallel_workers: 3}",
}
ALL = {"customerio_region": "eu", "database_name": "crm", "catalog_name": "main", "environment": "stage"}


class NoSuchWidgetError(Exception):
    """Stands for the Java exception that dbutils raises for a widget that nobody made."""


class FakeWidgets:
    """Imitates `dbutils.widgets`."""

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values

    def get(self, name: str) -> str:
        if name not in self._values:
            raise NoSuchWidgetError(name)
        return self._values[name]


def widgets(monkeypatch: pytest.MonkeyPatch, values: dict[str, str], *, on_databricks: bool = True) -> None:
    monkeypatch.setattr(databricks, "_dbutils", lambda: SimpleNamespace(widgets=FakeWidgets(values)))
    if on_databricks:
        monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "18.1")


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("DATABRICKS_RUNTIME_VERSION", "CUSTOMERIO_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    (tmp_path / "syncs").mkdir()
    (tmp_path / "environments").mkdir()
    for name, text in ENVIRONMENTS.items():
        (tmp_path / "environments" / f"{name}.yml").write_text(text)
    file = tmp_path / "syncs" / "orders.yml"
    file.write_text(SYNC)
    return file


def test_widgets_win_over_both_files(monkeypatch: pytest.MonkeyPatch, conf: Path) -> None:
    widgets(monkeypatch, ALL)
    (config,) = Selection([conf]).load()
    assert config.api.region == "eu"
    assert (config.tables.catalog, config.tables.database) == ("main", "crm")
    assert config.batch.parallel_workers == 2


def test_what_is_said_to_the_command_wins_over_widgets(monkeypatch: pytest.MonkeyPatch, conf: Path) -> None:
    widgets(monkeypatch, ALL)
    monkeypatch.setenv("CUSTOMERIO_BASE_URL", "http://127.0.0.1:8087/v1")
    (config,) = Selection([conf], "prod", ["tables.database=said", "api.region=us"]).load()
    assert config.api.region == "us"
    assert config.api.url == "http://127.0.0.1:8087/v1"
    assert (config.tables.catalog, config.tables.database) == ("main", "said")
    assert config.batch.parallel_workers == 3


@pytest.mark.parametrize("values", [{}, dict.fromkeys(ALL, ""), dict.fromkeys(ALL, "  ")])
def test_a_widget_that_is_missing_or_blank_says_nothing(
    monkeypatch: pytest.MonkeyPatch, conf: Path, values: dict[str, str]
) -> None:
    widgets(monkeypatch, values)
    assert read_widgets() == WidgetSettings()
    (config,) = Selection([conf]).load()
    assert (config.api.region, config.tables.catalog, config.tables.database) == ("us", "of_the_file", "of_the_file")


def test_a_widgets_text_stays_text_whatever_it_looks_like(monkeypatch: pytest.MonkeyPatch, conf: Path) -> None:
    widgets(monkeypatch, {"database_name": "2026", "catalog_name": "on"})
    said = read_widgets()
    config = load_config(conf, environment=said.environment, overrides=said.overrides)
    assert (config.tables.catalog, config.tables.database) == ("on", "2026")


def test_outside_of_databricks_no_widget_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    widgets(monkeypatch, ALL, on_databricks=False)
    assert read_widgets() == WidgetSettings()


def test_a_jobs_parameters_are_settings_too_and_blank_ones_are_none() -> None:
    texts = ["customerio_region=eu", "catalog_name=", "database_name= 2026 ", "environment=stage"]
    assert read_parameters(texts) == WidgetSettings("stage", ('api.region="eu"', 'tables.database="2026"'))
    assert read_parameters([f"{name}=" for name in ALL]) == WidgetSettings()


def test_parameters_win_over_widgets_and_options_win_over_parameters(
    monkeypatch: pytest.MonkeyPatch, conf: Path
) -> None:
    widgets(monkeypatch, ALL)
    parameters = ["environment=prod", "catalog_name=of_the_job", "database_name=of_the_job"]
    (config,) = Selection([conf], None, ["tables.database=said"], parameters=parameters).load()
    assert (config.tables.catalog, config.tables.database) == ("of_the_job", "said")
    assert (config.api.region, config.batch.parallel_workers) == ("eu", 3)


@pytest.mark.parametrize("text", ["catalog=main", "catalog_name", "=main"])
def test_a_parameter_of_another_name_or_form_is_a_problem(text: str) -> None:
    with pytest.raises(ConfigurationError, match="customerio_region, database_name, catalog_name, environment"):
        read_parameters([text])


@pytest.mark.parametrize("texts", [["catalog_name=main", "catalog_name="], ["catalog_name= ", "catalog_name = main"]])
def test_a_blank_parameter_says_nothing_wherever_it_stands(texts: list[str]) -> None:
    assert read_parameters(texts) == WidgetSettings(None, ('tables.catalog="main"',))
    assert read_parameters([*texts, "catalog_name=main"]) == WidgetSettings(None, ('tables.catalog="main"',))


def test_a_parameter_with_two_values_is_a_problem() -> None:
    with pytest.raises(ConfigurationError, match="has two values for catalog_name"):
        read_parameters(["catalog_name=main", "catalog_name=", "catalog_name=other"])
