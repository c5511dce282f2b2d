"""Tests that docs/sizing.md has the numbers that the planner computes, and calculates with the measured ones."""

from __future__ import annotations

import re

import pytest
from doc_pages import ROOT
from doc_tables import table_below

from cio_spark.config import BatchConfiguration
from cio_spark.config.calls import Call
from cio_spark.config.sections import DeliverySection
from cio_spark.model import DeliveryPlan, Slots
from cio_spark.planning import count_waves, longest_wave_seconds, plan_delivery
from cio_spark.planning.plan import ASSUMED_REQUEST_SECONDS, RECORDS_PER_SECOND_PER_SLOT

PAGE = (ROOT / "docs" / "sizing.md").read_text(encoding="utf-8")
PERFORMANCE = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
DELIVERIES = table_below(PAGE, "records")
TABLES = table_below(PAGE, "table")
GROWTH = table_below(PAGE, "what is kept")
COMPARISONS = table_below(PAGE, "people")
API_REQUESTS_PER_SECOND = 1000
MILLION = 1_000_000


def number(text: str) -> float:
    """Return the number that a cell begins with; `10 M` is ten million, `1 B` a billion."""
    found = re.match(r"([\d,.]+)(?: (M|B)\b)?", text)
    assert found is not None, text
    return float(found[1].replace(",", "")) * {None: 1, "M": MILLION, "B": 1000 * MILLION}[found[2]]


def plan_of(row: dict[str, str]) -> DeliveryPlan:
    """Return the plan for a row of the page."""
    records = int(number(row["records"]))
    return plan_delivery(
        BatchConfiguration(
            max_batch_size=int(number(row["`max_batch_size`"])),
            parallel_workers=int(number(row["`parallel_workers`"])),
        ),
        Slots(int(number(row["task slots"])), fixed=True),
        records=records,
        payload_bytes=records * int(number(row["bytes a record"])),
        one_item_per_request=Call[row["call"].strip("`").upper()].spec.one_item_per_request,
    )


def duration(seconds: float) -> str:
    """Write a time as the page does, in seconds, minutes or hours."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


@pytest.mark.parametrize("row", DELIVERIES, ids=lambda row: " ".join(row.values()))
def test_a_row_has_what_the_planner_computes(row: dict[str, str]) -> None:
    plan = plan_of(row)
    delivery = DeliverySection()
    waves = count_waves(plan.eta_seconds, longest_wave_seconds(delivery.wave_minutes, delivery.lease_seconds))
    assert row["requests"] == f"{plan.batches:,}"
    assert row["waves"] == f"{waves:,}"
    assert row["expected time"] == duration(plan.eta_seconds)
    assert row["the API's limit alone"] == duration(plan.batches / API_REQUESTS_PER_SECOND)
    assert plan.limited_by.startswith("parallel_workers")


def test_the_table_has_ten_million_and_a_billion_records() -> None:
    assert {number(row["records"]) for row in DELIVERIES} == {10 * MILLION, 1000 * MILLION}


def test_the_page_names_the_assumptions_of_the_planner() -> None:
    assert f"{ASSUMED_REQUEST_SECONDS:g} s a request" in PAGE
    assert f"{RECORDS_PER_SECOND_PER_SLOT:,} records a second" in PAGE


def test_the_time_of_a_full_comparison_is_calculated_from_the_measured_ones() -> None:
    few = re.search(r"With 20,000 people, .*: all compared and nothing changed ([\d.]+) s", PERFORMANCE)
    many = re.search(r"\n\| all compared, nothing changed \| full \|(?: [\d.]+ \|){5} ([\d.]+) ", PERFORMANCE)
    assert few is not None
    assert many is not None
    first, tenth = float(few[1]), float(many[1])
    for row in COMPARISONS:
        rows = number(row["people"]) / MILLION
        seconds = first + (tenth - first) / (10 - 0.02) * (rows - 0.02)
        assert row["on 2 cores"] == duration(seconds)
        assert row["on 20 cores, if they scale"] == duration(seconds / 10)


def test_the_growth_of_the_tables_is_calculated_from_the_measured_bytes_of_a_row() -> None:
    measured = {row["table"].strip("`"): number(row["bytes a row"]) for row in TABLES}
    for row in GROWTH:
        gigabytes = measured[row["in"].strip("`")] * number(row["rows"]) / 1e9
        assert row["GB"] == (f"{gigabytes:,.1f}" if gigabytes < 10 else f"{gigabytes:,.0f}")
