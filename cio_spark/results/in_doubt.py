"""Appends rows of `record_status` for records that a run may have sent before it died."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cio_spark.results.tables import Tables, lost_the_race
from cio_spark.schemas import RECORD_STATUS, SENT_COLUMNS, struct_of

IN_DOUBT = "in_doubt"
_MESSAGE = "the run ended while this record may have been on its way; whether it arrived is unknown"


def append_in_doubt(tables: Tables, records: DataFrame, *, run_id: str, sync: str, operation_type: str) -> None:
    """Append `failed` rows with the code `in_doubt`, only once for a run, however often this is called.

    Args:
        tables: where the tables are.
        records: what was sent of the records, see `schemas.SENT_COLUMNS`.
        run_id, sync, operation_type: id, sync and operation type of the run that died.
    """
    columns = {
        "run_id": F.lit(run_id),
        "sync": F.lit(sync),
        "operation_type": F.lit(operation_type),
        "status": F.lit("failed"),
        "error_category": F.lit("unknown"),
        "error_code": F.lit(IN_DOUBT),
        "error_message": F.lit(_MESSAGE),
        "attempts": F.lit(0),
    }
    schema = struct_of(RECORD_STATUS)
    values = [
        (columns.get(field.name, F.lit(None)) if field.name not in SENT_COLUMNS else F.col(field.name))
        .cast(field.dataType)
        .alias(field.name)
        for field in schema.fields
    ]
    settlement = records.select(*values)

    def append() -> None:
        tables.append("record_status", settlement, app_id=f"settle-{run_id}", app_version=0)

    try:
        append()
    except Exception as error:
        if not lost_the_race(error):
            raise
        append()  # if another run has recovered this run at the same moment, this adds nothing


def has_committed_statuses(tables: Tables, run_id: str, sync: str) -> bool:
    """Tell whether a run committed any statuses; `in_doubt` rows do not count."""
    mine = tables.read("record_status").where((F.col("sync") == sync) & (F.col("run_id") == run_id))
    return not mine.where(F.coalesce("error_code", F.lit("")) != IN_DOUBT).limit(1).isEmpty()


def has_dead(tables: Tables, run_id: str, sync: str) -> bool:
    """Tell whether a run wrote records that may be dead letters."""
    mine = tables.read("record_status").where((F.col("sync") == sync) & (F.col("run_id") == run_id))
    return not mine.where(F.col("status").isin("rejected", "invalid", "failed")).limit(1).isEmpty()
