"""Pure arithmetic: configuration + slots + counts → `DeliveryPlan`."""

from cio_spark.planning.limits import API_MAX_BODY_BYTES, body_limit, records_limit
from cio_spark.planning.pacing import Pacing, pace
from cio_spark.planning.plan import plan_delivery

__all__ = ["API_MAX_BODY_BYTES", "Pacing", "body_limit", "pace", "plan_delivery", "records_limit"]
