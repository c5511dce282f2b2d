"""Shows on a terminal what is known about one record or person; values are masked unless the user asks for them."""

from __future__ import annotations

import json
from datetime import datetime

from rich.console import Console
from rich.markup import escape

from cio_spark.cli.render.masking import mask_payload
from cio_spark.clock import as_utc
from cio_spark.config import SyncConfig
from cio_spark.explain import Attempt, Explanation, SourceRecord
from cio_spark.explain.explanation import ACCEPTED_MEANS, NEXT

RECORDS_SHOWN = 3
ATTEMPTS_SHOWN = 50
NOTHING = "–"


def show_explanation(console: Console, explanation: Explanation, config: SyncConfig, *, show_values: bool) -> None:
    """Print everything that is known about a record or person, from the source to the dead letters.

    If nothing is known, one sentence says so.

    Args:
        console: the console to print on.
        explanation: what is known about the record or person.
        config: configuration of the sync.
        show_values: whether payloads and ids of persons are shown with their values.
    """
    subject, found = explanation.subject, explanation.in_source
    if not explanation.is_known:
        console.print(_nobody_knows(explanation, config), markup=False, soft_wrap=True)
        return
    console.print(f"[bold]{escape(str(subject))} of sync {escape(explanation.sync)}[/bold]", soft_wrap=True)
    console.print(escape(_where(explanation)), soft_wrap=True)
    for record in found.records[:RECORDS_SHOWN]:
        _show_record(console, record, show_values=show_values)
    if len(found.records) > RECORDS_SHOWN:
        console.print(f"… and {len(found.records) - RECORDS_SHOWN:,} more records; --record ID shows one of them")
    _show_last(console, explanation)
    _show_attempts(console, explanation)
    _show_letters(console, explanation, show_values=show_values)
    if any(attempt.status == "accepted" for attempt in explanation.attempts):
        console.print(ACCEPTED_MEANS, markup=False)


def _nobody_knows(explanation: Explanation, config: SyncConfig) -> str:
    found = explanation.in_source
    place = f"{found.source} could not be read ({found.trouble})" if found.trouble else f"it is not in {found.source}"
    hint = ""
    if explanation.subject.kind == "record" and len(config.payload.record_id_columns) > 1:
        hint = '; ids of several columns are JSON arrays, such as ["1","2"]'
    return f"nobody knows {explanation.subject} of sync {explanation.sync}: {place}, and no run has seen it{hint}"


def _where(explanation: Explanation) -> str:
    found = explanation.in_source
    if found.trouble:
        return f"source: {found.source} could not be read: {found.trouble}"
    if found.rows:
        older = found.rows - len(found.records)
        more = f", {older:,} of them older duplicates that are never sent" if older else ""
        return f"source: {found.source} has {_rows(found.rows)}{more}"
    if found.left_out:
        return f"source: {found.source} has {_rows(found.left_out)} that source.where leaves out, and no other"
    return f"source: not in {found.source} (any more)"


def _rows(count: int) -> str:
    return f"{count:,} {'row' if count == 1 else 'rows'}"


def _show_record(console: Console, record: SourceRecord, *, show_values: bool) -> None:
    name = "a row without a record id" if record.record_id is None else f"record {record.record_id}"
    console.print(f"[bold]{escape(name)}[/bold]: {escape(NEXT[record.state])}", soft_wrap=True)
    if record.error_code is None:
        console.print("  validation: valid")
    else:
        console.print(f"  validation: [red]{record.error_code}[/red]: {escape(record.error_message or '')}")
    who = _person(record.person_key, show_values=show_values)
    when = "" if record.occurred_at is None else f", at {_moment(record.occurred_at)}"
    console.print(f"  {escape(who)}{when}", soft_wrap=True)
    _show_payload(console, record.payload, show_values=show_values)


def _person(key: str | None, *, show_values: bool) -> str:
    """Return a phrase for the person of a record; the id is masked like any value, as it is often an email address."""
    if key is None:
        return "about nobody"
    return f"person {key}" if show_values else f"person <text, {len(key)} characters>"


def _show_payload(console: Console, payload: str, *, show_values: bool) -> None:
    shown = json.dumps(json.loads(payload), indent=2, ensure_ascii=False) if show_values else mask_payload(payload)
    console.print(shown, markup=False, highlight=False, soft_wrap=True)
    if not show_values:
        console.print("[dim]  (--show-values shows the values)[/dim]")


def _show_last(console: Console, explanation: Explanation) -> None:
    if not explanation.attempts:
        console.print("no run has tried it yet")
        return
    if explanation.subject.kind == "person":
        return
    last = explanation.attempts[0]
    console.print(f"state: {last.status}, since run {last.run_id}")


def _show_attempts(console: Console, explanation: Explanation) -> None:
    attempts = explanation.attempts
    if not attempts:
        return
    shown = attempts[:ATTEMPTS_SHOWN]
    least = "more than " if explanation.has_more else ""
    of_all = "" if len(shown) == len(attempts) else f" (the newest {len(shown)} of {least}{len(attempts):,})"
    console.print(f"[bold]what runs did with it, newest first{of_all}[/bold]")
    for attempt in shown:
        _show_attempt(console, attempt, of_person=explanation.subject.kind == "person")


def _show_attempt(console: Console, attempt: Attempt, *, of_person: bool) -> None:
    """Print an attempt in two lines instead of a table row, because ids are too long for columns."""
    record = f" · record {attempt.record_id or NOTHING}" if of_person else ""
    said = f"  {_moment(attempt.attempted_at)} · {attempt.status} · {attempt.answer}{record}"
    tries = f"{attempt.attempts or 0} {'try' if attempt.attempts == 1 else 'tries'}"
    ids = f"run {attempt.run_id} · message {attempt.message_id or NOTHING} · batch {attempt.batch_id or NOTHING}"
    console.print(f"{said}\n    {tries} · {ids}", markup=False, soft_wrap=True)


def _moment(value: datetime | None) -> str:
    return NOTHING if value is None else f"{as_utc(value):%Y-%m-%d %H:%M:%S} UTC"


def _show_letters(console: Console, explanation: Explanation, *, show_values: bool) -> None:
    if not explanation.letters:
        return
    console.print("[bold]dead letters, newest first[/bold]")
    for letter in explanation.letters[:ATTEMPTS_SHOWN]:
        why = ": ".join(part for part in (letter.error_code, letter.error_message) if part)
        since = "accepted since" if letter.accepted_since else "waits: cio-spark replay"
        payload = "payload kept" if letter.payload else "payload not kept"
        said = f"  {_moment(letter.dead_at)} · {why}\n    {since} · {payload} · record {letter.record_id or NOTHING}"
        console.print(f"{said} · run {letter.run_id}", markup=False, soft_wrap=True)
    kept = explanation.letters[0].payload
    if kept and not explanation.in_source.records:
        console.print("the newest one's payload:")
        _show_payload(console, kept, show_values=show_values)
