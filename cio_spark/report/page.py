"""Renders a report as one HTML file that loads nothing else, from an autoescaped template with embedded drawings."""

from __future__ import annotations

from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, FunctionLoader, StrictUndefined

from cio_spark.analysis.table_layout import TABLES, ColumnLayout, millis, moment, number, text, whole
from cio_spark.clock import as_utc
from cio_spark.errors import ConfigurationError
from cio_spark.report.plots import draw_plots
from cio_spark.statuses import ROW_STATES
from cio_spark.version import VERSION

if TYPE_CHECKING:
    from cio_spark.config import SyncConfig
    from cio_spark.report.facts import ReportFacts
    from cio_spark.results import Tables

_SECONDS_BELOW_A_MINUTE = 60
FAILURES: Final = (
    text("run", "run_id"),
    text("record", "record_id"),
    text("status", "status"),
    text("category", "error_category"),
    text("code", "error_code"),
    text("what was said", "error_message"),
    whole("HTTP", "http_status"),
    whole("tries", "attempts"),
    text("batch", "batch_id"),
    moment("at (UTC)", "attempted_at"),
)
FILL: Final = (
    ColumnLayout("of the limit", "tenth", lambda tenth: f"{10 * tenth}–{10 * tenth + 10} %"),
    whole("batches, by records", "by_records"),
    whole("batches, by bytes", "by_bytes"),
)


def timeline_columns(step_seconds: int) -> tuple[ColumnLayout, ...]:
    """Return the columns of the timeline table.

    Args:
        step_seconds: length of a slice of time, in seconds.
    """
    form = "%m-%d %H:%M:%S" if step_seconds < _SECONDS_BELOW_A_MINUTE else "%m-%d %H:%M"
    return (
        moment("from (UTC)", "slice", form),
        whole("batches", "batch_count"),
        whole("accepted", "accepted_records"),
        whole("not accepted", "failed_records"),
        whole("requests", "requests"),
        millis("p50 ms", "request_time_p50_seconds"),
        millis("p95 ms", "request_time_p95_seconds"),
        millis("p99 ms", "request_time_p99_seconds"),
        number("waited s", "throttled_seconds"),
        number("records a batch", "records_per_batch"),
        whole("least limit", "limit_records_least"),
        whole("most", "limit_records_most"),
    )


def write_report(
    tables: Tables, config: SyncConfig, path: Path, *, now: datetime, since: datetime, runs: int = 10
) -> None:
    """Read the facts about a sync and write the page.

    Args:
        tables, config, now, since, runs: see `read_facts`.
        path: the file; its folder is created if it does not exist.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    from cio_spark.report.facts import read_facts  # needs pyspark

    page = render_page(read_facts(tables, config, now=now, since=since, runs=runs))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError.of("--output", f"{path} cannot be written ({error.strerror})") from None


def render_page(facts: ReportFacts) -> str:
    """Render the page as HTML.

    Args:
        facts: facts of the report.
    """
    environment = Environment(
        # Not files of a folder: the package may be a zip file, as `spark-submit --py-files` takes it
        loader=FunctionLoader(lambda name: files("cio_spark.report").joinpath(name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["exactly"] = exactly
    environment.filters["utc"] = lambda value, form="%Y-%m-%d %H:%M:%S": as_utc(value).strftime(form)
    environment.filters["count"] = lambda value: f"{value:,}"
    return environment.get_template("page.html.j2").render(
        facts=facts,
        analysis=facts.analysis,
        findings=facts.findings,
        newest=facts.analysis.run_books[0] if facts.analysis.run_books else None,
        plots=draw_plots(facts),
        tables=TABLES,
        states=ROW_STATES,
        timeline_columns=timeline_columns(facts.timeline.step_seconds),
        fill_columns=FILL,
        failure_columns=FAILURES,
        version=VERSION,
    )


def exactly(value: Any) -> str:
    """Format a value with all its digits, for machines and tests."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return as_utc(value).isoformat()
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, float) else str(value)
