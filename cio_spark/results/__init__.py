"""Creates, writes and reads the Delta tables, and knows where they are."""

from cio_spark.results.batch_operations import append_batch_operations
from cio_spark.results.claimant import Claimant
from cio_spark.results.claims import (
    Claim,
    ClaimOpening,
    LostRun,
    RunIdentity,
    check_claim,
    claim_sync,
    find_claim,
    identify_run,
    name_run,
    read_claims,
    register_taken_over,
)
from cio_spark.results.dead_letters import append_dead_letters
from cio_spark.results.in_doubt import IN_DOUBT, append_in_doubt, has_committed_statuses, has_dead
from cio_spark.results.maintenance import MAINTENANCE_COMMENT, maintain_tables
from cio_spark.results.record_status import append_record_status, count_statuses, has_api_verdicts
from cio_spark.results.run_states import RunState
from cio_spark.results.setup import are_set_up, set_up_tables
from cio_spark.results.staging import Staging
from cio_spark.results.sync_runs import (
    RunEnd,
    RunHistory,
    append_events,
    end_run,
    last_runs,
    open_runs,
    read_history,
)
from cio_spark.results.tables import Tables

__all__ = [
    "IN_DOUBT",
    "MAINTENANCE_COMMENT",
    "Claim",
    "ClaimOpening",
    "Claimant",
    "LostRun",
    "RunEnd",
    "RunHistory",
    "RunIdentity",
    "RunState",
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
    "count_statuses",
    "end_run",
    "find_claim",
    "has_api_verdicts",
    "has_committed_statuses",
    "has_dead",
    "identify_run",
    "last_runs",
    "maintain_tables",
    "name_run",
    "open_runs",
    "read_claims",
    "read_history",
    "register_taken_over",
    "set_up_tables",
]
