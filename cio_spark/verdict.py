"""What a finished run amounts to: its exit status and one sentence."""

from __future__ import annotations

from cio_spark.cancellation import Cancellation
from cio_spark.config import SUPPRESSIONS_AND_DELETIONS, ErrorHandlingStrategy, SyncConfig
from cio_spark.errors import ExitStatus
from cio_spark.model import Books

_UNAVAILABLE = frozenset({"network", "timeout", "server", "rate_limit"})


def judge(config: SyncConfig, books: Books, cancellation: Cancellation | None = None) -> tuple[ExitStatus, str]:
    """Decides.

    Args:
        config: the sync's configuration.
        books: all counts.
        cancellation: whether somebody asked the run to stop.

    Returns:
        the exit status and a sentence.
    """
    delivery = books.delivery
    failed = [reason for reason in delivery.reasons if reason.status == "failed"]
    categories = {reason.category for reason in failed}
    if books.evaluated_again:
        return (
            ExitStatus.BOOKS_NOT_BALANCED,
            f"{books.evaluated_again:,} records were evaluated twice by Spark, and sent twice under the same ids: end "
            "the clustering of record_status (cio-spark maintain, while no sync runs), and switch optimized writes off",
        )
    if not books.balanced:
        return (
            ExitStatus.BOOKS_NOT_BALANCED,
            f"the books do not balance: {books.survey.source_rows:,} source rows, {books.accounted:,} accounted for; "
            "do not trust this run's counts, run again and report it if it stays",
        )
    left = books.in_doubt + books.not_started + delivery.not_attempted
    if cancellation is not None and cancellation.requested and left:
        return (
            cancellation.exit_status,
            f"cancelled: {books.in_doubt:,} records in doubt, {books.not_started + delivery.not_attempted:,} not sent; "
            "the next run goes on from there",
        )
    if "authentication" in categories:
        return (
            ExitStatus.KEY_REFUSED,
            f"{config.api.url} refused the API key: check that it belongs to this workspace and region; "
            "what was not sent goes with the next run",
        )
    redirects = [reason for reason in failed if reason.code == "redirect"]
    if redirects:
        return (ExitStatus.CONFIGURATION_ERROR, redirects[0].message)
    refused = [reason for reason in delivery.reasons if reason.status in ("failed", "rejected")]
    if config.batch.error_handling == ErrorHandlingStrategy.FAIL_FAST and refused:
        return (
            ExitStatus.FAIL_FAST,
            f"stopped at the first failure (fail_fast): {refused[0].message}; the next run goes on from there",
        )
    stopped = {reason.code: reason for reason in delivery.reasons}
    if "refuses_everything" in stopped:
        return (ExitStatus.ERROR_THRESHOLD_EXCEEDED, stopped["refuses_everything"].message)
    unavailable = failed and not delivery.accepted and categories <= _UNAVAILABLE
    if "circuit_open" in stopped or unavailable:
        why = stopped["circuit_open"].message if "circuit_open" in stopped else failed[0].message
        return (
            ExitStatus.API_UNAVAILABLE,
            f"{config.api.url} could not be used: {why}; nothing is lost, run again later",
        )
    if "out_of_time" in stopped:
        return (
            ExitStatus.API_UNAVAILABLE,
            f"{config.api.url} answered too slowly: {delivery.not_attempted:,} records were not sent in the time of "
            "their wave; nothing is lost, run again",
        )
    threshold = config.error_threshold_percent
    if books.error_rate_percent > threshold:
        return (
            ExitStatus.ERROR_THRESHOLD_EXCEEDED,
            f"{books.error_rate_percent:.2f} % of the records were not accepted, above the threshold of "
            f"{threshold:g} %",
        )
    if books.survey.held and config.payload.call in SUPPRESSIONS_AND_DELETIONS:
        # A promise that is not kept must not look like one that is
        return (
            ExitStatus.SUCCESS,
            f"what could be sent was accepted; {books.survey.held:,} that our validation refused before, with the same "
            "bytes, stay unsent: dead_letters says why",
        )
    return (ExitStatus.SUCCESS, "all is well" if not delivery.reasons else "done, within the error threshold")
