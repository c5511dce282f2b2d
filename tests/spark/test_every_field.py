"""Tests that every field of the configuration has an effect: another value changes something that users can see.

Users can see the plan, the requests, the rows of the tables, alerts, exit statuses, and which secrets are read.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from sync_bench import KEY, Bench
from typer.testing import CliRunner

from cio_spark import ledger, source
from cio_spark.cli import app
from cio_spark.config import ApiKey, SyncConfig
from cio_spark.config.loader import load_config, load_configs
from cio_spark.delivery import delivery_settings, engine
from cio_spark.delivery.exchange import Answer
from cio_spark.delivery.partition import deliver_partition
from cio_spark.delivery.process_state import ProcessState
from cio_spark.delivery.records import PreparedRow, record_batch
from cio_spark.errors import ConfigurationError
from cio_spark.model import Books, DeliveryCounts, Slots, StateCounts
from cio_spark.monitoring import Observed, RunFacts, Window, judge_sync
from cio_spark.pipeline.checks import prepare_and_validate
from cio_spark.pipeline.exit_status import decide_exit_status
from cio_spark.pipeline.survey import plan_for
from cio_spark.results import Tables, set_up_tables
from cio_spark.runtime import credentials, databricks
from cio_spark.runtime.cancellation import Cancellation
from cio_spark.standin import Fault, StandIn

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
Sections = Mapping[str, Any]


class QuickClock:
    """Shows a time that passes by waiting only."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += max(0.0, seconds)


@dataclass(frozen=True)
class World:
    """Holds what the functions that observe an effect need.

    Attributes:
        spark: the session.
        folder: folder of the files that a test writes.
        before: what was seen before a field was changed; many cases begin with the same configuration.
    """

    spark: SparkSession
    folder: Path
    before: dict[Any, Any] = field(default_factory=dict)

    def seen(self, look: Callable[[World, SyncConfig], Any], config: SyncConfig) -> Any:
        """Return what `look` shows for a configuration, and remember it.

        The first time, look twice: both looks must show the same.
        """
        key = look, config.model_dump_json()
        if key not in self.before:
            self.before[key] = look(self, config)
            assert look(self, config) == self.before[key], "looking twice shows two things"
        return self.before[key]


ROWS = """
SELECT * FROM VALUES
  ('1', 'p1', 'a@x.example', 10.0D, TIMESTAMP'2026-01-01 10:00:00', CAST(NULL AS STRING), 'x',
   TIMESTAMP_NTZ'2026-03-29 02:30:00', named_struct('s', 1, 'n', CAST(NULL AS INT)), '{"j": 1}'),
  ('2', 'p2', 'b@x.example', 20.0D, TIMESTAMP'2026-01-02 10:00:00', 'free', 'y', TIMESTAMP_NTZ'2026-01-01 02:30:00',
   named_struct('s', 2, 'n', 3), '{"j": 2}'),
  ('2', 'p3', 'c@x.example', 5.0D, TIMESTAMP'2026-01-02 10:00:00', 'free', 'z', TIMESTAMP_NTZ'2026-01-01 02:30:00',
   named_struct('s', 3, 'n', 4), '{"j": 3}')
AS rows (id, person, mail, amount, at, plan, token, local, extra, text)
"""
TRACK = {"call": "track", "record_id": "id", "user_id": "person", "event": {"value": "Bought"}}
IDENTIFY = {"call": "identify", "record_id": "id", "user_id": "person"}
DEVICE = {"call": "device", "record_id": "id", "user_id": "person", "device_token": "token"}
BASE: Sections = {"sync": {"name": "every"}, "source": {"query": ROWS}, "payload": TRACK}


def config_of(*layers: Sections) -> SyncConfig:
    said: dict[str, Any] = {}
    for layer in (BASE, *layers):
        for section, values in layer.items():
            replaces = section in ("source", "payload") and {"query", "table", "path", "call"} & set(values)
            said[section] = dict(values) if replaces else {**said.get(section, {}), **values}
    return SyncConfig.model_validate(said)


