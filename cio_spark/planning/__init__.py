"""Pure arithmetic: configuration + slots + counts → `DeliveryPlan`."""

from cio_spark.planning.limits import body_limit, records_limit
from cio_spark.planning.pacing import Pacing, pace
from cio_spark.planning.plan import plan_delivery

__all__ = ["Pacing", "body_limit", "pace", "plan_delivery", "records_limit"]
