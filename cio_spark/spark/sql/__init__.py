"""Reads users' SQL with a parser and without Spark: names, conditions, changing values and sort keys in a text."""

from cio_spark.spark.sql.changing import (
    ChangingParts,
    find_changing_parts,
    is_changing_function,
    is_random,
    is_special_time,
)
from cio_spark.spark.sql.conditions import AND_CUTS, Comparison, and_cuts, read_comparisons
from cio_spark.spark.sql.names import (
    TableName,
    called_functions,
    identifier_parts,
    is_column_name,
    quoted,
    read_names,
    table_names,
    words_in,
)
from cio_spark.spark.sql.queries import has_subquery, query_problem, without_semicolon
from cio_spark.spark.sql.sorting import SortKey, read_sort_key
from cio_spark.spark.sql.texts import string_contexts
from cio_spark.spark.sql.tokens import Token, UnreadableSqlError, is_readable, read_tokens

__all__ = [
    "AND_CUTS",
    "ChangingParts",
    "Comparison",
    "SortKey",
    "TableName",
    "Token",
    "UnreadableSqlError",
    "and_cuts",
    "called_functions",
    "find_changing_parts",
    "has_subquery",
    "identifier_parts",
    "is_changing_function",
    "is_column_name",
    "is_random",
    "is_readable",
    "is_special_time",
    "query_problem",
    "quoted",
    "read_comparisons",
    "read_names",
    "read_sort_key",
    "read_tokens",
    "string_contexts",
    "table_names",
    "without_semicolon",
    "words_in",
]
