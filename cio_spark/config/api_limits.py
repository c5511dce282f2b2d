"""What the API takes (its OpenAPI document and the official clients; docs/delivery.md), each limit said once."""

from __future__ import annotations

# "500 KB per batch" and "32 KB per call", read decimally; the body with its envelope, before compression
MAX_BODY_BYTES = 500_000
MAX_ITEM_BYTES = 32_000
MAX_ID_BYTES = 150
MAX_EVENT_NAME_BYTES = 100
MAX_NAME_BYTES = 150
MAX_VALUE_BYTES = 1_000
MAX_ATTRIBUTES = 300
OBJECT_TYPE = "[0-9]{1,9}"
# The whole text but for white space, as Spark is told; its `try_to_number` raises in 4.0 where it should give null
WHOLE_OBJECT_TYPE = rf"\A\s*{OBJECT_TYPE}\s*\z"
DEVICE_TYPES = ("ios", "android")
# Years 1 to 9999 in seconds since 1970, the end left out: what ISO 8601 writes with four digits
EARLIEST_SECOND = -62_135_596_800
LATEST_SECOND = 253_402_300_800
# What a message id adds to a call: the key, its quotes and colon, 26 characters, a comma
MESSAGE_ID_BYTES = len('"messageId":"",') + 26
