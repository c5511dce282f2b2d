"""Decides the exit status of a finished run, and describes its outcome in one sentence."""

from __future__ import annotations

from collections.abc import Iterable

from cio_spark.config import ErrorHandlingStrategy, SyncConfig
from cio_spark.errors import ExitStatus
from cio_spark.model import Books, DeliveryCounts, Reason
from cio_spark.runtime.cancellation import Cancellation

_UNAVAILABLE = frozenset({"network", "timeout", "server", "rate_limit"})
_REFUSED = "refuses every request: check the address, the workspace's account and plan, and any proxy on the way"
_REDIRECTED = "answers with a redirect: check api.region and api.base_url"


def decide_exit_status(
    config: SyncConfig, books: Books, cancellation: Cancellation | None = None
) -> tuple[ExitStatus, str]:
    """Decide the exit status of a run and the sentence that explains it.

    Args:
        config: configuration of the sync.
        books: all counts of the run.
        cancellation: tells whether the run was asked to stop; None if it could not be cancelled.

    Returns:
        the exit status, and one sentence for people.
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
            f"the books do not balance: {books.survey.source_rows:,} source rows, {books.accounted:,} accounted for"
            f"{_of_batches(books.delivery)}; do not trust this run's counts, run again and report it if it stays",
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
    stopped = {reason.code: reason for reason in delivery.reasons}
    for code, why in (("refused_by_api", _REFUSED), ("redirect", _REDIRECTED)):
        if code in stopped:
            met = _counted(reason for reason in failed if reason.code == code)
            return (
                ExitStatus.API_UNAVAILABLE,
                f"{config.api.url} {why} ({met}); nothing is held against a record, what was not accepted "
                "goes with the next run",
            )
    refused = [reason for reason in delivery.reasons if reason.status in ("failed", "rejected")]
    if config.batch.error_handling == ErrorHandlingStrategy.FAIL_FAST and refused:
        return (
            ExitStatus.FAIL_FAST,
            f"stopped at the first failure (fail_fast: {_counted(refused)}); the next run goes on from there",
        )
    if "refuses_everything" in stopped:
        return (
            ExitStatus.ERROR_THRESHOLD_EXCEEDED,
            f"the API refuses everything that was sent ({_counted(refused)}): check payload.call, the payload's "
            "mapping and api.region; nothing was accepted",
        )
    unavailable = failed and not delivery.accepted and categories <= _UNAVAILABLE
    if "circuit_open" in stopped or unavailable:
        return (
            ExitStatus.API_UNAVAILABLE,
            f"{config.api.url} could not be used ({_counted(failed or [stopped['circuit_open']])}); nothing is lost, "
            "run again later",
        )
    if "out_of_time" in stopped and not delivery.requests:
        return (
            ExitStatus.API_UNAVAILABLE,
            f"the tasks began after the time of their wave was over, and sent nothing ({delivery.not_attempted:,} "
            "records): the cluster is busy with other work; nothing is lost, run again",
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
    if books.survey.held and not config.call.is_held:
        # The sentence must not hide that a suppression or deletion was not sent
        return (
            ExitStatus.SUCCESS,
            f"what could be sent was accepted; {books.survey.held:,} that our validation refused before, with the same "
            "bytes, stay unsent: dead_letters says why",
        )
    return (ExitStatus.SUCCESS, "all is well" if not delivery.reasons else "done, within the error threshold")


def _of_batches(delivery: DeliveryCounts) -> str:
    """Return a phrase that compares the batched records of lanes and rows; empty if both counts agree."""
    if delivery.batched == delivery.batched_by_lanes:
        return ""
    return f", {delivery.batched_by_lanes:,} records sent in batches, {delivery.batched:,} rows written of them"


def _counted(reasons: Iterable[Reason]) -> str:
    """Return error codes with their record counts.

    The API's own messages are left out: they may repeat sent values, and stay in the records' rows.
    """
    said: dict[str, int] = {}
    for reason in reasons:
        has_answer = reason.http_status is not None and f"http_{reason.http_status}" != reason.code
        name = f"{reason.code}, HTTP {reason.http_status}" if has_answer else reason.code
        said[name] = said.get(name, 0) + reason.records
    return "; ".join(f"{name}: {records:,} records" for name, records in said.items())
