"""The limits records are held to (api_facts, Transport and Payload)."""

# "32 KB per call", read decimally, message id included
MAX_ITEM_BYTES = 32_000
MAX_ID_BYTES = 150
MAX_EVENT_NAME_BYTES = 100
MAX_NAME_BYTES = 150
MAX_VALUE_BYTES = 1_000
MAX_ATTRIBUTES = 300
# What the ledger stage adds to a payload: "messageId":"<26 characters>",
MESSAGE_ID_BYTES = 41
