"""Tests that the first stage that evaluates a delivery is remembered, by the executor or at least by the process."""

from __future__ import annotations

from pathlib import Path

import pytest

from cio_spark.delivery import evaluation
from cio_spark.delivery.evaluation import first_stage


def test_the_first_stage_stays_the_first_for_every_process_of_an_executor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [first_stage("wave", stage, tmp_path) for stage in (7, 7, 9, 7)] == [7, 7, 7, 7]
    # as in another process
    monkeypatch.setattr(evaluation, "_first_stages", {})
    assert first_stage("wave", 9, tmp_path) == 7


def test_each_try_of_a_wave_begins_anew(tmp_path: Path) -> None:
    assert first_stage("first try", 7, tmp_path) == 7
    assert first_stage("second try", 9, tmp_path) == 9


def test_without_a_folder_a_process_knows_what_it_has_seen(tmp_path: Path) -> None:
    nowhere = tmp_path / "none"
    assert [first_stage("closed to us", stage, nowhere) for stage in (3, 3, 4)] == [3, 3, 3]
