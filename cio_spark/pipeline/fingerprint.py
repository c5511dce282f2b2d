"""Makes the hash of all settings that decide which bytes a row becomes, and which state its record gets."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Collection, Sequence

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from cio_spark.config import SyncConfig
from cio_spark.spark import sql as users_sql
from cio_spark.spark.fixed_settings import SessionSettings

DECISIONS_FORMAT = 1
"""Version of the rules of validation and of states; a change of them makes the next run look at all rows."""
_ABOUT_SCOPE = ("changes", "full_every_days")
_DEFAULT = "EXISTS_DEFAULT"


def fingerprint(config: SyncConfig, settings: SessionSettings, spark_version: str) -> str:
    """Make the fingerprint of a run; a run with another one must look at all rows of the source.

    Args:
        config: configuration of the sync.
        settings: settings that the session has fixed.
        spark_version: version of the Spark that evaluates the expressions.
    """
    said = config.describe()
    decisive = {
        "source": {name: value for name, value in said["source"].items() if name not in _ABOUT_SCOPE},
        "payload": said["payload"],
        "on_change": said["sync"]["on_change"],
        "operation_type": said["sync"]["operation_type"],
        "error_handling": said["batch"]["error_handling"],
        "store_payloads": said["dead_letters"]["store_payloads"],
        **_of_session(settings, _minor(spark_version)),
    }
    return _hash(decisive)


def mapping_fingerprint(
    config: SyncConfig, settings: SessionSettings, spark_version: str, fields: Sequence[T.StructField]
) -> str:
    """Make the fingerprint of what turns a row into a payload: equal rows become equal payloads if it is the same.

    Args:
        config: configuration of the sync.
        settings: settings that the session has fixed.
        spark_version: version of the Spark that evaluates the expressions.
        fields: the source columns that the payload is made of.
    """
    return _hash(
        {
            "payload": config.describe()["payload"],
            # The default of a column decides how to_json writes its nulls
            "columns": [(field.name, _plain(field.dataType), field.metadata.get(_DEFAULT)) for field in fields],
            **_of_session(settings, spark_version),
        }
    )


def columns_hash(rows: DataFrame, used: Collection[str]) -> str:
    """Make the hash of the names, types and defaults of the columns that a sync uses.

    Args:
        rows: rows of the source.
        used: names of these columns.
    """
    return _hash([field.jsonValue() | {"nullable": True} for field in rows.schema.fields if field.name in used])


def outside_function(spark: SparkSession, config: SyncConfig) -> str | None:
    """Return the name of a function that is not Spark's own, or the path of an expression that cannot be read.

    The result of such a function may change although neither the row nor the configuration does. None if there is none.

    Args:
        spark: the session.
        config: configuration of the sync.
    """
    called: set[str] = set()
    for path, text in config.expressions().items():
        try:
            called |= users_sql.called_functions(text)
        except users_sql.UnreadableSqlError:
            return path
    if not called:
        return None
    qualified = next((name for name in sorted(called) if "." in name), None)
    if qualified is not None:
        return qualified
    own = {str(row[0]).rpartition(".")[2].lower() for row in spark.sql("SHOW USER FUNCTIONS").collect()}
    return next((name for name in sorted(called) if name in own), None)


def _plain(kind: T.DataType) -> object:
    """Describe a type by the names and types of its parts, as they are after staging too."""
    if isinstance(kind, T.StructType):
        return [(field.name, _plain(field.dataType)) for field in kind.fields]
    if isinstance(kind, T.ArrayType):
        return {"array": _plain(kind.elementType)}
    if isinstance(kind, T.MapType):
        return {"map": [_plain(kind.keyType), _plain(kind.valueType)]}
    return kind.simpleString()


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _of_session(settings: SessionSettings, spark_version: str) -> dict[str, object]:
    """Return what decides about bytes and states beside the configuration."""
    return {
        "session": settings.deviations,
        "bytes": settings.bytes_format,
        "decisions": DECISIONS_FORMAT,
        "spark": spark_version,
    }


def session_variable(spark: SparkSession, config: SyncConfig, columns: Collection[str]) -> str | None:
    """Return the name of a session variable that an expression reads; its value may change. None if there is none.

    Args:
        spark: the session.
        config: configuration of the sync, whose expressions can be read.
        columns: names of the source's columns; they take precedence.
    """
    known = {name.lower() for name in columns}
    names = {name for text in config.expressions().values() for name in users_sql.read_names(text)}
    for name in sorted(name for name in names if name[0].lower() not in known):
        with contextlib.suppress(AnalysisException, ParseException):
            _ = spark.sql(f"SELECT {users_sql.quoted(*name)}").schema
            return ".".join(name)
    return None


def _hash(facts: object) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
