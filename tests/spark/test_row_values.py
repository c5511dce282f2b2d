"""Tests that every value of a row ends as a part of its record, or makes the record invalid with a code.

No value changes the structure of a request or stops a run.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from sync_bench import Bench

from cio_spark.config.payload import PayloadSection
from cio_spark.errors import ConfigurationError, ExitStatus
from cio_spark.ledger import add_message_id, mark_all_new
from cio_spark.payload import prepare_records
from cio_spark.spark.versions import to_arrow
from cio_spark.validation import validate_records

VICTIM = '{}},{"type":"track","userId":"victim","event":"User Deleted","properties":{}'
HOSTILE = (
    VICTIM,
    json.dumps(VICTIM),
    '{}, "userId": "victim", "z": {}',
    '","type":"',
    '"}',
    "{",
    "}",
    "\\",
    '\\"',
    '"',
    "\x00\x01\x1f\x7f\n\r\t\b\f",
    "\u2028\u2029\ufeff\ufffd",
    "😀",
    "null",
    "{}",
    ' {"a": {"b": [1.50, "x"]}} ',
    '{"a": 1}}',
    '{"messageId": "mine"}',
    '{"a": 1, "a": 2}',
    '{"a": NaN}',
    "NaN",
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=15) | st.text('{}[]",:\\a 1', max_size=12)
# Each example is a Spark job over a batch of rows; shrinking would run dozens of them, so it is off
QUICK = settings(
    max_examples=3, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate]
)


def judged(rows: DataFrame, section: dict[str, Any]) -> DataFrame:
    read = PayloadSection.model_validate({"call": "track", "record_id": "id", "event": {"value": "E"}, **section})
    return validate_records(prepare_records(rows, read), read.call)


def fields_of(text: str) -> dict[str, Any] | None:
    """Return the one object that a text is for a plain reader of JSON, or None if it is not one object."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError
        return dict(pairs)

    def refuse(_: str) -> None:
        raise ValueError

    try:
        value = json.loads(text, object_pairs_hook=once, parse_constant=refuse, strict=False)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


@QUICK
@given(st.lists(texts, min_size=20, max_size=60))
def test_whatever_texts_hold_a_body_has_exactly_the_records_with_their_persons_and_events(
    spark: SparkSession, found: list[str]
) -> None:
    batch = list(dict.fromkeys([*HOSTILE, *found]))
    rows = spark.createDataFrame([(f"{n}{text}", text) for n, text in enumerate(batch)], "id STRING, t STRING")
    sections: dict[str, dict[str, Any]] = {
        "fields": {
            "user_id": "id",
            "event": "concat('E', t)",
            "properties": {"set": {"text": "t", "pairs": "map(concat('k', t), t)", "place": 'struct(t AS `"}`)'}},
            "context": {"set": {"t": "t"}},
        },
        "json": {"user_id": "id", "properties_from": "t"},
        "map": {"user_id": "id", "properties_from": "map(concat('k', t), map(t, t), 'none', NULL)"},
        "nulls": {"user_id": "id", "properties_from": "map('a', t, 'b', NULL)", "nulls": {"default": "send"}},
    }
    frames = [judged(rows, section).withColumn("kind", F.lit(kind)) for kind, section in sections.items()]
    everything = frames[0].unionAll(frames[1]).unionAll(frames[2]).unionAll(frames[3])
    records = add_message_id(mark_all_new(everything), "s").select("kind", "record_id", "payload", "error_code")
    sent = [row for row in records.collect() if row["error_code"] is None]
    body = json.loads('{"batch":[' + "".join(row["payload"] for row in sent)[:-1] + "]}")
    assert len(body["batch"]) == len(sent)
    of = {f"{n}{text}": text for n, text in enumerate(batch)}
    for item, row in zip(body["batch"], sent, strict=True):
        text = of[row["record_id"]]
        expected: dict[str, Any] = {"type": "track", "messageId": item["messageId"], "userId": row["record_id"]}
        expected["event"] = f"E{text}" if row["kind"] == "fields" else "E"
        expected["properties"] = {
            "fields": {"text": text, "pairs": {f"k{text}": text}, "place": {'"}': text}},
            "json": fields_of(text),
            "map": {f"k{text}": {text: text}},
            "nulls": {"a": text, "b": None},
        }[row["kind"]]
        if row["kind"] == "fields":
            expected["context"] = {"t": text}
        assert item == expected
    read = {row["record_id"] for row in sent if row["kind"] == "json"}
    readable = {name for name, text in of.items() if not ((fields := fields_of(text)) is None or "_" in fields)}
    assert read <= readable
    assert len(sent) > 2 * len(batch)


