"""Says in one sentence what to do after a run; only here the configuration is known that decides it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cio_spark.config import SyncConfig
from cio_spark.errors import ExitStatus
from cio_spark.model import Books
from cio_spark.pipeline.known_records import failed_wait_for_replay

NEXT_STEPS: Final[Mapping[ExitStatus, str]] = {
    ExitStatus.INTERNAL_ERROR: "Run again; first mend what the sentence names.",
    ExitStatus.CONFIGURATION_ERROR: "Mend what the sentence names, and run again; nothing was sent.",
    ExitStatus.KEY_REFUSED: "Check the key and api.region, and run again.",
    ExitStatus.BOOKS_NOT_BALANCED: "Do not trust the counts; run again, and report it if it stays.",
    ExitStatus.API_UNAVAILABLE: "Run again later; nothing is lost.",
    ExitStatus.FAIL_FAST: "Mend what the codes below name, and run again: it goes on from there.",
    ExitStatus.TAKEN_OVER: "Run again: the next run recovers this one.",
    ExitStatus.CANCELLED_SIGINT: "Run again: it goes on from there.",
    ExitStatus.CANCELLED_SIGTERM: "Run again: it goes on from there.",
}
"""Next steps after the ends that do not depend on what became of the rows; docs/reliability.md says more."""

_REFUSED = (
    "Records were refused: the codes below, record_status and dead_letters say why. Mend the reason, then run "
    "replay_sync, or the sync."
)
_REFUSED_NEVER_HELD = (
    "Records were refused: the codes below and record_status say why. Mend the reason, and run again: what the API "
    "refused goes in any case, what our validation refused when its row has changed."
)
_WAITS = "Run replay_sync, or cio-spark replay: what has failed waits for it in dead_letters, no run sends it."
_AGAIN = "Run again: what has failed or was not sent goes with the next run, under the same ids."
_HELD = "Records that our validation refused before stay unsent: dead_letters says why; mend their rows, and run again."
_NOTHING = "Nothing to do: the next run sends what is new or has changed."


def decide_next_step(config: SyncConfig, exit_status: ExitStatus, books: Books) -> str:
    """Decide what to do after a run that has closed its books.

    Args:
        config: configuration of the sync.
        exit_status: exit status of the run.
        books: all counts of the run.
    """
    if exit_status in NEXT_STEPS:
        return NEXT_STEPS[exit_status]
    delivery = books.delivery
    # Suppressions and deletions are tried by every run
    waits = delivery.failed and config.call.is_held and failed_wait_for_replay(config)
    steps = []
    if delivery.invalid or delivery.rejected:
        steps.append(_REFUSED if config.call.is_held else _REFUSED_NEVER_HELD)
    if waits:
        steps.append(_WAITS)
    if delivery.not_attempted or (delivery.failed and not waits):
        steps.append(_AGAIN)
    if books.survey.held and not config.call.is_held:
        steps.append(_HELD)
    return " ".join(steps) or _NOTHING
