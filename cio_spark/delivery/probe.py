"""The driver's look at the API before a run: is it there, and does it take the key."""

from __future__ import annotations

from cio_spark.clock import Clock, SystemClock
from cio_spark.delivery.answer import Answer
from cio_spark.delivery.classification import RETRYABLE_STATUSES, ErrorCategory, Outcome, Verdict, classify
from cio_spark.delivery.client import PipelinesClient
from cio_spark.delivery.settings import DeliverySettings
from cio_spark.errors import AuthenticationError, ConfigurationError, NetworkError

MOST_SECONDS = 10.0
EMPTY_BATCH = b'{"batch":[]}'
REFUSED_AS_EMPTY = 400


def probe(settings: DeliverySettings, clock: Clock | None = None) -> Verdict:
    """Send one empty batch, twice if the network fails.

    Args:
        settings: address, key, strict mode and timeout are used.
        clock: time.

    Returns:
        The verdict; accepted also after a 400, because the API only refuses the batch for being empty once it has
        taken the key.
    """
    clock = clock or SystemClock()
    client = PipelinesClient(settings.base_url, settings.api_key, strict_mode=settings.strict_mode, clock=clock)
    try:
        answer = _ask(client, settings)
        if answer.status is None and classify(answer).transient:
            clock.sleep(settings.seconds_between_requests)
            answer = _ask(client, settings)
    finally:
        client.close()
    if answer.status == REFUSED_AS_EMPTY:
        return Verdict(Outcome.ACCEPTED, None, None, answer)
    return classify(answer)


def _ask(client: PipelinesClient, settings: DeliverySettings) -> Answer:
    return client.post_batch(EMPTY_BATCH, min(float(settings.timeout_seconds), MOST_SECONDS))


def check_api(settings: DeliverySettings) -> None:
    """Looks at the API once before anything is written.

    Raises:
        CioSparkError: the key is refused, the address is wrong, or nobody answers.
    """
    verdict = probe(settings)
    if verdict.accepted or verdict.answer.status in RETRYABLE_STATUSES:
        return
    reason = verdict.answer.reason
    if verdict.category is ErrorCategory.AUTHENTICATION:
        raise AuthenticationError(
            f"{settings.base_url} refused the API key ({reason}): check that it is the key of this workspace's "
            "pipeline source, and that api.region is the workspace's; nothing was sent",
            verdict.answer.status,
        )
    if verdict.answer.status is None:
        raise NetworkError(
            f"{settings.base_url} cannot be reached ({reason}): check api.base_url, api.region and the network; "
            "nothing was sent, it is safe to run again"
        )
    raise ConfigurationError.of(
        "api",
        f"{reason or f'HTTP {verdict.answer.status}'} from {settings.base_url}: "
        "check api.region and api.base_url; nothing was sent",
    )
