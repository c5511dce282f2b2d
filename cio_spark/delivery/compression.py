"""Whether bodies go compressed: tried first, given up when the API turns out not to take it."""

from __future__ import annotations

from cio_spark.delivery.exchange import Answer


class Compression:
    """What a process has learned about gzip; shared by its lanes.

    Whether the API takes compressed bodies is not documented. Until it has taken one, a 400 or 415 may mean the
    encoding, so the same body is sent again plain; if that is accepted, everything goes plain from then on.

    Args:
        wanted: whether it was configured.
        strict_mode: without it the API answers 200 to what it drops, so no answer could ever show that it reads gzip:
            bodies go plain.
    """

    def __init__(self, wanted: bool, strict_mode: bool) -> None:
        self.active = wanted and strict_mode
        self._proven = False

    def accepted(self) -> None:
        """The API has taken a compressed body."""
        self._proven = True

    def doubtful(self, answer: Answer) -> bool:
        """Whether this answer to a compressed body may be about the compression."""
        return answer.status == 415 or (answer.status == 400 and not self._proven)

    def give_up(self) -> None:
        """The same body was accepted plain."""
        self.active = False