def test_no_text_of_a_row_adds_an_item_to_a_request(bench: Callable[..., Bench]) -> None:
    sync = bench({"call": "track", "record_id": "id", "user_id": "u", "event": {"value": "E"}, "properties_from": "t"})
    rows = [(f"r{number}", f"u{number}{text}", text) for number, text in enumerate(HOSTILE)]
    sync.write(sync.spark.createDataFrame(rows, "id STRING, u STRING, t STRING"))
    result = sync.run(batch={"error_threshold_percent": 100.0})
    assert result.books.balanced
    assert result.books.delivery.accepted + result.books.delivery.invalid == len(HOSTILE)
    accepted = {row["message_id"]: row["record_id"] for row in sync.statuses() if row["status"] == "accepted"}
    persons = {record_id: (person, fields_of(text)) for record_id, person, text in rows}
    received = [message["payload"] for message in sync.api.received.all()]
    assert sorted(item["messageId"] for item in received) == sorted(accepted)
    for item in received:
        assert (item["userId"], item["properties"]) == persons[accepted[item["messageId"]]]
        assert (item["type"], item["event"]) == ("track", "E")
    assert sum(request["items"] for request in sync.api.received.requests()) == len(accepted) == 3


BROKEN = "CAST(unhex('4D{}6C6C6572') AS STRING)"
BAD_ROWS = f"""
SELECT 'good' id, 'u1' u, 'Seen' ev, 'text' txt, map('k', 'v') m, timestamp'2026-01-01' at, '{{"n": 1.50}}' json
UNION ALL SELECT 'person 1', {BROKEN.format("FC")}, 'Seen', 'x', map(), timestamp'2026-01-01', '{{}}'
UNION ALL SELECT 'person 2', {BROKEN.format("F6")}, 'Seen', 'x', map(), timestamp'2026-01-01', '{{}}'
UNION ALL SELECT {BROKEN.format("FC")}, 'u2', 'Seen', 'x', map(), timestamp'2026-01-01', '{{}}'
UNION ALL SELECT {BROKEN.format("F6")}, 'u3', 'Seen', 'x', map(), timestamp'2026-01-01', '{{}}'
UNION ALL SELECT 'event', 'u4', {BROKEN.format("FC")}, 'x', map(), timestamp'2026-01-01', '{{}}'
UNION ALL SELECT 'text', 'u5', 'Seen', {BROKEN.format("FC")}, map(), timestamp'2026-01-01', '{{}}'
UNION ALL SELECT 'key', 'u6', 'Seen', 'x', map({BROKEN.format("FC")}, '1'), timestamp'2026-01-01', '{{}}'
UNION ALL SELECT 'twice', 'u7', 'Seen', 'x', from_json('{{"a":"1","a":"2"}}', 'map<string,string>'),
  timestamp'2026-01-01', '{{}}'
UNION ALL SELECT 'late', 'u8', 'Seen', 'x', map(), timestamp_seconds(1767225600000), '{{}}'
UNION ALL SELECT 'replaced', 'u9', 'Seen', '\ufffd', map(), timestamp'2026-01-01', '{{}}'
UNION ALL SELECT 'no number', 'NaN', 'Seen', 'x', map(), timestamp'2026-01-01', '{{}}'
UNION ALL SELECT 'bytes', 'u11', 'Seen', 'x', map(), timestamp'2026-01-01',
  concat('{{"a":"', {BROKEN.format("FC")}, '"}}')
"""
BAD = {"call": "track", "record_id": "id", "user_id": "u", "event": "ev", "timestamp": "at"}