ROWS_TO_SEND = [
    PreparedRow(
        0, f'{{"type":"track","userId":"u{n}","event":"e","messageId":"m{n}"}},', 57, f"r{n}", f"u{n}", f"m{n}", n
    )
    for n in range(8)
]


# Functions that observe an effect


def mapped(world: World, config: SyncConfig) -> Any:
    """Look at what a mapping makes of the rows, message ids included."""
    snapshot = source.open_source(world.spark, config.source, str)
    records = ledger.add_message_id(ledger.mark_all_new(prepare_and_validate(config, snapshot.rows)), config.sync.name)
    columns = ("record_id", "person_key", "payload", "message_id", "occurred_at", "error_code")
    return sorted(map(str, records.select(*columns).collect()))


def newest_of_each(world: World, config: SyncConfig) -> Any:
    """Look at which duplicates are superseded."""
    snapshot = source.open_source(world.spark, config.source, str)
    return sorted(
        map(
            str,
            source.drop_superseded(prepare_and_validate(config, snapshot.rows), config.source.order_by)
            .select("payload")
            .collect(),
        )
    )


def planned(_: World, config: SyncConfig) -> Any:
    """Look at the plan of a large sync."""
    return dataclasses.asdict(plan_for(config, Slots(2, fixed=True), 1_000_000, 300_000_000))


class SlowClient:
    """Takes half a second for each record of a request."""

    def __init__(self, clock: QuickClock) -> None:
        self.clock = clock
        self.sizes: list[int] = []

    def post_batch(self, body: bytes, *_: Any, **__: Any) -> Answer:
        self.sizes.append(body.count(b'"messageId"'))
        self.clock.sleep(self.sizes[-1] / 2)
        return Answer(200, elapsed_seconds=self.sizes[-1] / 2)

    def abort(self) -> None:
        """Do nothing, because no request is under way."""

    def close(self) -> None:
        """Do nothing, because there is no connection."""


def sizes_before_a_slow_api(_: World, config: SyncConfig) -> Any:
    """Look at how many records go into requests that take half a second for each record."""
    clock = QuickClock()
    client = SlowClient(clock)
    plan = dataclasses.replace(plan_for(config, Slots(2, fixed=True), 8, 480), lanes=1, max_records=4)
    settings = delivery_settings(config, ApiKey(KEY), "run", plan)
    process = ProcessState(settings, clock, lambda: client)
    for _group in deliver_partition(0, [record_batch(ROWS_TO_SEND)], settings, clock=clock, process=process):
        pass
    return client.sizes


def delivered(_: World, config: SyncConfig, *faults: Fault) -> Any:
    """Look at the requests and outcomes of one partition, without Spark."""
    clock = QuickClock()
    with StandIn(api_key=KEY) as api:
        api.script(*faults)
        addressed = config_of_address(config, api.url)
        plan = dataclasses.replace(plan_for(config, Slots(2, fixed=True), 8, 480), lanes=1, max_records=4)
        settings = dataclasses.replace(delivery_settings(addressed, ApiKey(KEY), "run", plan), circuit_failures=0)
        process = ProcessState(settings, clock)
        groups = list(deliver_partition(0, [record_batch(ROWS_TO_SEND)], settings, clock=clock, process=process))
        process.close()
        requests = [
            (request["status"], request["strict"], request["items"], request["headers"].get("Content-Encoding"))
            for request in api.received.requests()
        ]
    facts = [(group.batch.memory_usage_mb is not None, group.batch.limit_records) for group in groups if group.batch]
    fates = [(group.status, group.error_code, group.batch_id, group.records.num_rows) for group in groups]
    return requests, facts, fates, clock.seconds > 20.0


def config_of_address(config: SyncConfig, url: str) -> SyncConfig:
    return config.model_copy(update={"api": config.api.model_copy(update={"base_url": url})})


