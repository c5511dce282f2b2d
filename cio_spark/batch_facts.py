"""Lists the facts that the tables keep of every root batch: the fields of `record_status.batch`, in one place."""

from __future__ import annotations

from typing import NamedTuple


class BatchFact(NamedTuple):
    """Describes one fact of a root batch.

    Attributes:
        type: SQL type of the fact.
        is_summed: True if a run's total is the sum of this fact over its batches.
        in_metadata: True if `batch_operations.metadata` contains the fact; other columns of that table tell the
            remaining facts.
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
    # Facts that were added later come after those that older tables have
    "limit_records": BatchFact("INT"),
    "limit_bytes": BatchFact("BIGINT"),
}
"""Facts by name, in the order of the tables' fields; `delivery.outcome.BatchFacts` explains each of them."""


RETRIES_SQL = "greatest(0, coalesce(sum(attempts), 0) - count(attempts) - 2 * coalesce(sum(splits), 0))"
"""SQL expression that computes `retries_of` over rows of batches."""


def retries_of(attempts: int, batches: int, splits: int) -> int:
    """Count the tries that were not the first try of a batch or of a part; `RETRIES_SQL` does the same in SQL.

    Args:
        attempts: number of tries of some batches and of their parts.
        batches: number of those batches that were tried.
        splits: number of divisions of those batches and parts. Each division makes two parts, whose first tries are not
            retries.
    """
    return max(0, attempts - batches - 2 * splits)
