"""Writes the JSON of each call, without its messageId, from the compiled parts of the payload section.

Source of the shapes: components.schemas in the OpenAPI document of the Data Pipelines API.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column
from pyspark.sql import functions as F

from cio_spark.config import api_limits as limits
from cio_spark.config.payload import Call
from cio_spark.payload.fields import JsonObject, without_last_brace
from cio_spark.payload.json_values import JSON_OPTIONS

DEFAULT_OBJECT_TYPE = "1"


def call_json(
    call: Call,
    texts: Mapping[str, Column | None],
    occurred_at: Column | None,
    objects: Mapping[str, JsonObject | None],
) -> Column:
    """Write the call as JSON text.

    Args:
        call: the call.
        texts: compiled scalars of type STRING, by configuration name (`user_id`, `event`, …); None for a scalar that is
            not given.
        occurred_at: timestamp of the call; None if there is none.
        objects: properties, traits and context, by name; None for an object that is not given.
    """
    object_id, anonymous_id = texts.get("object_id"), texts.get("anonymous_id")
    if call is Call.OBJECT_DELETE and object_id is not None:
        # The API's specification requires an anonymousId on this event, although no person is meant
        nobody = F.concat(F.lit("object-"), object_id)
        texts = {**texts, "anonymous_id": nobody if anonymous_id is None else F.coalesce(anonymous_id, nobody)}
    email = texts.get("email")
    if call is Call.IDENTIFY and email is not None:
        texts = {**texts, "user_id": _user_id_of_identify(texts, email)}
    fields: list[Column] = [F.lit(call.spec.json_type).alias("type")]
    for name, key in (
        ("user_id", "userId"),
        ("anonymous_id", "anonymousId"),
        ("previous_id", "previousId"),
        ("group_id", "groupId"),
        ("event", "event"),
        ("name", "name"),
    ):
        column = texts.get(name)
        if column is not None:
            fields.append(column.alias(key))
    if call.spec.event is not None:
        fields.append(F.lit(call.spec.event).alias("event"))
    if occurred_at is not None:
        fields.append(occurred_at.alias("timestamp"))
    fields += _own_objects(texts)
    spliced: list[tuple[str, Column]] = []
    for name, item in objects.items():
        if item is None:
            continue
        if item.value is not None:
            fields.append(item.value.alias(name))
        elif item.text is not None:
            spliced.append((name, item.text))
    text = F.to_json(F.struct(*fields), JSON_OPTIONS)
    for name, value in spliced:
        text = F.concat(without_last_brace(text), F.lit(f',"{name}":'), value, F.lit("}"))
    return text


def _user_id_of_identify(texts: Mapping[str, Column | None], email: Column) -> Column:
    """Give the user id of a person who may be known by the email alone: then it is there, and empty.

    The schema of `identify` requires `userId` or `anonymousId` to be there; its text says "you can pass an empty
    `userId`" (OpenAPI document of the Data Pipelines API).
    """
    ids = [column for name in ("user_id", "anonymous_id") if (column := texts.get(name)) is not None]
    known_by_email = F.coalesce(*ids, F.lit(None)).isNull() & email.isNotNull()
    user_id = texts.get("user_id")
    return F.when(known_by_email, F.lit("")).otherwise(F.lit(None) if user_id is None else user_id)


def _own_objects(texts: Mapping[str, Column | None]) -> list[Column]:
    """Make the objects that belong to a semantic event itself."""
    object_id, token = texts.get("object_id"), texts.get("device_token")
    if object_id is not None:
        kind = texts.get("object_type_id")
        text = F.lit(DEFAULT_OBJECT_TYPE) if kind is None else F.coalesce(kind, F.lit(DEFAULT_OBJECT_TYPE))
        # Null for a text that is no number, so that validation refuses only that row
        object_type = F.when(text.rlike(limits.WHOLE_OBJECT_TYPE), text.cast("int"))
        return [F.struct(object_id.alias("objectId"), object_type.alias("objectTypeId")).alias("properties")]
    if token is not None:
        kind = texts.get("device_type")
        parts = [token.alias("token")] + ([] if kind is None else [kind.alias("type")])
        return [F.struct(F.struct(*parts).alias("device")).alias("context")]
    return []