def with_faults(*faults: Fault) -> Callable[[World, SyncConfig], Any]:
    return lambda world, config: delivered(world, config, *faults)


def timed_out(world: World, config: SyncConfig) -> Any:
    """Look at whether an answer that takes 1.3 seconds comes in time."""
    return delivered(world, config, Fault(latency_seconds=1.3, times=1))


def engine_used(world: World, config: SyncConfig) -> Any:
    """Look at how rows reach the Python workers."""
    plan = plan_for(config, Slots(2, fixed=True), 8, 480)
    snapshot = source.open_source(world.spark, config.source, str)
    records = ledger.add_message_id(ledger.mark_all_new(prepare_and_validate(config, snapshot.rows)), config.sync.name)
    statuses = engine.deliver_records(
        engine.arrange_records(records, plan),
        delivery_settings(config, ApiKey(KEY), "run", plan),
        config.sync.name,
        evaluation=engine.SingleEvaluation(world.spark),
        engine=config.delivery.engine,
    )
    return "MapInArrow" in statuses._jdf.queryExecution().toString()


def table_names(world: World, config: SyncConfig) -> Any:
    """Look at where the tables are."""
    return Tables(world.spark, config.tables, world.folder).name("record_status"), config.tables.catalog


def verdict(_: World, config: SyncConfig) -> Any:
    """Look at the exit status of a run in which 4 % of the records were refused."""
    return decide_exit_status(config, Books(StateCounts(source_rows=100), DeliveryCounts(accepted=96, rejected=4)))[0]


def alerts(**window: Any) -> Callable[[World, SyncConfig], Any]:
    """Return a function that looks at the alerts over what the tables show."""
    busy = Window(
        batch_count=100,
        total_records=10_000,
        failed_records=0,
        max_processing_time_seconds=1.0,
        busy_seconds=20.0,
        requests=1000,
        requests_per_second=50.0,
        request_time_mean_seconds=0.08,
        run_id="r9",
        slowest_batch_id="b7",
    )
    runs = tuple(
        RunFacts(
            run_id=f"r{9 - number}",
            status="succeeded",
            started_at=NOON - timedelta(minutes=90 + number),
            exit_status=0,
            source_rows=1400 if number == 0 else 1000,
            accounted_rows=1400 if number == 0 else 1000,
            balanced=True,
        )
        for number in range(5)
    )
    observed = Observed(NOON, NOON - timedelta(minutes=5), dataclasses.replace(busy, **window), runs, dead_letters=500)
    return lambda _, config: sorted((item.type, str(item.holds)) for item in judge_sync(observed, config))


def secrets_asked(_: World, config: SyncConfig) -> Any:
    """Look at which secrets are read."""
    asked: list[str] = []

    class Secrets:
        def get(self, scope: str, key: str) -> str:
            asked.append(f"{scope}/{key}")
            return "https://example.invalid/hook"

    class Dbutils:
        secrets = Secrets()

    with pytest.MonkeyPatch.context() as patch:
        for variable in (credentials.KEY_VARIABLE, credentials.WEBHOOK_VARIABLE):
            patch.delenv(variable, raising=False)
        patch.setattr(databricks, "_dbutils", Dbutils)
        try:
            credentials.find_api_key(config)
            credentials.find_webhook(config)
        except ConfigurationError as error:
            asked.append(str(error))
    return asked


def order_of_syncs(world: World, config: SyncConfig) -> Any:
    """Look at which of two syncs runs first."""
    files = []
    for name, section in (
        ("other", {"name": "other"}),
        ("every", config.sync.model_dump(mode="json", exclude_none=True)),
    ):
        file = world.folder / f"{name}.yml"
        file.write_text(yaml.safe_dump({**BASE, "sync": section}))
        files.append(file)
    return [loaded.sync.name for loaded in load_configs(files)]


