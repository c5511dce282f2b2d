"""Tests that the widgets of the dashboard name datasets and columns that exist, and lie beside each other.

tests/spark/test_shipped_files.py runs the SQL of the datasets.
"""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
from bundle import load_bundle
from dashboard import COLUMNS_OF_A_PAGE, dashboard, dataset_queries, encoded_fields, widget_fields

from cio_spark.analysis.figures import BOOKS
from cio_spark.analysis.view_queries import VIEWS
from cio_spark.model import OWN_MESSAGE_SQL
from cio_spark.results.views import STATE_VIEWS
from cio_spark.schemas import RECORD_KEY_SQL, TABLES

LAYOUT: list[dict[str, Any]] = dashboard()["pages"][0]["layout"]
WIDGETS = [item["widget"] for item in LAYOUT]
each_widget = pytest.mark.parametrize("widget", WIDGETS, ids=lambda widget: str(widget["name"]))


def test_the_dashboard_deployed_is_this_one_and_reads_the_schema_of_the_tables() -> None:
    deployed = load_bundle("prod")["resources"]["dashboards"]["overview"]
    assert deployed["file_path"] == "../dashboards/overview.lvdash.json"
    assert (deployed["dataset_catalog"], deployed["dataset_schema"]) == ("main", "customerio")
    assert deployed["embed_credentials"] is False


def test_every_dataset_is_shown_and_every_widget_has_its_dataset() -> None:
    shown = {query["query"]["datasetName"] for widget in WIDGETS for query in widget["queries"]}
    assert shown == set(dataset_queries())


def test_books_throughput_errors_freshness_and_alerts_are_shown() -> None:
    assert {"books", "throughput", "errors", "freshness", "alerts"} <= set(dataset_queries())


def test_queries_name_tables_and_views_of_ours_without_a_schema_so_that_they_work_in_any() -> None:
    tables = {name for query in dataset_queries().values() for name in re.findall(r"FROM\s+([\w.]+)", query)}
    assert tables == {"run_books", "hourly_trends", "record_status", "sync_run_state", "alert_state"}
    assert tables <= {*TABLES, *STATE_VIEWS, *VIEWS}


def test_a_record_counts_once_among_the_errors_and_what_the_api_said_of_it_is_not_shown() -> None:
    query = re.sub(r"\s+", " ", dataset_queries()["errors"])
    assert f"GROUP BY sync, {RECORD_KEY_SQL}" in query
    assert f"{OWN_MESSAGE_SQL} AS message" in query
    assert query.count("error_message") == 1


def test_replays_and_limited_runs_are_no_newest_run_and_the_error_rate_has_invalid_records() -> None:
    queries = dataset_queries()
    for name in ("newest", "freshness"):
        assert "WHERE kind = 'sync'" in queries[name]
    assert "run_error_rate_percent" in queries["error_rates"]
    assert "invalid" in BOOKS["run_error_rate_percent"].sql


@each_widget
def test_a_widget_shows_only_fields_that_it_asks_for(widget: dict[str, Any]) -> None:
    asked = {field["name"] for query in widget["queries"] for field in query["query"]["fields"]}
    assert encoded_fields(widget) == asked


@each_widget
def test_a_widget_is_of_a_kind_and_version_that_dashboards_have(widget: dict[str, Any]) -> None:
    versions = {"counter": 2, "table": 2, "bar": 3, "line": 3}
    assert widget["spec"]["version"] == versions[widget["spec"]["widgetType"]]
    assert widget["spec"]["frame"]["title"]
    assert widget_fields(widget)


def test_widgets_have_names_of_their_own_and_do_not_overlap() -> None:
    assert len({widget["name"] for widget in WIDGETS}) == len(WIDGETS)
    covered: list[tuple[int, int]] = []
    for item in LAYOUT:
        place = item["position"]
        assert place["x"] + place["width"] <= COLUMNS_OF_A_PAGE
        rows = range(place["y"], place["y"] + place["height"])
        covered += itertools.product(range(place["x"], place["x"] + place["width"]), rows)
    assert len(covered) == len(set(covered))
