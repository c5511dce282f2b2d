"""Draws the plots of a report from rows of the views; it computes no figure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.ticker import FuncFormatter, MaxNLocator

from cio_spark.clock import as_utc
from cio_spark.report.canvas import FIRST, INK, SECOND, THIRD, Plot, draw

if TYPE_CHECKING:
    from cio_spark.report.facts import ReportFacts
    from cio_spark.report.timeline import Timeline

MOST_BARS: Final = 12
_THOUSANDS = FuncFormatter(lambda value, _: f"{value:,.0f}" if value == int(value) else f"{value:,.2f}")
_LEAST_POINTS = 2


def draw_plots(facts: ReportFacts) -> dict[str, Plot]:
    """Draw every plot that has figures, and return the plots by name.

    Args:
        facts: facts of the report.
    """
    analysis = facts.analysis
    plots: dict[str, Plot] = {}
    if facts.timeline.rows:
        plots["timeline"] = over_time(facts.timeline)
    if len(analysis.hourly_trends) >= _LEAST_POINTS:
        plots["hours"] = by_hour(analysis.hourly_trends)
    if analysis.performance_by_operation:
        plots["operations"] = by_operation(analysis.performance_by_operation)
    if analysis.error_categories:
        plots["errors"] = by_reason(analysis.error_categories)
    if facts.fill:
        plots["fill"] = by_fill(facts.fill)
    if analysis.run_performance:
        plots["time"] = where_time_went(analysis.run_performance)
    return plots


def over_time(timeline: Timeline) -> Plot:
    """Draw throughput, request times, and batch sizes with the limits of their strategy, over time."""
    rows = timeline.rows
    times = [as_utc(row["slice"]) for row in rows]
    fullest = max(rows, key=lambda row: row["accepted_records"])
    slowest = max(rows, key=lambda row: row["request_time_p95_seconds"] or 0.0)
    description = (
        f"{len(rows)} slices of {timeline.step_seconds} s from {times[0]:%Y-%m-%d %H:%M:%S} UTC. The fullest has "
        f"{fullest['accepted_records']:,} accepted records, the slowest a 95th percentile of request times of "
        f"{1000 * (slowest['request_time_p95_seconds'] or 0.0):,.1f} ms. The table below has every figure."
    )

    def paint(axes: Sequence[Axes]) -> None:
        above, below, sizes = axes
        accepted, step = [row["accepted_records"] for row in rows], timedelta(seconds=timeline.step_seconds)
        above.bar(times, accepted, width=step, align="edge", color=FIRST, linewidth=0)  # type: ignore[arg-type]
        above.set_title(f"accepted records in each {timeline.step_seconds} s")
        for name, colour, dashes in (("p50", FIRST, "-"), ("p95", SECOND, "--"), ("p99", THIRD, ":")):
            seconds = [row[f"request_time_{name}_seconds"] for row in rows]
            _line(below, times, [None if value is None else 1000 * value for value in seconds], colour, dashes, name)
        below.set_title("time of a request, ms")
        below.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        _line(sizes, times, [row["records_per_batch"] for row in rows], FIRST, "-", "mean")
        for name, colour, dashes in (("least", SECOND, "--"), ("most", THIRD, ":")):
            _line(sizes, times, [row[f"limit_records_{name}"] for row in rows], colour, dashes, f"{name} limit")
        sizes.set_title("records in a batch")
        sizes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        _date_axis(axes)

    return draw("Throughput, request times and batch sizes over time", description, paint, rows=3, height=6.0)


def by_hour(rows: Sequence[Any]) -> Plot:
    """Draw the throughput by hour."""
    description = f"{len(rows)} hours with batches; the table by hour has every figure."

    def paint(axes: Sequence[Axes]) -> None:
        _line(
            axes[0], [as_utc(row["hour"]) for row in rows], [row["records_per_second"] for row in rows], FIRST, "-", ""
        )
        axes[0].set_title("accepted records per second, by hour")
        _date_axis(axes)

    return draw("Throughput by hour", description, paint, height=2.2)


def by_operation(rows: Sequence[Any]) -> Plot:
    """Draw accepted and other records by operation type and status of the batches."""
    said = [
        f"{row['operation_type']}, batches {row['status']}: {row['accepted_records']:,} of "
        f"{row['total_records']:,} records accepted"
        for row in rows
    ]
    labels = [f"{row['operation_type']}\nbatches {row['status']}" for row in rows]
    parts = {
        "accepted": [row["accepted_records"] for row in rows],
        "not accepted": [row["failed_records"] for row in rows],
    }
    return _bars("Records by operation type and batch status", "; ".join(said), labels, parts)


def by_reason(rows: Sequence[Any]) -> Plot:
    """Draw the records that were not accepted, by run and reason."""
    shown = rows[:MOST_BARS]
    labels = [f"{row['error_code'] or row['status']}\n{row['run_id'][-8:]}" for row in shown]
    said = [f"{row['error_code'] or row['status']} in run {row['run_id']}: {row['records']:,}" for row in shown]
    return _bars(
        "Records not accepted, by run and reason", "; ".join(said), labels, {"": [r["records"] for r in shown]}
    )


def by_fill(rows: Sequence[Any]) -> Plot:
    """Draw the number of batches by how full they were."""
    tenths = [row["tenth"] for row in rows]
    said = [
        f"{10 * row['tenth']} to {10 * row['tenth'] + 10} %: {row['by_records']:,} batches by records, "
        f"{row['by_bytes']:,} by bytes"
        for row in rows
    ]

    def paint(axes: Sequence[Axes]) -> None:
        for offset, name, colour, hatch in ((-2.2, "by_records", FIRST, None), (2.2, "by_bytes", SECOND, "///")):
            places = [10 * tenth + 5 + offset for tenth in tenths]
            label = name.replace("_", " ")
            counts = [row[name] for row in rows]
            axes[0].bar(places, counts, width=4, color=colour, hatch=hatch, edgecolor=INK, linewidth=0, label=label)
        axes[0].set(xlim=(0, 100), xlabel="% of the limit", xticks=range(0, 101, 10))
        axes[0].grid(visible=False, axis="x")
        axes[0].yaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes[0].yaxis.set_major_formatter(_THOUSANDS)
        axes[0].set_title("batches")
        axes[0].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))

    return draw("How full the batches were", "; ".join(said), paint, height=2.4)


def where_time_went(rows: Sequence[Any]) -> Plot:
    """Draw the seconds that the lanes spent in requests and waiting, by run."""
    shown = rows[:MOST_BARS]
    said = [
        f"run {row['run_id']}: {row['request_seconds']:,.1f} s in requests, {row['throttled_seconds']:,.1f} s waiting"
        for row in shown
    ]
    parts = {
        "in requests": [row["request_seconds"] for row in shown],
        "waiting (rate limit, retries)": [row["throttled_seconds"] for row in shown],
    }
    title = "Seconds of all lanes, by run"
    return _bars(title, "; ".join(said), [row["run_id"][-8:] for row in shown], parts)


def _line(axes: Axes, times: Sequence[Any], values: Sequence[Any], colour: str, dashes: str, label: str) -> None:
    marker = "o" if len(times) < MOST_BARS else None
    heights = [float("nan") if value is None else value for value in values]
    axes.plot(times, heights, color=colour, linestyle=dashes, linewidth=1.8, marker=marker, markersize=4, label=label)


def _date_axis(axes: Sequence[Axes]) -> None:
    """Label the lowest axes with times and let every y axis begin at zero; call it after all lines are drawn."""
    locator = AutoDateLocator(minticks=2, maxticks=8)  # type: ignore[no-untyped-call]  # no stubs
    axes[-1].xaxis.set_major_locator(locator)
    axes[-1].xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    for each in axes:
        each.set_ylim(bottom=0)
        each.yaxis.set_major_locator(MaxNLocator(5))
        each.yaxis.set_major_formatter(_THOUSANDS)


def _bars(title: str, description: str, labels: Sequence[str], parts: dict[str, list[Any]]) -> Plot:
    """Draw horizontal stacked bars, with the first row on top."""

    def paint(axes: Sequence[Axes]) -> None:
        places = range(len(labels))
        lefts = [0.0] * len(labels)
        for (name, values), colour, hatch in zip(parts.items(), (FIRST, SECOND), (None, "///"), strict=False):
            style: dict[str, Any] = {"color": colour, "hatch": hatch, "edgecolor": INK, "linewidth": 0, "height": 0.6}
            axes[0].barh(places, values, left=lefts, label=name, **style)
            lefts = [left + value for left, value in zip(lefts, values, strict=True)]
        axes[0].set_yticks(places, labels)
        axes[0].invert_yaxis()
        axes[0].set_xlim(left=0)
        axes[0].grid(visible=False, axis="y")
        axes[0].xaxis.set_major_locator(MaxNLocator(6))
        axes[0].xaxis.set_major_formatter(_THOUSANDS)
        if any(parts):
            axes[0].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))

    return draw(title, description, paint, height=0.9 + 0.42 * len(labels))
