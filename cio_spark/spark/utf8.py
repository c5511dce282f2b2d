"""Finds texts of Spark that are no UTF-8: it takes any bytes for a text, and Python stops at the first that is none."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

REPLACED = "\ufffd"
"""The character that `to_json` writes for each byte that is no UTF-8."""


def is_utf8(text: Column) -> Column:
    """Tell whether the bytes of a text are UTF-8; null for null.

    `encode` reads the text and writes it anew, with a replacement for what cannot be read. Spark has a function of its
    own for this question only from version 4 on.
    """
    return F.encode(text, "utf-8") == text.cast("binary")