def test_rows_that_no_request_can_carry_are_invalid_and_the_others_arrive(bench: Callable[..., Bench]) -> None:
    sync = bench({**BAD, "properties": {"include": ["txt", "m"], "set": {"at": "at"}}})
    sync.write_sql(BAD_ROWS)
    first = sync.run()
    assert first.exit_status is ExitStatus.ERROR_THRESHOLD_EXCEEDED
    assert first.books.balanced
    columns = ("record_id", "person_key", "error_code")
    found = sorted(tuple(row[name] or "" for name in columns) for row in sync.statuses())
    assert found == [
        ("", "u2", "not_utf8"),
        ("", "u3", "not_utf8"),
        ("bytes", "u11", ""),
        ("event", "u4", "not_utf8"),
        ("good", "u1", ""),
        ("key", "u6", "not_utf8"),
        ("late", "u8", "timestamp_out_of_range"),
        ("no number", "", "missing_identity"),
        ("person 1", "", "not_utf8"),
        ("person 2", "", "not_utf8"),
        ("replaced", "u9", ""),
        ("text", "u5", "not_utf8"),
        ("twice", "u7", "duplicate_key"),
    ]
    assert {message["userId"] for message in (m["payload"] for m in sync.api.received.all())} == {"u1", "u9", "u11"}
    again = sync.run()
    assert (again.books.survey.held, again.books.survey.unchanged) == (10, 3)


