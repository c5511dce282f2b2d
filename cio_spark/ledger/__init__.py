"""Finds out what earlier runs did with each record, and what must therefore be sent now; makes `message_id`."""

from cio_spark.ledger.latest_attempts import accepted_persons, latest_attempts, newest_accepted
from cio_spark.ledger.message_id import add_message_id
from cio_spark.ledger.pending import pending_keys
from cio_spark.ledger.source_comparison import ID_HASH, compare_hashes, has_hashes, id_hash
from cio_spark.ledger.state_counts import (
    count_reasons,
    count_states,
    counts_from_sums,
    estimate_first_run,
    sample_bytes,
    state_sums,
)
from cio_spark.ledger.states import STATES_IN_DELIVERY, STATES_TO_SEND, classify_records, mark_all_new

__all__ = [
    "ID_HASH",
    "STATES_IN_DELIVERY",
    "STATES_TO_SEND",
    "accepted_persons",
    "add_message_id",
    "classify_records",
    "compare_hashes",
    "count_reasons",
    "count_states",
    "counts_from_sums",
    "estimate_first_run",
    "has_hashes",
    "id_hash",
    "latest_attempts",
    "mark_all_new",
    "newest_accepted",
    "pending_keys",
    "sample_bytes",
    "state_sums",
]
