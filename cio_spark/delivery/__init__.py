"""Delivers records to the API: builds batches, sends them over HTTP, retries them and keeps the rate.

It works on iterators: prepared records in, outcomes out. Only `engine.py` imports pyspark.
"""

from cio_spark.delivery.classification import ErrorCategory, Outcome, Verdict
from cio_spark.delivery.outcome import BatchFacts, OutcomeGroup, RecordOutcome
from cio_spark.delivery.partition import deliver_partition
from cio_spark.delivery.probe import ProbeSettings, check_api, probe, probe_settings
from cio_spark.delivery.process_state import ProcessState
from cio_spark.delivery.records import PreparedRow
from cio_spark.delivery.settings import DeliverySettings, delivery_settings

__all__ = [
    "BatchFacts",
    "DeliverySettings",
    "ErrorCategory",
    "Outcome",
    "OutcomeGroup",
    "PreparedRow",
    "ProbeSettings",
    "ProcessState",
    "RecordOutcome",
    "Verdict",
    "check_api",
    "deliver_partition",
    "delivery_settings",
    "probe",
    "probe_settings",
]
