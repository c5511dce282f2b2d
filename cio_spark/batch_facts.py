"""Lists what is written down of every root batch: the fields of `record_status.batch`, each said once."""

from __future__ import annotations

from typing import NamedTuple


class BatchFact(NamedTuple):
    """Describes one fact of a root batch.

    Attributes:
        type: its SQL type.
        is_summed: whether a run's total is a sum of it.
        in_metadata: whether `batch_operations.metadata` has it; other columns of that table say the rest.
    """

    type: str
    is_summed: bool = False
    in_metadata: bool = True


BATCH_FACTS: dict[str, BatchFact] = {
    "wave": BatchFact("INT"),
    "partition": BatchFact("INT"),
    "lane": BatchFact("INT"),
    "worker": BatchFact("STRING"),
    "started_at": BatchFact("TIMESTAMP_LTZ", in_metadata=False),
    "completed_at": BatchFact("TIMESTAMP_LTZ", in_metadata=False),
    "records": BatchFact("INT", is_summed=True, in_metadata=False),
    "bytes": BatchFact("BIGINT", is_summed=True),
    "compressed_bytes": BatchFact("BIGINT", is_summed=True),
    "requests": BatchFact("INT", is_summed=True),
    "attempts": BatchFact("INT", is_summed=True),
    "splits": BatchFact("INT", is_summed=True),
    "request_seconds": BatchFact("DOUBLE", is_summed=True),
    "throttled_seconds": BatchFact("DOUBLE", is_summed=True),
    "memory_usage_mb": BatchFact("DOUBLE"),
    "cpu_usage_percent": BatchFact("DOUBLE"),
    # Facts that came later stand behind those that older tables have
    "limit_records": BatchFact("INT"),
    "limit_bytes": BatchFact("BIGINT"),
}
"""By name, in the order of the tables; `delivery.outcome.BatchFacts` says what each one means."""


RETRIES_SQL = "greatest(0, coalesce(sum(attempts), 0) - count(attempts) - 2 * coalesce(sum(splits), 0))"
"""SQL, over batches: `retries_of`."""


def retries_of(attempts: int, batches: int, splits: int) -> int:
    """Count the tries that were no first ones; `RETRIES_SQL` says the same of rows.

    Args:
        attempts: tries of some batches and their parts.
        batches: that were tried.
        splits: divisions of them and their parts; each makes two parts, whose first tries are no retries.
    """
    return max(0, attempts - batches - 2 * splits)
