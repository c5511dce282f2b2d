"""Expresses the API's limits and rules as Columns: a code and a sentence for every record that must not be sent."""

from cio_spark.validation.validate import validate_records

__all__ = ["validate_records"]
