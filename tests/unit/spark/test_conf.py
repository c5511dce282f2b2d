"""Tests that settings of a session are set back, whatever happens meanwhile.

A setting that is refused is no error.
"""

from __future__ import annotations

import contextlib
import threading
from types import SimpleNamespace
from typing import Any

from cio_spark.spark.conf import temporary_settings


class Conf:
    """Imitates the settings of a session in which nobody may set a name that begins with `locked`."""

    def __init__(self, **values: str) -> None:
        self.values = dict(values)

    def get(self, name: str, default: str | None) -> str | None:
        return self.values.get(name, default)

    def set(self, name: str, value: str) -> None:
        if name.startswith("locked"):
            raise RuntimeError("CONFIG_NOT_AVAILABLE")
        self.values[name] = value

    def unset(self, name: str) -> None:
        del self.values[name]


def test_settings_hold_inside_and_are_as_before_afterwards() -> None:
    conf = Conf(known="1", locked="0")
    session: Any = SimpleNamespace(conf=conf)
    settings = {"known": "2", "new": "3", "locked": "4"}
    with contextlib.suppress(ZeroDivisionError), temporary_settings(session, settings):
        assert conf.values == {"known": "2", "new": "3", "locked": "0"}
        _ = 1 / 0
    assert conf.values == {"known": "1", "locked": "0"}


def test_an_inner_block_of_one_thread_has_its_own_value_until_it_ends() -> None:
    conf = Conf(known="1")
    session: Any = SimpleNamespace(conf=conf)
    with temporary_settings(session, {"known": "2"}):
        with temporary_settings(session, {"known": "3"}):
            assert conf.values == {"known": "3"}
        assert conf.values == {"known": "2"}
    assert conf.values == {"known": "1"}


def test_threads_that_need_one_value_share_it_and_the_last_one_sets_it_back() -> None:
    conf = Conf(known="1")
    session: Any = SimpleNamespace(conf=conf)
    inside, leave = threading.Event(), threading.Event()

    def share() -> None:
        with temporary_settings(session, {"known": "2"}):
            inside.set()
            leave.wait(10)

    other = threading.Thread(target=share)
    with temporary_settings(session, {"known": "2"}):
        other.start()
        assert inside.wait(10)
    assert conf.values == {"known": "2"}
    leave.set()
    other.join(10)
    assert conf.values == {"known": "1"}


def test_a_thread_that_needs_another_value_waits_until_the_first_one_is_done() -> None:
    conf = Conf(known="1")
    session: Any = SimpleNamespace(conf=conf)
    seen: list[dict[str, str]] = []

    def need_another() -> None:
        with temporary_settings(session, {"known": "3"}):
            seen.append(dict(conf.values))

    other = threading.Thread(target=need_another)
    with temporary_settings(session, {"known": "2"}):
        other.start()
        other.join(0.05)
        assert (seen, conf.values) == ([], {"known": "2"})
    other.join(10)
    assert (seen, conf.values) == ([{"known": "3"}], {"known": "1"})


def test_a_thread_that_nests_a_value_in_a_shared_one_leaves_nothing_behind() -> None:
    conf = Conf(known="1")
    session: Any = SimpleNamespace(conf=conf)
    entered, leave = threading.Event(), threading.Event()

    def share() -> None:
        with temporary_settings(session, {"known": "2"}):
            entered.set()
            leave.wait(10)

    other = threading.Thread(target=share)
    with temporary_settings(session, {"known": "2"}):
        other.start()
        assert entered.wait(10)
        with temporary_settings(session, {"known": "3"}):
            leave.set()
            other.join(10)  # the other thread ends while the inner value is in force
            assert conf.values == {"known": "3"}
        assert conf.values == {"known": "2"}
    assert conf.values == {"known": "1"}
    with temporary_settings(session, {"known": "4"}):  # no thread is left that would have to be waited for
        assert conf.values == {"known": "4"}
