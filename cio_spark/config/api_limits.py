"""Lists the limits of the API, each in this one place; docs/delivery.md explains them.

Their sources are the OpenAPI document of the API and the official clients.
"""

from __future__ import annotations

# "500 KB per batch" and "32 KB per call", with 1 KB = 1,000 bytes; a body counts with its envelope, before compression
MAX_BODY_BYTES = 500_000
MAX_ITEM_BYTES = 32_000
MAX_ID_BYTES = 150
MAX_EVENT_NAME_BYTES = 100
MAX_NAME_BYTES = 150
MAX_VALUE_BYTES = 1_000
MAX_ATTRIBUTES = 300
OBJECT_TYPE = "[0-9]{1,9}"
# A pattern that Spark matches with the whole text; white space around it is allowed. `try_to_number` is no alternative:
# in Spark 4.0 it raises an error where it should give null
WHOLE_OBJECT_TYPE = rf"\A\s*{OBJECT_TYPE}\s*\z"
DEVICE_TYPES = ("ios", "android")
# The years 1 to 9999, which ISO 8601 writes with four digits, in seconds since 1970; END_SECOND itself is outside
EARLIEST_SECOND = -62_135_596_800
END_SECOND = 253_402_300_800
# Bytes that a message id adds to a call: the key, the quotes and the colon, 26 characters, a comma
MESSAGE_ID_BYTES = len('"messageId":"",') + 26