def loaded(world: World, config: SyncConfig) -> Any:
    """Look at the API address of the configuration when it is loaded from a file."""
    file = world.folder / "loaded.yml"
    file.write_text(yaml.safe_dump(config.model_dump(mode="json", by_alias=True, exclude_none=True)))
    return load_config(file).api.url


def patience(_: World, config: SyncConfig) -> Any:
    """Look at whether a wave may still finish 30 s after somebody asked the run to stop."""
    clock = QuickClock()
    cancellation = Cancellation(clock)
    cancellation.request()
    clock.sleep(30.0)
    return cancellation.overdue(config.delivery.grace_seconds)


@dataclass(frozen=True)
class Case:
    """Describes a field with another value, and how the effect is observed.

    Attributes:
        look: function that observes the effect.
        after: sections with the other value.
        before: sections that both configurations have.
    """

    look: Callable[[World, SyncConfig], Any]
    after: Sections
    before: Sections = field(default_factory=dict)


def payload(extra: Sections, call: Sections = TRACK) -> Sections:
    return {"payload": {**call, **extra}}


def of_group(**fields: Any) -> Sections:
    return payload({"group_id": {"value": "g"}, **fields}, {**IDENTIFY, "call": "group"})


OBJECT = {"call": "object_delete", "record_id": "id", "object_id": {"value": "o"}, "object_type_id": {"value": "1"}}
ALIAS = {"call": "alias", "record_id": "id", "user_id": "person", "previous_id": {"value": "old"}}
STRUCT = {"properties_from": "extra"}
TIMES = {"properties": {"include": ["at"]}}
NULLS = {"properties": {"include": ["plan"]}}
SECRET = {"scope": "s", "key": "k"}
SLOW = with_faults(Fault(status=503))

