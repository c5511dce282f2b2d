"""Finds texts of Spark that are not UTF-8: Spark accepts any bytes as a text, but Python stops at such a text."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

REPLACED = "\ufffd"
"""Character that `to_json` writes for each byte that is not UTF-8."""


def is_utf8(text: Column) -> Column:
    """Tell whether the bytes of a text are UTF-8; null for null.

    `encode` reads the text and writes it again, with a replacement for what cannot be read. Spark itself has a function
    for this check only from version 4 on.
    """
    return F.encode(text, "utf-8") == text.cast("binary")
