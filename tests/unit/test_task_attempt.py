"""Tests which try of a Databricks task is a later one, and which one is a retry."""

from __future__ import annotations

import pytest

from cio_spark.task_attempt import TaskAttempt


@pytest.mark.parametrize(
    ("mine", "other", "follows", "is_retry"),
    [
        ("7/sync/2", "7/sync/1", True, True),
        ("7/sync/10/0", "7/sync/9/0", True, True),
        ("7/sync/2/0", "7/sync/1", True, True),
        # Somebody has asked for a repair
        ("7/sync/2/1", "7/sync/1/0", True, False),
        ("7/sync/3/1", "7/sync/2/1", True, True),
        ("7/sync/1/0", "7/sync/1/0", False, False),
        ("7/sync/1/0", "7/sync/2/0", False, False),
        ("8/sync/2/0", "7/sync/1/0", False, False),
        ("7/other/2/0", "7/sync/1/0", False, False),
    ],
)
def test_a_later_try_is_of_the_same_task_and_a_retry_of_the_same_repair_too(
    mine: str, other: str, *, follows: bool, is_retry: bool
) -> None:
    later, earlier = TaskAttempt.parse(mine), TaskAttempt.parse(other)
    assert later is not None
    assert (later.follows(earlier), later.is_retry_of(earlier)) == (follows, is_retry)


@pytest.mark.parametrize("text", [None, "", "2", "7/2", "7/sync/x", "7/sync/1/x", "7/sync/1/0/0", "/sync/1", "7//1"])
def test_a_text_of_another_form_is_no_attempt(text: str | None) -> None:
    assert TaskAttempt.parse(text) is None
    attempt = TaskAttempt.parse("7/sync/2")
    assert attempt is not None
    assert not attempt.follows(TaskAttempt.parse(text))