CASES: dict[str, Case] = {
    "sync.name": Case(mapped, {"sync": {"name": "other"}}),
    "sync.priority": Case(order_of_syncs, {"sync": {"priority": "critical"}}),
    "sync.operation_type": Case(delivered, {"sync": {"operation_type": "imports"}}),
    "source.table": Case(mapped, {"source": {"table": "every_other"}}, {"source": {"table": "every_source"}}),
    "source.path": Case(mapped, {"source": {"path": "{folder}/other"}}, {"source": {"path": "{folder}/source"}}),
    "source.query": Case(mapped, {"source": {"query": ROWS + " WHERE id = '1'"}}),
    "source.where": Case(mapped, {"source": {"where": "id = '1'"}}),
    "source.order_by": Case(
        newest_of_each, {"source": {"order_by": ["amount"]}}, {"source": {"order_by": ["-amount"]}}
    ),
    "payload.call": Case(mapped, payload({}, {**IDENTIFY, "traits": {"include": ["plan"]}})),
    "payload.record_id": Case(mapped, payload({"record_id": ["id", "person"]})),
    "payload.user_id": Case(mapped, payload({"user_id": "mail"})),
    "payload.anonymous_id": Case(mapped, payload({"anonymous_id": "token"})),
    "payload.email": Case(mapped, payload({"email": "mail", "traits": {"include": ["plan"]}}, IDENTIFY)),
    "payload.event": Case(mapped, payload({"event": {"value": "Sold"}})),
    "payload.name": Case(mapped, payload({"name": {"value": "Home"}}, {**IDENTIFY, "call": "page"})),
    "payload.group_id": Case(mapped, of_group(group_id={"value": "other"}), of_group()),
    "payload.object_id": Case(mapped, payload({"object_id": {"value": "other"}}, OBJECT), payload({}, OBJECT)),
    "payload.object_type_id": Case(mapped, payload({"object_type_id": {"value": "2"}}, OBJECT), payload({}, OBJECT)),
    "payload.previous_id": Case(mapped, payload({"previous_id": {"value": "older"}}, ALIAS), payload({}, ALIAS)),
    "payload.device_token": Case(mapped, payload({"device_token": "plan"}, DEVICE), payload({}, DEVICE)),
    "payload.device_type": Case(mapped, payload({"device_type": {"value": "ios"}}, DEVICE), payload({}, DEVICE)),
    "payload.timestamp": Case(mapped, payload({"timestamp": "at"})),
    "payload.properties.include": Case(mapped, payload({"properties": {"include": ["amount"]}})),
    "payload.properties.except": Case(
        mapped,
        payload({"properties": {"include": "*", "except": ["amount"]}}),
        payload({"properties": {"include": "*"}}),
    ),
    "payload.properties.set": Case(mapped, payload({"properties": {"set": {"x": {"value": 1}}}})),
    "payload.properties_from": Case(mapped, payload(STRUCT)),
    "payload.traits.include": Case(
        mapped, payload({"traits": {"include": ["amount"]}}, IDENTIFY), payload({}, IDENTIFY)
    ),
    "payload.traits.except": Case(
        mapped,
        payload({"traits": {"include": "*", "except": ["amount"]}}, IDENTIFY),
        payload({"traits": {"include": "*"}}, IDENTIFY),
    ),
    "payload.traits.set": Case(
        mapped, payload({"traits": {"set": {"x": {"value": 1}}}}, IDENTIFY), payload({}, IDENTIFY)
    ),
    "payload.traits_from": Case(mapped, payload({"traits_from": "extra"}, IDENTIFY), payload({}, IDENTIFY)),
    "payload.context.include": Case(mapped, payload({"context": {"include": ["token"]}})),
    "payload.context.except": Case(
        mapped,
        payload({"context": {"include": "*", "except": ["token"]}}),
        payload({"context": {"include": "*"}}),
    ),
    "payload.context.set": Case(mapped, payload({"context": {"set": {"x": {"value": 1}}}})),
    "payload.nulls.default": Case(mapped, payload({**NULLS, "nulls": {"default": "send"}}), payload(NULLS)),
    "payload.nulls.drop": Case(
        mapped,
        payload({**NULLS, "nulls": {"default": "send", "drop": ["plan"]}}),
        payload({**NULLS, "nulls": {"default": "send"}}),
    ),
    "payload.nulls.send": Case(mapped, payload({**NULLS, "nulls": {"send": ["plan"]}}), payload(NULLS)),
    "payload.timestamps.default": Case(mapped, payload({**TIMES, "timestamps": "unix_seconds"}), payload(TIMES)),
    "payload.timestamps.iso": Case(
        mapped,
        payload({**TIMES, "timestamps": {"default": "unix_seconds", "iso": ["at"]}}),
        payload({**TIMES, "timestamps": "unix_seconds"}),
    ),
    "payload.timestamps.unix_seconds": Case(
        mapped, payload({**TIMES, "timestamps": {"unix_seconds": ["at"]}}), payload(TIMES)
    ),
    "batch.max_batch_size": Case(planned, {"batch": {"max_batch_size": 500}}),
    "batch.max_batch_bytes": Case(planned, {"batch": {"max_batch_bytes": 100_000}}),
    "batch.parallel_workers": Case(planned, {"batch": {"parallel_workers": 8}}),
    "batch.retry_attempts": Case(SLOW, {"batch": {"retry_attempts": 0}}),
    "batch.retry_backoff_seconds": Case(
        with_faults(Fault(status=503)),
        {"batch": {"retry_backoff_seconds": 60.0}},
        {"batch": {"retry_backoff_seconds": 0.1}},
    ),
    "batch.timeout_seconds": Case(timed_out, {"batch": {"timeout_seconds": 1}}),
    "batch.rate_limit_rps": Case(planned, {"batch": {"rate_limit_rps": 10}}),
    "batch.error_threshold_percent": Case(verdict, {"batch": {"error_threshold_percent": 3.0}}),
    "batch.strategy": Case(with_faults(Fault(status=429, times=1)), {"batch": {"strategy": "size_based"}}),
    "batch.target_request_seconds": Case(
        sizes_before_a_slow_api,
        {"batch": {"strategy": "time_based", "target_request_seconds": 20.0}},
        {"batch": {"strategy": "time_based", "target_request_seconds": 0.05}},
    ),
    "batch.memory_budget_mb": Case(
        planned, {"batch": {"strategy": "memory_based", "memory_budget_mb": 3}}, {"batch": {"strategy": "memory_based"}}
    ),
    "batch.error_handling": Case(SLOW, {"batch": {"error_handling": "fail_fast"}}),
    "batch.enable_compression": Case(delivered, {"batch": {"enable_compression": False}}),
    "batch.enable_monitoring": Case(delivered, {"batch": {"enable_monitoring": False}}),
    "api.region": Case(loaded, {"api": {"region": "eu"}}),
    "api.base_url": Case(loaded, {"api": {"base_url": "http://127.0.0.1:1"}}),
    "api.strict_mode": Case(delivered, {"api": {"strict_mode": False}}),
    "api.share_of_rate": Case(planned, {"api": {"share_of_rate": 0.1}}),
    "api.secret.scope": Case(
        secrets_asked, {"api": {"secret": {**SECRET, "scope": "other"}}}, {"api": {"secret": SECRET}}
    ),
    "api.secret.key": Case(secrets_asked, {"api": {"secret": {**SECRET, "key": "other"}}}, {"api": {"secret": SECRET}}),
    "tables.catalog": Case(table_names, {"tables": {"catalog": "main"}}),
    "tables.database": Case(table_names, {"tables": {"database": "other"}}),
    "delivery.grace_seconds": Case(patience, {"delivery": {"grace_seconds": 10}}),
    "delivery.engine": Case(engine_used, {"delivery": {"engine": "rdd"}}),
    "monitoring.minimum_records": Case(
        alerts(total_records=90, error_rate_percent=100.0), {"monitoring": {"minimum_records": 10}}
    ),
    "monitoring.minimum_busy_seconds": Case(
        alerts(busy_seconds=5.0, requests_per_second=1.0), {"monitoring": {"minimum_busy_seconds": 1.0}}
    ),
    "monitoring.error_rate_factor": Case(alerts(error_rate_percent=8.0), {"monitoring": {"error_rate_factor": 1.0}}),
    "monitoring.slow_batch_seconds": Case(
        alerts(max_processing_time_seconds=30.0), {"monitoring": {"slow_batch_seconds": 20.0}}
    ),
    "monitoring.low_throughput_percent": Case(
        alerts(requests_per_second=10.0), {"monitoring": {"low_throughput_percent": 80.0}}
    ),
    "monitoring.expected_every_minutes": Case(alerts(), {"monitoring": {"expected_every_minutes": 30}}),
    "monitoring.most_dead_letters": Case(alerts(), {"monitoring": {"most_dead_letters": 100}}),
    "monitoring.volume_change_percent": Case(alerts(), {"monitoring": {"volume_change_percent": 20.0}}),
    "monitoring.webhook_secret.scope": Case(
        secrets_asked,
        {"monitoring": {"webhook_secret": {**SECRET, "scope": "other"}}},
        {"api": {"secret": SECRET}, "monitoring": {"webhook_secret": SECRET}},
    ),
    "monitoring.webhook_secret.key": Case(
        secrets_asked,
        {"monitoring": {"webhook_secret": {**SECRET, "key": "other"}}},
        {"api": {"secret": SECRET}, "monitoring": {"webhook_secret": SECRET}},
    ),
}

