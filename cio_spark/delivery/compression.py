"""Decides whether bodies are compressed: gzip is tried first, and given up if the API does not accept it."""

from __future__ import annotations

from cio_spark.delivery.exchange import Answer


class Compression:
    """Keeps what a process has learned about gzip; its lanes share it.

    It is not documented whether the API accepts compressed bodies. A 415 may be about the encoding, and so may a 400 as
    long as the API has accepted no compressed body. The same body is then sent again uncompressed; if that is accepted,
    all later bodies are sent uncompressed.

    Args:
        wanted: whether compression is configured.
        strict_mode: whether the API is asked for errors instead of silent drops. Without strict mode the API answers
            200 also to what it drops, so no answer could show that it reads gzip: bodies are sent uncompressed.
    """

    def __init__(self, wanted: bool, strict_mode: bool) -> None:
        self.active = wanted and strict_mode
        self._proven = False

    def accepted(self) -> None:
        """Record that the API has accepted a compressed body."""
        self._proven = True

    def doubtful(self, answer: Answer) -> bool:
        """Tell whether this answer to a compressed body may be about the compression."""
        return answer.status == 415 or (answer.status == 400 and not self._proven)

    def give_up(self) -> None:
        """Stop compressing, because the API accepted the same body only uncompressed."""
        self.active = False
