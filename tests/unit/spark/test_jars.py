"""Tests that Delta's jars are fetched once.

This must hold however many sessions start at the same moment on an empty cache.
"""

from __future__ import annotations

import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cio_spark.spark import jars as local_jars

SESSIONS = 4


def test_sessions_that_start_at_once_on_an_empty_cache_fetch_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jar = tmp_path / "delta.jar"
    jar.touch()
    fetched: list[str] = []

    def fetch(command: list[str], **_: Any) -> None:
        fetched.append(command[-1])
        threading.Event().wait(0.2)  # the other sessions have come to this point by now
        Path(command[-1]).write_text(f"file://{jar}")

    monkeypatch.setattr(subprocess, "run", fetch)
    with ThreadPoolExecutor(SESSIONS) as pool:
        found = [
            pool.submit(local_jars.delta_jars, tmp_path / "cache", tmp_path / f"log{number}")
            for number in range(SESSIONS)
        ]
    assert [session.result() for session in found] == [[str(jar)]] * SESSIONS
    assert len(fetched) == 1


def test_what_was_fetched_before_is_read_without_writing_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jar, cache = tmp_path / "delta.jar", tmp_path / "cache"
    jar.touch()
    monkeypatch.setattr(subprocess, "run", lambda command, **_: Path(command[-1]).write_text(f"file://{jar}"))
    local_jars.delta_jars(cache, tmp_path / "log")
    (listing,) = cache.glob("*.json")
    for file in cache.iterdir():
        if file != listing:
            file.unlink()

    assert local_jars.delta_jars(cache, tmp_path / "log") == [str(jar)]
    assert list(cache.iterdir()) == [listing]


def test_each_version_of_spark_and_delta_has_a_list_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    for number, delta in enumerate(("3.3.2", "4.0.0")):
        jar = tmp_path / f"delta{number}.jar"
        jar.touch()
        monkeypatch.setattr(
            subprocess, "run", lambda command, jar=jar, **_: Path(command[-1]).write_text(f"file://{jar}")
        )
        monkeypatch.setattr(local_jars, "version", lambda _, delta=delta: delta)
        assert local_jars.delta_jars(cache, tmp_path / "log") == [str(jar)]