IN_WHOLE_RUNS = {
    "sync.on_change": "test_a_change_is_sent_or_ignored",
    "payload.time_zone": "test_a_run_computes_in_the_syncs_time_zone",
    "delivery.wave_minutes": "test_waves_are_as_long_as_wave_minutes_says",
    "delivery.lease_seconds": "test_a_claim_lasts_for_its_lease",
    "dead_letters.store_payloads": "test_payloads_are_kept_or_not",
    "dead_letters.keep_days": "test_letters_go_when_their_days_are_over",
    "monitoring.window_minutes": "test_alerts_look_as_far_back_as_the_window",
    "source.changes": "test_changes_and_full_every_days_decide_what_a_run_looks_at",
    "source.full_every_days": "test_changes_and_full_every_days_decide_what_a_run_looks_at",
}
"""Fields whose effect needs a whole run, each with its test below."""

REFUSALS = {"api.insecure": {"api": {"base_url": "http://elsewhere.example"}}}
"""Fields without which a configuration is refused, each with such a configuration."""


def fields_of(model: type[BaseModel], path: str = "") -> Iterator[str]:
    """Yield the path of every field; a scalar that may also be written `{value: x}` is one field."""
    for name, info in model.model_fields.items():
        here = f"{path}.{info.alias or name}".lstrip(".")
        models = [kind for kind in _models(info.annotation) if set(kind.model_fields) != {"value"}]
        if not models:
            yield here
        for kind in models:
            yield from fields_of(kind, here)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in typing.get_args(annotation):
        yield from _models(part)