# Bytes of Latin-1, halves of characters, surrogates, too long and too large characters, and plain texts
any_bytes = (
    st.binary(max_size=6)
    | st.text(max_size=4, alphabet="aé😀").map(str.encode)
    | st.text(max_size=4, alphabet="aüö").map(lambda text: text.encode("latin-1"))
    | st.sampled_from([b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\xef\xbf\xbd", b"\0"])
)


@QUICK
@given(st.lists(st.tuples(*[any_bytes] * 5), min_size=20, max_size=60))
def test_any_bytes_in_any_text_column_are_read_by_python_or_make_their_row_invalid(
    spark: SparkSession, batch: list[tuple[bytes, ...]]
) -> None:
    columns = ("id", "u", "ev", "t", "k")
    texts_of = [f"CAST({name} AS STRING) {name}" for name in columns]
    binary = ", ".join(f"{name} BINARY" for name in columns)
    rows = spark.createDataFrame([*map(list, batch)], binary).selectExpr(*texts_of)
    fields = {"set": {"text": "t", "pairs": "map(k, t)", "list": "array(t)"}}
    sections: list[tuple[tuple[str, ...], dict[str, Any]]] = [
        (columns, {"user_id": "u", "event": "ev", "properties": fields}),
        (("id", "u", "t"), {"record_id": ["id", "u"], "user_id": "u", "properties_from": "t"}),
        (("id", "u", "t"), {"call": "device", "event": None, "user_id": "u", "device_token": "t", "device_type": "id"}),
    ]
    frames = [
        judged(rows, section).select("record_id", "person_key", "payload", "error_code") for _, section in sections
    ]
    found = to_arrow(frames[0].unionAll(frames[1]).unionAll(frames[2])).to_pylist()
    for number, (used, _) in enumerate(sections):
        part = found[number * len(batch) : (number + 1) * len(batch)]
        for values, record in zip(batch, part, strict=True):
            given_texts = {name: value for name, value in zip(columns, values, strict=True) if name in used}
            readable = all(value.decode(errors="replace").encode() == value for value in given_texts.values())
            assert (record["error_code"] != "not_utf8") is readable
            if readable and number != 1:
                assert record["record_id"] == given_texts["id"].decode()
            if not readable and record["record_id"] is not None:
                given_texts["id"].decode()


def test_json_text_of_a_row_keeps_its_digits_or_is_refused(spark: SparkSession) -> None:
    query = """SELECT * FROM VALUES ('digits', '{"n": 123456789012345678.99, "m": 1.50, "z": 1e3}'), ('null', NULL),
        ('empty', '{}'), ('string', '"{}"'), ('behind', '{} x'), ('twice', '{"a": {"b": 1, "b": 2}}'),
        ('large', '{"a": 1e400}'), ('half', '{"a": "\\\\ud800"}'), ('blank', ' '), ('list', '[1]') AS t(id, j)
        UNION ALL SELECT 'bytes', concat('{"a":"', CAST(unhex('FC') AS STRING), '"}')"""
    rows = judged(spark.sql(query), {"user_id": "id", "properties_from": "j"}).collect()
    assert {row["record_id"]: row["error_code"] for row in rows} == {
        "digits": None,
        "null": None,
        "empty": None,
        "string": "invalid_json",
        "behind": "invalid_json",
        "twice": "invalid_json",
        "large": "invalid_json",
        "half": "invalid_json",
        "blank": "invalid_json",
        "list": "invalid_json",
        "bytes": "not_utf8",
    }
    payloads = {row["record_id"]: row["payload"] for row in rows}
    assert payloads["digits"].endswith('"properties":{"n":123456789012345678.99,"m":1.50,"z":1e3}}')
    assert payloads["null"].endswith('"properties":{}}')
    # A refused text makes another version of its record, and still does not become part of its structure
    assert json.loads(payloads["behind"])["properties"] == "{} x"
    assert len({row["payload_hash"] for row in rows}) == len(rows)


def test_json_text_is_read_once(spark: SparkSession, capsys: pytest.CaptureFixture[str]) -> None:
    rows = spark.sql("SELECT string(id) id, '{}' || '' j, string(id) c FROM range(3)")
    records = judged(rows, {"user_id": "c", "properties_from": "j"})
    add_message_id(mark_all_new(records), "s").drop("person_key").explain()
    assert capsys.readouterr().out.count("EvalPython") == 1


NO_FRACTION = "values may have fractions"


@pytest.mark.parametrize(
    ("section", "path"),
    [
        ({"user_id": "x"}, "payload.user_id"),
        ({"user_id": "CAST(id AS FLOAT)"}, "payload.user_id"),
        ({"user_id": "price"}, "payload.user_id"),
        ({"user_id": {"value": 1.5}}, "payload.user_id"),
        ({"anonymous_id": "x"}, "payload.anonymous_id"),
        ({"user_id": "id", "record_id": "x"}, "payload.record_id"),
        ({"user_id": "id", "record_id": ["id", "price"]}, "payload.record_id"),
        ({"call": "group", "user_id": "id", "group_id": "x", "event": None}, "payload.group_id"),
        ({"call": "alias", "user_id": "id", "previous_id": "x", "event": None}, "payload.previous_id"),
        ({"call": "object_delete", "object_id": "x", "event": None}, "payload.object_id"),
    ],
)
def test_an_id_of_a_fractional_type_is_a_configuration_error(spark: SparkSession, section: Any, path: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        judged(spark.sql("SELECT '1' id, 1.5D x, 1.50 price"), section)
    assert [problem.path for problem in caught.value.problems] == [path]
    assert NO_FRACTION in caught.value.problems[0].message


def test_whole_numbers_are_ids_and_what_a_cast_makes_of_nan_is_none(spark: SparkSession) -> None:
    query = """SELECT * FROM VALUES (12345678901234567890BD, 7, '1.0'), (1BD, 8, 'NaN'), (2BD, 9, 'Infinity'),
        (3BD, 10, '-Infinity') AS t(id, n, x)"""
    rows = judged(spark.sql(query), {"user_id": "x", "anonymous_id": "n"}).collect()
    assert [(row["record_id"], row["person_key"]) for row in rows] == [
        ("12345678901234567890", "1.0"),
        ("1", "8"),
        ("2", "9"),
        ("3", "10"),
    ]
    assert "userId" not in json.loads(rows[1]["payload"])


def test_everything_stands_in_the_order_of_names_and_case_makes_two_fields(spark: SparkSession) -> None:
    section = {"user_id": "id", "properties": {"include": "*", "set": {"email": "'set'", "Plan": "'p'"}}}
    one = judged(spark.sql("SELECT '1' id, 'b' b, 'col' Email, map('x', 1) plan"), section)
    other = judged(spark.sql("SELECT map('x', 1) plan, 'col' Email, '1' id, 'b' b"), section)
    first, second = one.unionByName(other).collect()
    assert first["payload"] == second["payload"]
    properties = json.loads(first["payload"])["properties"]
    assert list(properties.items()) == [
        ("Email", "col"),
        ("b", "b"),
        ("id", "1"),
        ("plan", {"x": 1}),
        ("email", "set"),
        ("Plan", "p"),
    ]
    assert first["error_code"] is None


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("SELECT '1' id, named_struct('plan', 1, 'Plan', map('a', 2)) s", "`plan` and `Plan`"),
        ("SELECT '1' id, array(named_struct('a', 1, 'a', 2)) s", "`a` and `a`"),
        ("SELECT '1' id, 1 s, 2 S", "`s` and `S`"),
    ],
)
def test_names_that_spark_cannot_tell_apart_are_said_in_a_sentence(spark: SparkSession, query: str, named: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        judged(spark.sql(query), {"user_id": "id", "properties": {"include": "*"}})
    problem = caught.value.problems[0]
    assert (problem.path, named in problem.message) == ("payload.properties.include", True), problem.message


def test_times_outside_of_the_years_1_to_9999_make_their_row_invalid(spark: SparkSession) -> None:
    query = """SELECT 'milliseconds' id, timestamp_seconds(1767225600000) at, date'2026-01-01' day,
        timestamp_ntz'2026-01-01 00:00:00' wall, array(timestamp'2026-01-01') l, map(date'2026-01-01', 1) m
        UNION ALL SELECT 'far day', NULL, date_from_unix_date(2147483647), NULL, NULL, NULL
        UNION ALL SELECT 'far back', timestamp_micros(-9223372036854775807), NULL, NULL, NULL, NULL
        UNION ALL SELECT 'far wall', NULL, NULL, CAST(timestamp_seconds(253402300800) AS TIMESTAMP_NTZ), NULL, NULL
        UNION ALL SELECT 'in a list', NULL, NULL, NULL, array(timestamp_seconds(1767225600000)), NULL
        UNION ALL SELECT 'as a key', NULL, NULL, NULL, NULL, map(date_from_unix_date(5000000), 1)
        UNION ALL SELECT 'first', timestamp_seconds(-62135596800), date'0001-01-01',
          timestamp_ntz'0001-01-01 00:00:00', NULL, map()
        UNION ALL SELECT 'last', timestamp_micros(253402300799999999), date'9999-12-31',
          timestamp_ntz'9999-12-31 23:59:59.999999', NULL, map()
        UNION ALL SELECT 'none', NULL, NULL, NULL, NULL, NULL"""
    codes = {}
    rows = spark.sql(query).localCheckpoint()
    for moment in ("at", "day", "wall"):
        for in_properties in ([], ["at", "day", "wall", "l", "m"]):
            section = {"user_id": "id", "timestamp": moment, "timestamps": "unix_seconds"}
            records = judged(rows, {**section, "properties": {"include": in_properties}} if in_properties else section)
            found = {row["record_id"]: row["error_code"] for row in records.select("record_id", "error_code").collect()}
            assert {found.pop(name) for name in ("first", "last", "none")} == {None}
            codes[moment, bool(in_properties)] = {name for name, code in found.items() if code}
            assert {code for code in found.values() if code} == {"timestamp_out_of_range"}
    assert codes["at", False] == {"milliseconds", "far back"}
    assert codes["day", False] == {"far day"}
    assert codes["wall", False] == {"far wall"}
    assert codes["at", True] == codes["day", True] == codes["wall", True] == set(found)


def test_a_star_in_an_expression_beside_json_text_is_refused(spark: SparkSession) -> None:
    rows = spark.sql("""SELECT 'a' AS id, '{"b": 1}' AS props""")
    payload = {"call": "track", "record_id": "id", "user_id": "md5(to_json(struct(*)))", "event": {"value": "e"}}
    prepare_records(rows, PayloadSection.model_validate(payload))
    with pytest.raises(ConfigurationError, match=r"payload.user_id has a `\*`"):
        prepare_records(rows, PayloadSection.model_validate({**payload, "properties_from": "props"}))
