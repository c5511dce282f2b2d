"""Makes deterministic message ids in the form of a ULID: 10 characters of time and 16 of hash, in Crockford's base 32.

The time is `occurred_at` in milliseconds (zero without one). The 80 bits of hash are two 40-bit halves of xxHash64
under two seeds over sync, record_id, payload_hash and the record's previously accepted message id, so that a payload
that changes A → B → A gets three ids. The digits are cut out of a text of all pairs of digits, ten bits at a time:
`conv` and `translate` cost ten times as much (docs/decisions/0003-message-ids.md, docs/decisions/0007-less-per-row.md).
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from cio_spark.config.api_limits import MESSAGE_ID_BYTES
from cio_spark.ids import CROCKFORD, TIME_CHARACTERS

_PAIRS = "".join(one + other for one in CROCKFORD for other in CROCKFORD).encode()
_LARGEST_TIME = 2**48 - 1
_SEEDS = (1, 2)
MAX_INT = 2**31 - 1


def _digits(number: Column, characters: int) -> list[Column]:
    """Return the lowest 5 × `characters` bits of a BIGINT as base-32 digits, two digits per Column."""
    digits = []
    for shift in range(5 * (characters - 2), -1, -10):
        # A pair has two bytes, so its place is twice its number: shifted one bit less, and the lowest bit cleared
        place = F.shiftrightunsigned(number, shift - 1) if shift else F.shiftleft(number, 1)
        digits.append(F.lit(_PAIRS).substr(place.bitwiseAND(F.lit(2046)).cast("int") + F.lit(1), F.lit(2)))
    return digits


def _time_digits() -> list[Column]:
    # Floating point comes first, so that a far-away timestamp does not overflow; it is exact up to 2^53 ms
    millis = F.unix_micros("occurred_at") / F.lit(1000)
    time = F.coalesce(F.least(F.greatest(F.floor(millis), F.lit(0)), F.lit(_LARGEST_TIME)), F.lit(0)).cast("bigint")
    return _digits(time, TIME_CHARACTERS)


def message_time() -> Column:
    """Return the 10 characters of `occurred_at` with which every message id of a record begins; they sort by time."""
    return F.concat(*_time_digits()).cast("string")


def message_id(sync: str) -> Column:
    """Make the id of a record from its `occurred_at`, `record_id`, `payload_hash` and `accepted_message_id`."""
    halves = [
        F.xxhash64(F.lit(seed), F.lit(sync), F.col("record_id"), F.col("payload_hash"), F.col("accepted_message_id"))
        for seed in _SEEDS
    ]
    return F.concat(*_time_digits(), *_digits(halves[0], 8), *_digits(halves[1], 8)).cast("string")


def add_message_id(records: DataFrame, sync: str) -> DataFrame:
    """Add `message_id` and put it first in the payload; `payload_bytes` then counts it too.

    After the payload comes a comma, which `payload_bytes` does not count; `delivery.records.PreparedRow` explains it.

    Records that validation refused are never sent, so they get no id and lose their payload. A record keeps an id that
    it has already: a replay sends letters under the ids that they had, and a version whose last attempt failed goes
    again under the id of that attempt.

    Args:
        records: classified records with `occurred_at`, `record_id`, `payload`, `payload_hash`, `payload_bytes`,
            `accepted_message_id`, `error_code`; and `message_id`, where there are records that keep one.
        sync: name of the sync.
    """
    valid = F.col("error_code").isNull()
    # The payload is cut as bytes: `substring` of a text walks it character by character, which cost more than the id
    behind_the_brace = F.substring(F.col("payload").cast("binary"), 2, MAX_INT)
    spliced = F.concat(
        F.lit(b'{"messageId":"'), F.col("message_id").cast("binary"), F.lit(b'",'), behind_the_brace, F.lit(b",")
    ).cast("string")
    size = F.col("payload_bytes") + F.when(valid, MESSAGE_ID_BYTES).otherwise(0)
    made = message_id(sync)
    if "message_id" in records.columns:
        made = F.coalesce("message_id", made)
    return (
        records.withColumn("message_id", F.when(valid, made))
        .withColumn("payload", F.when(valid, spliced))
        .withColumn("payload_bytes", size)
    )