@pytest.fixture(scope="module")
def world(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("every")
    rows = spark.sql(ROWS)
    for name, some in (("source", rows), ("other", rows.where("id = '1'"))):
        some.write.format("delta").save(str(folder / name))
        spark.sql(f"CREATE TABLE IF NOT EXISTS every_{name} USING delta LOCATION '{folder / name}'")
    yield World(spark, folder)
    for name in ("source", "other"):
        spark.sql(f"DROP TABLE every_{name}")


def test_every_field_has_a_test() -> None:
    named = [*CASES, *IN_WHOLE_RUNS, *REFUSALS]
    assert sorted(named) == sorted(set(fields_of(SyncConfig)))
    assert not [test for test in IN_WHOLE_RUNS.values() if test not in globals()]


@pytest.mark.parametrize("path", CASES)
def test_a_field_with_another_value_changes_something_that_can_be_seen(world: World, path: str) -> None:
    case = CASES[path]
    before, after = (
        config_of(*[in_folder(layer, world.folder) for layer in layers])
        for layers in ([case.before], [case.before, case.after])
    )
    assert world.seen(case.look, before) != case.look(world, after)


def in_folder(layer: Sections, folder: Path) -> Sections:
    text: Sections = yaml.safe_load(yaml.safe_dump(dict(layer)).replace("{folder}", str(folder)))
    return text


@pytest.mark.parametrize("path", REFUSALS)
def test_a_field_that_allows_something_is_needed_for_it(path: str) -> None:
    section, name = path.split(".")
    with pytest.raises(Exception, match=name):
        config_of(REFUSALS[path])
    config_of(REFUSALS[path], {section: {name: True}})


# Whole runs


@pytest.fixture
def bench(spark: SparkSession, warehouse: Path, request: pytest.FixtureRequest) -> Iterator[Bench]:
    with StandIn(api_key=KEY) as api:
        name = f"every_{abs(hash(request.node.name)) % 10**6}"
        made = Bench(spark, warehouse, api, name, {**TRACK, "properties": {"include": ["amount"]}})
        made.write_sql(ROWS)
        yield made


@pytest.mark.parametrize(("on_change", "sent"), [("send", 2), ("ignore", 0)])
def test_a_change_is_sent_or_ignored(bench: Bench, on_change: str, sent: int) -> None:
    bench.run()
    bench.write_sql(
        f"SELECT *, 1 AS more FROM ({ROWS.replace('10.0D', '11.0D').replace('20.0D', '21.0D').replace('5.0D', '6.0D')})"
    )
    assert bench.run(sync={"on_change": on_change}).books.delivery.accepted == sent


@pytest.mark.parametrize(("zone", "hour"), [("UTC", "10"), ("Asia/Tokyo", "19")])
def test_a_run_computes_in_the_syncs_time_zone(bench: Bench, zone: str, hour: str) -> None:
    bench.run(payload={"time_zone": zone, "properties": {"set": {"hour": "date_format(at, 'HH')"}}})
    (message,) = bench.api.received.by_person("p1")
    assert message["payload"]["properties"] == {"hour": hour}


def test_changes_and_full_every_days_decide_what_a_run_looks_at(bench: Bench) -> None:
    def scope(**source: object) -> str:
        chosen = bench.run(full=False, source=source).scope
        assert chosen is not None
        return chosen.reason

    assert scope() == "no run has covered the source yet"
    bench.write_sql(f"SELECT * FROM ({ROWS}) WHERE id = '1'")
    assert scope(changes="off") == "source.changes is off"
    long_ago = 'regexp_replace(coverage, \'"full_at": "20..\', \'"full_at": "2001\')'
    bench.spark.sql(
        f"UPDATE {bench.tables.name('sync_runs')} SET coverage = {long_ago} WHERE sync = '{bench.name}'"
    ).collect()
    assert scope(full_every_days=0).startswith("the source has not changed")
    assert scope(full_every_days=3).startswith("reconciliation")


@pytest.mark.parametrize(("minutes", "waves"), [(3.0, 1), (0.02, 2)])
def test_waves_are_as_long_as_wave_minutes_says(bench: Bench, minutes: float, waves: int) -> None:
    result = bench.run(delivery={"wave_minutes": minutes}, batch={"rate_limit_rps": 1, "max_batch_size": 1})
    found = bench.tables.read("record_status").where(F.col("run_id") == result.run_id).select("batch.wave").distinct()
    assert (found.count() > 1) is (waves > 1)


@pytest.mark.parametrize("seconds", [60, 180])
def test_a_claim_lasts_for_its_lease(bench: Bench, seconds: int) -> None:
    result = bench.run(delivery={"lease_seconds": seconds})
    started = bench.tables.read("sync_runs").where((F.col("run_id") == result.run_id) & (F.col("event") == "started"))
    (row,) = started.select((F.unix_seconds("send_until") - F.unix_seconds("at")).alias("seconds")).collect()
    assert row["seconds"] == seconds


@pytest.mark.parametrize("kept", [True, False])
def test_payloads_are_kept_or_not(bench: Bench, kept: bool) -> None:
    bench.api.script(Fault(poison=frozenset({"p1"})))
    bench.run(dead_letters={"store_payloads": kept})
    (letter,) = bench.tables.read("dead_letters").where(F.col("sync") == bench.name).collect()
    assert (letter["payload"] is not None) is kept


@pytest.mark.parametrize(("days", "left"), [pytest.param(None, 1, marks=pytest.mark.slow), (1, 0)])
def test_letters_go_when_their_days_are_over(bench: Bench, days: int | None, left: int, tmp_path: Path) -> None:
    bench.sections = {**bench.sections, "tables": {"database": f"letters_{days}"}}
    set_up_tables(bench.tables)
    bench.tables.append_events("dead_letters", [{"run_id": "0" * 26, "sync": bench.name, "record_id": "old"}])
    conf = bench.write_config(tmp_path / "sync.yml", dead_letters={"keep_days": days})
    result = CliRunner().invoke(app, ["maintain", str(conf), "--warehouse", str(bench.warehouse)])
    assert result.exit_code == 0, result.output
    assert bench.tables.read("dead_letters").count() == left


@pytest.mark.parametrize(("minutes", "batches"), [(5, 0), (60 * 24, 1)])
def test_alerts_look_as_far_back_as_the_window(bench: Bench, minutes: int, batches: int) -> None:
    from cio_spark.monitoring.observing import observe_sync

    bench.run()
    observed = observe_sync(
        bench.tables,
        bench.config(monitoring={"window_minutes": minutes}),
        now=datetime.now(timezone.utc) + timedelta(hours=1),
    )
    assert min(1, observed.window.batch_count) == batches
