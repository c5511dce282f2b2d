"""Fixes the settings of a session on which the sent bytes depend, and records their values.

Without that, two sessions would send two versions of one row, and therefore send everything again
(docs/decisions/0015-what-reaches-a-byte.md).
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from cio_spark.errors import ConfigurationError
from cio_spark.spark.conf import read_setting, temporary_settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_P = ParamSpec("_P")
_R = TypeVar("_R")

BYTES_FORMAT = 2
"""Version of the bytes that the package makes of a row; a run that recorded no version had format 1."""

TIME_ZONE = "spark.sql.session.timeZone"
# The defaults of Spark 4
FIXED = {
    # Times: the results of literals, casts and patterns
    "spark.sql.timestampType": "TIMESTAMP_LTZ",
    "spark.sql.legacy.timeParserPolicy": "CORRECTED",
    "spark.sql.legacy.typeCoercion.datetimeToString.enabled": "false",
    "spark.sql.legacy.interval.enabled": "false",
    "spark.sql.legacy.fromDayTimeString.enabled": "false",
    # JSON
    "spark.sql.jsonGenerator.ignoreNullFields": "true",
    "spark.sql.jsonGenerator.writeNullIfWithDefaultValue": "true",
    "spark.sql.json.enablePartialResults": "true",
    "spark.sql.json.enableExactStringParsing": "true",
    "spark.sql.legacy.json.allowEmptyString.enabled": "false",
    "spark.sql.variant.allowDuplicateKeys": "false",
    # Numbers: the type of an expression, and the treatment of values that do not fit into it
    "spark.sql.ansi.enabled": "true",
    "spark.sql.decimalOperations.allowPrecisionLoss": "true",
    "spark.sql.legacy.decimal.retainFractionDigitsOnTruncate": "false",
    "spark.sql.legacy.literal.pickMinimumPrecision": "true",
    "spark.sql.legacy.exponentLiteralAsDecimal.enabled": "false",
    "spark.sql.legacy.allowNegativeScaleOfDecimal": "false",
    # Texts and bytes
    "spark.sql.binaryOutputStyle": "UTF-8",
    "spark.sql.chunkBase64String.enabled": "true",
    "spark.sql.legacy.castComplexTypesToString.enabled": "false",
    "spark.sql.legacy.charVarcharAsString": "false",
    "spark.sql.charAsVarchar": "false",
    "spark.sql.readSideCharPadding": "true",
    "spark.sql.legacy.noCharPaddingInPredicate": "false",
    "spark.sql.preserveCharVarcharTypeInfo": "false",
    "spark.sql.legacy.javaCharsets": "false",
    "spark.sql.legacy.codingErrorAction": "false",
    "spark.sql.legacy.lpadRpadAlwaysReturnString": "false",
    "spark.sql.legacy.truncateForEmptyRegexSplit": "false",
    "spark.sql.legacy.allowZeroIndexInFormatString": "false",
    "spark.sql.function.concatBinaryAsString": "false",
    "spark.sql.function.eltOutputAsString": "false",
    # Maps, arrays and hashes
    "spark.sql.mapKeyDedupPolicy": "EXCEPTION",
    "spark.sql.legacy.disableMapKeyNormalization": "false",
    "spark.sql.legacy.sizeOfNull": "true",
    "spark.sql.legacy.createEmptyCollectionUsingStringType": "false",
    "spark.sql.legacy.negativeIndexInArrayInsert": "false",
    "spark.sql.legacy.followThreeValuedLogicInArrayExists": "true",
    "spark.sql.legacy.allowNullComparisonResultInArraySort": "false",
    "spark.sql.legacy.collationAwareHashFunctions": "false",
    "spark.sql.legacy.allowHashOnMapType": "false",
    # Parsing of SQL
    "spark.sql.ansi.doubleQuotedIdentifiers": "false",
    "spark.sql.parser.escapedStringLiterals": "false",
    "spark.sql.parser.quotedRegexColumnNames": "false",
    "spark.sql.variable.substitute": "true",
    "spark.sql.legacy.consecutiveStringLiterals.enabled": "false",
    "spark.sql.legacy.bangEqualsNot": "false",
    "spark.sql.legacy.duplicateBetweenInput": "false",
    "spark.sql.legacy.setopsPrecedence.enabled": "false",
}
# The right values depend on the table (its columns, and the program that wrote its files), so the session's values stay
RECORDED = (
    "spark.sql.caseSensitive",
    "spark.sql.parquet.datetimeRebaseModeInRead",
    "spark.sql.parquet.int96RebaseModeInRead",
)


@dataclass(frozen=True)
class SessionSettings:
    """Holds the settings that a run's bytes depend on.

    Attributes:
        values: values in force, by name; settings that this Spark does not know or does not show are missing.
        replaced: values that the session itself had, for settings that the run has changed.
        bytes_format: `BYTES_FORMAT` of the package.
    """

    values: dict[str, str]
    replaced: dict[str, str] = field(default_factory=dict)
    bytes_format: int = BYTES_FORMAT

    @property
    def deviations(self) -> dict[str, str]:
        """Return the values that are not those of `FIXED`.

        Spark knows some settings only after it has used them, so a setting without a value has its default.
        """
        return {name: value for name, value in self.values.items() if not _same(value, FIXED.get(name, ""))}

    def to_json(self) -> str:
        """Write the settings as the JSON text that `sync_runs` keeps."""
        return json.dumps({"bytes_format": self.bytes_format, "settings": self.values}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str | None) -> SessionSettings:
        """Read the settings that a run recorded; for a run that recorded none, return format 1 and no settings."""
        try:
            said: dict[str, Any] = json.loads(text or "")
            return cls(dict(said["settings"]), bytes_format=int(said["bytes_format"]))
        except (ValueError, KeyError, TypeError):
            return cls({}, bytes_format=1)


_in_force: dict[int, list[SessionSettings]] = {}


@contextlib.contextmanager
def fix_settings(spark: SparkSession, time_zone: str) -> Iterator[SessionSettings]:
    """Fix the settings on which the sent bytes depend, for as long as the block lasts.

    If a session refuses to change a setting, its own value stays, and is reported as the value in force.

    Args:
        spark: the session; a block for another time zone waits for the end of this one.
        time_zone: time zone of the sync.

    Raises:
        ConfigurationError: Spark knows no such time zone.
    """
    before = {
        name: value for name in (TIME_ZONE, *FIXED, *RECORDED) if (value := read_setting(spark, name)) is not None
    }
    known = {name: value for name, value in {TIME_ZONE: time_zone, **FIXED}.items() if name in before}
    # On Spark Connect every read of a setting is a round trip, so only the changed settings are read again
    others = [name for name, value in known.items() if not _same(before[name], value)]
    with temporary_settings(spark, known):
        values = {**before, **{name: value for name in others if (value := read_setting(spark, name)) is not None}}
        if values.get(TIME_ZONE) != time_zone and before.get(TIME_ZONE) == values.get(TIME_ZONE):
            _check_time_zone(spark, time_zone)
        replaced = {name: before[name] for name in others if not _same(before[name], values[name])}
        settings = SessionSettings(values, replaced)
        _in_force.setdefault(id(spark), []).append(settings)
        try:
            yield settings
        finally:
            _in_force[id(spark)].remove(settings)


def settings_in_force(spark: SparkSession) -> SessionSettings:
    """Return the settings that the innermost `fix_settings` block of a session has fixed."""
    return _in_force[id(spark)][-1]


def with_fixed_settings(run: Callable[_P, _R]) -> Callable[_P, _R]:
    """Make a function of a sync, `run(config, …, spark=…)`, fix the settings of the session while it runs."""

    @functools.wraps(run)
    def fixed(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        config: Any = args[0] if args else kwargs["config"]
        spark: Any = kwargs["spark"]
        with fix_settings(spark, config.payload.time_zone):
            return run(*args, **kwargs)

    return fixed


def _same(one: str, other: str) -> bool:
    return one.lower() == other.lower()


def _check_time_zone(spark: SparkSession, time_zone: str) -> None:
    """Raise an error if Spark does not know a time zone, but not if the session refuses to change the setting."""
    try:
        spark.conf.set(TIME_ZONE, time_zone)
    except Exception as error:
        if "TIME_ZONE" in str(error).upper():
            raise ConfigurationError.of(
                "payload.time_zone",
                f"is {time_zone!r}, a time zone that Spark does not know; write UTC or Europe/Berlin",
            ) from None
