"""Settings of a session are set back, whatever happens meanwhile, and one that is refused is no error."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import Any

from cio_spark.spark_conf import set_for_a_while


class Conf:
    """As of a session that lets nobody set what begins with `locked`."""

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
    with contextlib.suppress(ZeroDivisionError), set_for_a_while(session, settings):
        assert conf.values == {"known": "2", "new": "3", "locked": "0"}
        _ = 1 / 0
    assert conf.values == {"known": "1", "locked": "0"}
