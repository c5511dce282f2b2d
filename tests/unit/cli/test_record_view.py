"""Tests what the terminal says about a record.

Values are masked, markup is shown as text, and each state is explained.
"""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import datetime, timezone

import pytest
from rich.console import Console
from typer.testing import CliRunner

from cio_spark.cli import app
from cio_spark.cli.render.record_view import show_explanation
from cio_spark.config import SyncConfig
from cio_spark.explain import Attempt, Explanation, InSource, Letter, SourceRecord, Subject, subject_of
from cio_spark.explain.explanation import NEXT

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
PAYLOAD = '{"type":"track","event":"Order Placed","userId":"c1","properties":{"amount":13.37,"note":"for [b]Ann[/b]"}}'
RECORD = SourceRecord("o1", "c1", NOON, PAYLOAD, 1, None, None, "held")
ATTEMPT = Attempt(
    *("run1", "o1", "rejected", "validation", "http_400", "amount [is] <odd>", 400, "01MESSAGE", 1, "batch-7", 3, NOON)
)
LETTER = Letter("run1", "o1", "01MESSAGE", "http_400", "amount [is] <odd>", NOON, PAYLOAD, accepted_since=False)
KNOWN = Explanation(
    "orders", Subject("record", "o1"), InSource("shop.orders (version 7)", 1, (RECORD,)), (ATTEMPT,), (LETTER,)
)
CONFIG = SyncConfig.model_validate(
    {
        "sync": {"name": "orders"},
        "source": {"table": "shop.orders"},
        "payload": {"call": "track", "record_id": ["a", "b"], "user_id": "id", "event": {"value": "e"}},
    }
)


def shown(explanation: Explanation, *, show_values: bool = False) -> str:
    console = Console(file=io.StringIO(), width=220, highlight=False)
    show_explanation(console, explanation, CONFIG, show_values=show_values)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_rejected_record_comes_with_everything_that_is_known() -> None:
    said = shown(KNOWN)
    for part in (
        *("record o1 of sync orders", "shop.orders (version 7) has 1 row", "validation: valid"),
        *("state: rejected, since run run1", NEXT["held"], "2026-03-01 12:00:00", "01MESSAGE", "batch-7"),
        *("HTTP 400, http_400: amount [is] <odd>", "waits: cio-spark replay", "kept"),
    ):
        assert part in said, part


def test_values_are_masked_unless_they_are_asked_for() -> None:
    masked, plain = shown(KNOWN), shown(KNOWN, show_values=True)
    assert "13.37" not in masked
    assert "Ann" not in masked
    assert "<number>" in masked
    assert "person <text, 2 characters>" in masked
    assert "person c1" in plain
    assert '"amount": 13.37' in plain
    assert "for [b]Ann[/b]" in plain


def test_the_payload_of_a_dead_letter_stands_in_for_a_row_that_is_gone() -> None:
    gone = replace(KNOWN, in_source=InSource("shop.orders (version 8)"))
    assert "not in shop.orders (version 8) (any more)" in shown(gone)
    assert "13.37" not in shown(gone)
    assert "13.37" in shown(gone, show_values=True)


@pytest.mark.parametrize("state", NEXT)
def test_every_state_says_what_the_next_run_will_do(state: str) -> None:
    assert NEXT[state] in shown(replace(KNOWN, in_source=InSource("x", 1, (replace(RECORD, state=state),))))


def test_accepted_says_what_it_does_not_mean() -> None:
    accepted = replace(ATTEMPT, status="accepted", http_status=200, error_code=None, error_message=None)
    said = shown(replace(KNOWN, attempts=(accepted,)))
    assert "HTTP 200" in said
    assert "It does not say that the message was processed" in " ".join(said.split())
    assert "It does not say" not in shown(KNOWN)


def test_a_record_that_validation_refuses_says_why() -> None:
    refused = replace(RECORD, state="invalid", error_code="missing_identity", error_message="user_id is empty")
    assert "validation: missing_identity: user_id is empty" in shown(
        replace(KNOWN, in_source=InSource("x", 1, (refused,)))
    )


def test_duplicates_and_left_out_rows_are_counted() -> None:
    assert "has 3 rows, 2 of them older duplicates" in shown(replace(KNOWN, in_source=InSource("x", 3, (RECORD,))))
    assert "has 1 row that source.where leaves out" in shown(replace(KNOWN, in_source=InSource("x", left_out=1)))


def test_nobody_knows_a_record_in_one_sentence() -> None:
    unknown = Explanation("orders", Subject("record", "o9"), InSource("shop.orders (version 7)"), (), ())
    assert shown(unknown) == (
        "nobody knows record o9 of sync orders: it is not in shop.orders (version 7), and no run has seen it; "
        'ids of several columns are JSON arrays, such as ["1","2"]\n'
    )


def test_a_long_history_is_cut_and_says_so() -> None:
    said = shown(replace(KNOWN, attempts=(ATTEMPT,) * 1000, has_more=True))
    assert "the newest 50 of more than 1,000" in said


def test_record_or_person_must_be_said_and_not_both() -> None:
    command = ["explain", "cio_spark/demo/purchases.yml"]
    for arguments in ([], ["--record", "a", "--person", "b"]):
        result = CliRunner().invoke(app, [*command, *arguments])
        assert (result.exit_code, "--record ID or --person ID" in result.output) == (2, True)


@pytest.mark.parametrize(
    ("written", "meant"), [('["o1", "c1"]', '["o1","c1"]'), ("[1, 2]", '["1","2"]'), ("o1", "o1"), ("12", "12")]
)
def test_ids_of_several_columns_may_be_written_with_blanks(written: str, meant: str) -> None:
    assert subject_of(CONFIG, written, None).value == meant
