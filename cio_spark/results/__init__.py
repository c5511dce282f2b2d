"""The Delta tables: where they are, how they are made, what is written to them and read back."""

from cio_spark.results.batch_operations import append_batch_operations, sum_batches
from cio_spark.results.claims import Claim, KeptClaim, claim_sync, new_run_id
from cio_spark.results.record_status import append_record_status, count_statuses
from cio_spark.results.setup import set_up_tables
from cio_spark.results.staging import Staging
from cio_spark.results.sync_runs import RunEnd, end_run, last_runs
from cio_spark.results.tables import Tables

__all__ = [
    "Claim",
    "KeptClaim",
    "RunEnd",
    "Staging",
    "Tables",
    "append_batch_operations",
    "append_record_status",
    "claim_sync",
    "count_statuses",
    "end_run",
    "last_runs",
    "new_run_id",
    "set_up_tables",
    "sum_batches",
]
