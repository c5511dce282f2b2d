"""Checks field names that are known before a row is read: Customer.io's rules, and the names that policies list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pyspark.sql import types as T

from cio_spark.config.api_limits import MAX_ATTRIBUTES, MAX_NAME_BYTES
from cio_spark.config.payload import PayloadSection
from cio_spark.config.problems import nearest
from cio_spark.errors import Problem


def name_problems(name: str, advice: str) -> Iterator[str]:
    """Yield what is wrong with the name of a field.

    Args:
        name: the name.
        advice: what the user can do about a reserved name.
    """
    if len(name.encode()) > MAX_NAME_BYTES:
        yield f"the name {name[:40]!r}… is longer than {MAX_NAME_BYTES} bytes"
    if name.startswith("_"):
        yield f"the name {name!r} is reserved: names must not start with '_'; {advice}"


def struct_problems(kind: T.DataType) -> Iterator[str]:
    """Yield what is wrong with the names in a struct, and in structs that are fields of it.

    For keys of maps, which only the rows know, validation checks the same places.

    Args:
        kind: a type; a type that is not a struct has no problems.
    """
    if not isinstance(kind, T.StructType):
        return
    if len(kind.fields) > MAX_ATTRIBUTES:
        yield f"has {len(kind.fields)} fields, Customer.io takes {MAX_ATTRIBUTES}"
    for item in kind.fields:
        yield from name_problems(item.name, "rename it in the struct")
        yield from struct_problems(item.dataType)


def listed_names(section: PayloadSection) -> dict[str, list[str]]:
    """Return the fields that the policies of nulls and timestamps name, by the paths of the policies."""
    nulls, timestamps = section.nulls, section.timestamps
    return {
        "payload.nulls.drop": nulls.drop,
        "payload.nulls.send": nulls.send,
        "payload.timestamps.iso": timestamps.iso,
        "payload.timestamps.unix_seconds": timestamps.unix_seconds,
    }


def policy_problems(section: PayloadSection, names: Mapping[str, list[str] | None]) -> Iterator[Problem]:
    """Yield a problem for each name in a policy that no object has, or that only the rows could know.

    Args:
        section: the payload section.
        names: fields by object (properties, traits, context); None for an object that is a map or JSON text, because
            only the rows know its fields.
    """
    known = [name for fields in names.values() for name in fields or ()]
    unknowable = [f"{name}_from" for name, fields in names.items() if fields is None]
    for path, listed in listed_names(section).items():
        for name in listed:
            if name in known:
                continue
            if unknowable:
                policy = path.split(".")[1]
                yield Problem(
                    path,
                    f"names {name!r}, but only the rows know which names are in {' and '.join(unknowable)}, which is a "
                    f"map or JSON text: make it a struct (from_json with a schema), or set {policy}.default",
                )
            else:
                there = " and ".join(names) or "the payload"
                yield Problem(path, f"names {name!r}, which is no field of {there}{nearest(name, known)}")
