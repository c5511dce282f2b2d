"""Gives a fixed source with values of every type, and payload sections of every call that read this source."""

from __future__ import annotations

from typing import Any

SOURCE = r"""
SELECT 'r1' id, 'u1' u, 'a1' a, 'a@b.example' mail, 'Bought "it"' ev, 'Home / é' page, 'g1' g, '7' kind, 'old' old,
  'tok' tok, 'ios' platform, timestamp'2024-02-29 12:34:56.789123Z' at, 12 n, -9007199254740993L big, 0.1D x,
  1e21D huge, 1.5F f, true ok, 12345678901234567890.1200 price, date'2024-02-29' day,
  timestamp_ntz'2024-02-29 01:02:03.5' wall, concat('q" b\\ s/ n', char(10), 't', char(9), 'c', char(1), 'é 😀 ',
  decode(unhex('E280A8'), 'utf-8')) txt,
  array('x', NULL, 'y"') tags, map('b', 2, 'a', NULL, 'c"', 1) m, map(date'2024-01-02', 1) by_day,
  named_struct('a', 1, 'B', named_struct('t', timestamp'1999-12-31 23:59:59Z', 'n', CAST(NULL AS INT))) s,
  CAST(NULL AS STRING) gone, '{"z": 1, "a": {"t": "q\\"é\\n", "l": [true, null, "x/y"]}, "e": {}}' json
UNION ALL SELECT 'r2 é"', ' ', 'anon/2', 'ü@b.example', 'Seen', NULL, 'g2', NULL, 'old2', 'tok2', NULL,
  NULL, NULL, 0L, -0.0D, 1e-7D, 1e30F, false, NULL, date'0999-01-01', timestamp_ntz'1960-01-01 00:00:00', '',
  array(), map(), NULL, NULL, 'back', NULL
UNION ALL SELECT 'r3', 'u3', NULL, NULL, 'Seen', 'p', 'g3', '1', 'old3', 'tok3', 'android',
  timestamp'1969-12-31 23:59:59.999999Z',
  2147483647, 9223372036854775807L, 123456789.125D, 100D, 0.1F, NULL, -1.0000, NULL, NULL, '<&>\u007f',
  NULL, NULL, map(), named_struct('a', NULL, 'B', NULL), NULL, '  {}  '
"""
SCALARS: dict[str, Any] = {
    "user_id": "u",
    "timestamp": "at",
    "record_id": "id",
}
ALL = ["n", "big", "x", "huge", "f", "ok", "price", "day", "at", "wall", "txt", "tags", "m", "by_day", "s", "gone"]
CALLS: dict[str, dict[str, Any]] = {
    "identify": {
        "call": "identify",
        "anonymous_id": "a",
        "email": "mail",
        "traits": {
            "include": ALL,
            "set": {"currency": {"value": "EUR"}, "rate": {"value": 1.5}, "none": {"value": None}},
        },
        "context": {"set": {"ip": "'1.2.3.4'", "at": "at"}},
    },
    "identify with nulls": {
        "call": "identify",
        "traits": {"include": ALL},
        "nulls": {"send": ["gone", "s", "m", "ok"]},
        "timestamps": {"iso": ["at"], "unix_seconds": ["day"]},
    },
    "identify by a struct": {"call": "identify", "traits_from": "struct(n, s, m, at)"},
    "identify by a struct with nulls": {
        "call": "identify",
        "traits_from": "struct(n, s, m, at, gone)",
        "nulls": {"default": "send"},
    },
    "track": {"call": "track", "event": "ev", "properties": {"include": ALL}},
    "track everything": {"call": "track", "event": {"value": "All"}, "properties": {"include": "*", "except": ["id"]}},
    "track by a map": {"call": "track", "event": "ev", "anonymous_id": "a", "properties_from": "m"},
    "track by JSON text": {
        "call": "track",
        "event": "ev",
        "properties_from": "json",
        "record_id": ["id", "n", "at", "day"],
    },
    "page": {"call": "page", "name": "page", "properties": {"include": ["n"]}},
    "screen": {"call": "screen", "name": "page", "anonymous_id": "a", "properties_from": "json"},
    "group": {"call": "group", "group_id": "g", "object_type_id": "kind", "traits": {"include": ["n", "at"]}},
    "alias": {"call": "alias", "previous_id": "old"},
    "suppress": {"call": "suppress"},
    "unsuppress": {"call": "unsuppress"},
    "delete_person": {"call": "delete_person"},
    "device": {"call": "device", "device_token": "tok", "device_type": "platform"},
    "device_delete": {"call": "device_delete", "device_token": "tok"},
    "object_delete": {"call": "object_delete", "object_id": "g", "object_type_id": "kind"},
    "object_delete of somebody": {"call": "object_delete", "object_id": "g", "anonymous_id": "a", "timestamp": "day"},
    "relationship_delete": {"call": "relationship_delete", "object_id": "g", "timestamp": "wall"},
}
