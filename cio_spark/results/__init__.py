"""The Delta tables: where they are, how they are made, what is written to them and read back."""

from cio_spark.results.batch_operations import append_batch_operations
from cio_spark.results.claims import Claim, KeptClaim, LostRun, claim_sync, mark_settled, new_run_id
from cio_spark.results.dead_letters import append_dead_letters
from cio_spark.results.in_doubt import append_in_doubt, has_dead, has_written
from cio_spark.results.maintenance import maintain_tables
from cio_spark.results.record_status import append_record_status, count_statuses
from cio_spark.results.setup import set_up_tables
from cio_spark.results.staging import Staging
from cio_spark.results.sync_runs import ClaimState, RunEnd, claims_of, end_run, last_runs, last_session_settings
from cio_spark.results.tables import Tables

__all__ = [
    "Claim",
    "ClaimState",
    "KeptClaim",
    "LostRun",
    "RunEnd",
    "Staging",
    "Tables",
    "append_batch_operations",
    "append_dead_letters",
    "append_in_doubt",
    "append_record_status",
    "claim_sync",
    "claims_of",
    "count_statuses",
    "end_run",
    "has_dead",
    "has_written",
    "last_runs",
    "last_session_settings",
    "maintain_tables",
    "mark_settled",
    "new_run_id",
    "set_up_tables",
]
