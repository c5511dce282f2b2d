"""Sends alerts to a webhook in Slack's format; only this file and the API's client import `requests`.

The table `alerts` is authoritative: it stays the same if the webhook cannot be reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import requests
import tenacity

from cio_spark.clock import Clock
from cio_spark.config import WebhookUrl
from cio_spark.monitoring.alert_changes import OPENED, AlertEvent

TRIES: Final = 4
MOST_SECONDS: Final = 30.0
TIMEOUT_SECONDS: Final = 5.0
_SIGNS: Final = {"critical": ":red_circle:", "warning": ":large_yellow_circle:"}
_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


class Post(Protocol):
    """Describes a function that sends a text once and returns the HTTP status, or the class of the exception."""

    def __call__(self, url: WebhookUrl, text: str, /) -> int | str:
        """Send a text once."""
        ...


def post(url: WebhookUrl, text: str) -> int | str:
    """Send a text as `{"text": …}`, without following redirects and without a password of a netrc file.

    Args:
        url: address of the webhook.
        text: the message.

    Returns:
        The HTTP status, or the class name of the exception, whose own text may quote the address.
    """
    try:
        with (
            requests.Session() as session,
            session.post(
                url.reveal(),
                json={"text": text},
                auth=lambda request: request,
                timeout=TIMEOUT_SECONDS,
                allow_redirects=False,
                stream=True,
            ) as answer,
        ):
            return answer.status_code
    except requests.RequestException as error:
        return type(error).__name__


def tell(url: WebhookUrl, events: Sequence[AlertEvent], clock: Clock, send: Post = post) -> str:
    """Send all changes in one message, with retries after temporary failures.

    Args:
        url: address of the webhook.
        events: alerts that opened and resolved.
        clock: measures the time and waits between tries.
        send: sends a text once.

    Returns:
        One sentence about the outcome, for people; it never contains the address.
    """
    began = clock.monotonic()
    retrying = tenacity.Retrying(
        sleep=clock.sleep,
        wait=tenacity.wait_exponential(multiplier=1, max=8),
        stop=lambda state: state.attempt_number >= TRIES or clock.monotonic() - began >= MOST_SECONDS,
        retry=tenacity.retry_if_result(lambda came: isinstance(came, str) or came in _AGAIN),
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else "",
    )
    came: int | str = retrying(send, url, message_of(events))
    if isinstance(came, int) and 200 <= came < 300:
        return f"told the webhook of {len(events)} changes"
    tries = retrying.statistics.get("attempt_number", 1)
    return f"the webhook could not be told ({came if isinstance(came, str) else f'HTTP {came}'}, {tries} tries)"


def message_of(events: Sequence[AlertEvent]) -> str:
    """Return the message: one line for each change."""
    return "\n".join(
        f"{_SIGNS.get(event.severity, '')} *{event.severity}* {event.sync}: {event.type}: {event.message}"
        if event.event == OPENED
        else f":white_check_mark: resolved {event.sync}: {event.type} (was: {event.message})"
        for event in events
    )
