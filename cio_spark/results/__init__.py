"""Creates, writes and reads the Delta tables, and knows where they are."""

from cio_spark.results.batch_operations import append_batch_operations
from cio_spark.results.claims import (
    Claim,
    Claimant,
    ClaimOpening,
    LostRun,
    check_claim,
    claim_sync,
    mark_settled,
    read_claims,
    register_taken_over,
)
from cio_spark.results.dead_letters import append_dead_letters
from cio_spark.results.in_doubt import append_in_doubt, has_committed_statuses, has_dead
from cio_spark.results.maintenance import maintain_tables
from cio_spark.results.record_status import append_record_status, count_statuses, has_api_verdicts
from cio_spark.results.setup import are_set_up, set_up_tables
from cio_spark.results.staging import Staging
from cio_spark.results.sync_runs import (
    ClaimState,
    RunEnd,
    append_events,
    claims_of,
    end_run,
    last_runs,
    newest_run,
    open_runs,
)
from cio_spark.results.tables import Tables

__all__ = [
    "Claim",
    "ClaimOpening",
    "ClaimState",
    "Claimant",
    "LostRun",
    "RunEnd",
    "Staging",
    "Tables",
    "append_batch_operations",
    "append_dead_letters",
    "append_events",
    "append_in_doubt",
    "append_record_status",
    "are_set_up",
    "check_claim",
    "claim_sync",
    "claims_of",
    "count_statuses",
    "end_run",
    "has_api_verdicts",
    "has_committed_statuses",
    "has_dead",
    "last_runs",
    "maintain_tables",
    "mark_settled",
    "newest_run",
    "open_runs",
    "read_claims",
    "register_taken_over",
    "set_up_tables",
]
