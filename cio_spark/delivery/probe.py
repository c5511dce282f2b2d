"""Checks from the driver, before a run, that the API can be reached and accepts the key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cio_spark.clock import Clock, SystemClock
from cio_spark.config import ApiKey, SyncConfig
from cio_spark.delivery.classification import ErrorCategory, Outcome, Verdict, classify
from cio_spark.delivery.exchange import Answer
from cio_spark.delivery.http_client import PipelinesClient
from cio_spark.errors import ApiRefusedError, AuthenticationError, ConfigurationError, NetworkError

MOST_SECONDS = 10.0
PAUSE_SECONDS = 1.0
"""Seconds before the second request: the cause of a lost connection, such as a restart of a proxy, takes a moment."""
EMPTY_BATCH = b'{"batch":[]}'

_WRONG_ADDRESS: Final = frozenset({404, 405, 410, 421})
"""Statuses that, as answers to an empty batch, say that nobody accepts batches at this address."""


@dataclass(frozen=True)
class ProbeSettings:
    """Describes where the API is and how to probe it.

    Attributes:
        base_url: the API's address, ending in `/v1`.
        api_key: the key.
        strict_mode: whether to ask the API for errors instead of silent drops.
        timeout_seconds: hard deadline of one request; at most `MOST_SECONDS` is used.
    """

    base_url: str
    api_key: ApiKey
    strict_mode: bool
    timeout_seconds: float


def probe_settings(config: SyncConfig, api_key: ApiKey) -> ProbeSettings:
    """Return the settings for a probe of the API of a sync.

    Args:
        config: the sync.
        api_key: the workspace's key.
    """
    return ProbeSettings(config.api.url, api_key, config.api.strict_mode, config.batch.timeout_seconds)


def probe(settings: ProbeSettings, clock: Clock | None = None) -> Verdict:
    """Send one empty batch, and a second one a moment later if the network fails.

    Args:
        settings: where the API is and how to probe it.
        clock: tells the time, and waits; None for the machine's clock.

    Returns:
        The verdict on the last answer.
    """
    clock = clock or SystemClock()
    client = PipelinesClient(settings.base_url, settings.api_key, strict_mode=settings.strict_mode, clock=clock)
    try:
        answer = _ask(client, settings)
        if answer.status is None and classify(answer).transient:
            clock.sleep(PAUSE_SECONDS)
            answer = _ask(client, settings)
    finally:
        client.close()
    return classify(answer)


def _ask(client: PipelinesClient, settings: ProbeSettings) -> Answer:
    return client.post_batch(EMPTY_BATCH, min(settings.timeout_seconds, MOST_SECONDS))


def check_api(settings: ProbeSettings) -> None:
    """Probe the API before anything is written, and raise an error if a run could not use it.

    A status about the moment (429, 5xx) does not stop a run from starting: its retries and its circuit breaker handle
    such answers. A status about a record is good: the API has accepted the key, and refuses the batch for being empty.

    Raises:
        CioSparkError: the key is refused, the address is wrong, every request is refused, or nobody answers.
    """
    verdict = probe(settings)
    status, reason = verdict.answer.status, verdict.answer.reason
    if status is None:
        raise NetworkError(
            f"{settings.base_url} cannot be reached ({reason}): check api.base_url, api.region and the network; "
            "nothing was sent, it is safe to run again"
        )
    if verdict.outcome is not Outcome.STOP:
        return
    if verdict.category is ErrorCategory.AUTHENTICATION:
        raise AuthenticationError(
            f"{settings.base_url} refused the API key ({reason}): check that it is the key of this workspace's "
            "pipeline source, and that api.region is the workspace's; nothing was sent",
            status,
        )
    if status in _WRONG_ADDRESS or verdict.answer.is_redirect:
        raise ConfigurationError.of(
            "api",
            f"{reason} from {settings.base_url}: there is no Pipelines API at this address; check api.region and "
            "api.base_url, which ends in /v1; nothing was sent",
        )
    raise ApiRefusedError(
        f"{settings.base_url} refuses every request ({reason}): check the workspace's account and plan, and any proxy "
        "on the way; nothing was sent, it is safe to run again",
        status,
    )
