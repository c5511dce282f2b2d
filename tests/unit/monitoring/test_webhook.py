"""Tests what the webhook is told, how often it is tried, and that its address is never shown."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from cio_spark import runtime
from cio_spark.clock import FakeClock
from cio_spark.config import SyncConfig, WebhookUrl
from cio_spark.errors import ConfigurationError
from cio_spark.monitoring import AlertEvent
from cio_spark.monitoring.webhook import message_of, post, tell
from cio_spark.runtime import databricks

SECRET = "https://hooks.example/services/T0/very-secret"
URL = WebhookUrl(SECRET)
NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
OPENED = AlertEvent("a", "run_failed", "critical", "opened", "exit status 4", "orders", "r1", None, NOON)
RESOLVED = AlertEvent("b", "slow_processing", "warning", "resolved", "took 70 s", "orders", None, None, NOON)


class Script:
    """Gives these answers one after the other, and the last one for ever."""

    def __init__(self, *answers: int | str) -> None:
        self.answers = list(answers)
        self.texts: list[str] = []

    def __call__(self, url: WebhookUrl, text: str) -> int | str:
        assert url is URL
        self.texts.append(text)
        return self.answers[min(len(self.texts), len(self.answers)) - 1]


@pytest.mark.parametrize(
    ("answers", "tries", "said"),
    [
        ((200,), 1, "told the webhook of 2 changes"),
        ((503, "ConnectionError", 429, 204), 4, "told the webhook of 2 changes"),
        ((404,), 1, "the webhook could not be told (HTTP 404, 1 tries)"),
        ((302,), 1, "the webhook could not be told (HTTP 302, 1 tries)"),
        (("ConnectTimeout",), 4, "the webhook could not be told (ConnectTimeout, 4 tries)"),
        ((500,), 4, "the webhook could not be told (HTTP 500, 4 tries)"),
    ],
)
def test_it_is_tried_again_only_where_that_may_help(answers: tuple[int | str, ...], tries: int, said: str) -> None:
    send, clock = Script(*answers), FakeClock()
    assert tell(URL, [OPENED, RESOLVED], clock, send) == said
    assert len(send.texts) == tries
    assert sum(clock.sleeps) <= 30


def test_time_ends_the_tries_too() -> None:
    clock = FakeClock()

    def slow(_: WebhookUrl, __: str) -> int | str:
        clock.sleep(40.0)
        return "ReadTimeout"

    assert "1 tries" in tell(URL, [OPENED], clock, slow)


def test_the_message_names_what_changed() -> None:
    assert message_of([OPENED, RESOLVED]).splitlines() == [
        ":red_circle: *critical* orders: run_failed: exit status 4",
        ":white_check_mark: resolved orders: slow_processing (was: took 70 s)",
    ]


@pytest.fixture
def server() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    got: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            got.append({"path": self.path, "body": body, "auth": self.headers["Authorization"]})
            self.send_response(302 if self.path == "/moved" else 200)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_address[1]}", got
        http.shutdown()
        thread.join()


def test_the_body_is_slacks_and_redirects_are_not_followed(server: tuple[str, list[dict[str, Any]]]) -> None:
    address, got = server
    assert post(WebhookUrl(f"{address}/hook"), "text") == 200
    assert post(WebhookUrl(f"{address}/moved"), "text") == 302
    assert got == [
        {"path": "/hook", "body": {"text": "text"}, "auth": None},
        {"path": "/moved", "body": {"text": "text"}, "auth": None},
    ]


def test_what_goes_wrong_is_named_without_the_address() -> None:
    assert post(WebhookUrl("http://127.0.0.1:1/very-secret"), "text") == "ConnectionError"


def test_the_address_is_shown_nowhere() -> None:
    assert "very-secret" not in f"{URL} {URL!r} {[URL]}"
    with pytest.raises(ConfigurationError) as caught:
        WebhookUrl("very-secret")
    assert "very-secret" not in str(caught.value)
    assert WebhookUrl(SECRET) == URL
    assert WebhookUrl(SECRET).reveal() == SECRET


def config(**monitoring: Any) -> SyncConfig:
    return SyncConfig.model_validate(
        {
            "sync": {"name": "s"},
            "source": {"table": "t"},
            "payload": {"call": "identify", "record_id": "id", "user_id": "id"},
            "monitoring": monitoring,
        }
    )


def test_the_address_comes_from_the_environment_else_from_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIO_SPARK_WEBHOOK_URL", SECRET)
    assert runtime.find_webhook(config(webhook_secret={"scope": "a", "key": "b"})) == URL
    monkeypatch.delenv("CIO_SPARK_WEBHOOK_URL")
    assert runtime.find_webhook(config()) is None
    with pytest.raises(ConfigurationError, match="a/b can only be read on Databricks"):
        runtime.find_webhook(config(webhook_secret={"scope": "a", "key": "b"}))


def test_task_values_are_set_where_there_are_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert runtime.set_task_values({"status": "healthy"}) is None  # does nothing without Databricks

    class TaskValues:
        values: dict[str, Any] = {}  # noqa: RUF012  one per test

        def set(self, key: str, value: Any) -> None:
            self.values[key] = value

    class Dbutils:
        class jobs:  # noqa: N801  as Databricks spells it
            taskValues = TaskValues()  # noqa: N815  as Databricks spells it

    monkeypatch.setattr(databricks, "_dbutils", Dbutils)
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "18.0")
    runtime.set_task_values({"status": "critical", "open_alerts": 2})
    assert TaskValues.values == {"status": "critical", "open_alerts": 2}
