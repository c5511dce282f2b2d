"""Renders the result of a run and the preview of a run as HTML for notebooks: counts and codes, never values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Final

from cio_spark.counts import Books, Reason, StateCounts
from cio_spark.coverage import ScopeChoice
from cio_spark.errors import ExitStatus

_ALWAYS_SHOWN: Final = frozenset({"accepted", "unchanged"})
_PLANNED: Final = ("source_rows", "new", "changed", "again", "unchanged", "changed_ignored", "held", "superseded")


def render_run(
    title: str,
    books: Books,
    *,
    exit_status: ExitStatus,
    message: str,
    next_step: str,
    seconds: float,
    delivery_seconds: float,
    scope: ScopeChoice | None,
    notes: Sequence[str],
) -> str:
    """Render what became of a run.

    Args:
        title: names the run.
        books: all counts.
        exit_status: status that a command ends with.
        message: sentence about the end of the run.
        next_step: what to do now; empty if that was not decided.
        seconds, delivery_seconds: seconds of the whole run, and of its sending.
        scope: what the run looked at; None for a replay.
        notes: why the run wrote other bytes than the last run.
    """
    delivery = books.delivery
    states = [(name, count) for name, count in books.by_state.items() if count or name in _ALWAYS_SHOWN]
    rows: list[tuple[str, object]] = [("source rows", books.survey.source_rows), *states]
    if books.survey.gone:
        rows.append(("gone from the source", books.survey.gone))
    rows.append(("books", "balanced" if books.balanced else f"{books.accounted:,} accounted for: not balanced"))
    speed: list[tuple[str, object]] = [("requests", delivery.requests), ("retries", delivery.retries)]
    if delivery.bytes:
        speed.append(("MB", delivery.bytes / 1e6))
    if delivery_seconds:
        speed.append(("records accepted per second", delivery.accepted / delivery_seconds))
    speed.append(("seconds", seconds))
    return _page(
        title,
        [
            f"<b>exit status {int(exit_status)}</b>: {escape(message)}",
            *([f"<b>next</b>: {escape(next_step)}"] if next_step else []),
            *_sentences(scope, notes),
        ],
        [_table(("what became of the rows", "rows"), rows), _table(("speed", ""), speed), _errors(delivery.reasons)],
    )


def render_preview(
    source: str,
    counts: StateCounts,
    plan: Mapping[str, object],
    *,
    reasons: Sequence[Reason],
    scope: ScopeChoice | None,
    notes: Sequence[str],
) -> str:
    """Render what a run would do.

    Args:
        source: what was read.
        counts: rows by state.
        plan: facts of the plan by their labels.
        reasons: why records are invalid.
        scope: what the run would look at.
        notes: why the run would write other bytes than the last run.
    """
    rows: list[tuple[str, object]] = [(name.replace("_", " "), getattr(counts, name)) for name in _PLANNED]
    rows.append(("invalid", counts.invalid or 0))
    return _page(
        "plan, nothing is sent",
        [f"<b>source</b>: {escape(source)}", *_sentences(scope, notes)],
        [_table(("rows", ""), rows), _table(("delivery", ""), plan.items()), _errors(reasons)],
    )


def _sentences(scope: ScopeChoice | None, notes: Sequence[str]) -> list[str]:
    said = [] if scope is None else [f"<b>scope {escape(scope.scope.value)}</b>: {escape(scope.reason)}"]
    return [*said, *(f"<b>note</b>: {escape(note)}" for note in notes)]


def _errors(reasons: Sequence[Reason]) -> str:
    """Render why records were not accepted; the API's own text is left out, for it may echo what was sent."""
    if not reasons:
        return ""
    rows = [
        (
            reason.status,
            reason.code,
            reason.message or ("" if reason.http_status is None else f"HTTP {reason.http_status}"),
            reason.records,
        )
        for reason in reasons
    ]
    return _table(("not accepted", "code", "why", "records"), rows)


def _page(title: str, sentences: Iterable[str], tables: Iterable[str]) -> str:
    said = "".join(f"<div>{sentence}</div>" for sentence in sentences)
    side_by_side = "".join(f'<div style="margin:0.5em 2em 0.5em 0">{table}</div>' for table in tables if table)
    return (
        f'<div style="font-family:sans-serif;font-size:13px"><h4 style="margin:0.3em 0">{escape(title)}</h4>{said}'
        f'<div style="display:flex;flex-wrap:wrap;align-items:flex-start">{side_by_side}</div></div>'
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Render a table whose numbers are aligned to the right."""
    head = "".join(f'<th style="text-align:left">{escape(name)}</th>' for name in heads)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: object) -> str:
    if isinstance(value, int | float):
        number = f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"
        return f'<td style="text-align:right">{number}</td>'
    return f'<td style="text-align:left">{escape(str(value))}</td>'
