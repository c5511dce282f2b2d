"""Slots are counted as Spark schedules tasks, and whether a session is local is decided in one way."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from cio_spark.spark.versions import is_local, task_slots


def context(master: str = "spark://x", slots: int | Exception = 1) -> Any:
    """Return a context that has so many slots, or does not tell."""

    def most_tasks(_: object) -> int:
        if isinstance(slots, Exception):
            raise slots
        return slots

    profiles = SimpleNamespace(defaultResourceProfile=lambda: None)
    scheduler = SimpleNamespace(maxNumConcurrentTasks=most_tasks, resourceProfileManager=lambda: profiles)
    conf = SimpleNamespace(get=lambda key: {"spark.master": master}.get(key))
    # Spark says 2 where there is one
    return SimpleNamespace(_jsc=SimpleNamespace(sc=lambda: scheduler), getConf=lambda: conf, defaultParallelism=2)


def test_a_cluster_with_one_slot_has_one() -> None:
    assert task_slots(context(slots=1)) == 1


def test_slots_that_spark_does_not_tell_are_unknown() -> None:
    assert task_slots(context(slots=RuntimeError("not allowed"))) == 0


@pytest.mark.parametrize(
    ("master", "local"),
    [("local", True), ("local[*]", True), ("local[2,3]", True), ("local-cluster[2,1,1024]", False), ("yarn", False)],
)
def test_only_a_session_in_one_process_is_local(master: str, local: bool) -> None:
    assert is_local(context(master)) is local
