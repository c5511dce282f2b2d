"""Tests the loader: its layers, how they are merged, and all problems at once, each with its path."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from cio_spark.config import SyncConfig, load_config, load_configs
from cio_spark.errors import ConfigurationError

GOOD = """
sync: {name: orders}
source: {table: shop.orders}
payload:
  call: track
  record_id: order_id
  user_id: customer_id
  event: {value: Order Placed}
  properties: {include: [amount], set: {total: amount * 1.2, currency: {value: EUR}}}
batch: {parallel_workers: 8}
"""
CONF = Path(__file__).parents[3] / "conf"


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)  # otherwise the shipped environments would be found too
    (tmp_path / "syncs").mkdir()
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments" / "test.yml").write_text("batch: {parallel_workers: 2, timeout_seconds: 5}\n")
    (tmp_path / "syncs" / "orders.yml").write_text(GOOD)
    return tmp_path


def load(conf: Path, text: str | None = None, **options: Any) -> SyncConfig:
    path = conf / "syncs" / "orders.yml"
    if text is not None:
        path.write_text(text)
    return load_config(path, **options)


def problems(conf: Path, text: str | None = None, **options: Any) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as caught:
        load(conf, text, **options)
    found = {problem.path: problem.message for problem in caught.value.problems}
    assert len(found) == len(caught.value.problems)
    return found


def test_values_come_from_defaults_then_file_then_environment_then_overrides(conf: Path) -> None:
    assert load(conf).batch.parallel_workers == 8
    config = load(conf, environment="test", overrides=["batch.parallel_workers=3"])
    assert (config.batch.parallel_workers, config.batch.timeout_seconds, config.batch.rate_limit_rps) == (3, 5, 100)


@pytest.mark.parametrize(
    ("override", "section", "field", "value"),
    [
        ("source.where=status = 'paid'", "source", "where", "status = 'paid'"),
        ("source.where='paid' = status", "source", "where", "'paid' = status"),
        ("source.where=a: b # c", "source", "where", "a: b # c"),
        ("source.where=", "source", "where", None),
        ("source.order_by=[a, b DESC]", "source", "order_by", ["a", "b DESC"]),
        ("api.strict_mode=false", "api", "strict_mode", False),
        ("tables.catalog=null", "tables", "catalog", None),
        ('tables.database="9"', "tables", "database", "9"),
        ("batch.error_threshold_percent= 1.5 ", "batch", "error_threshold_percent", 1.5),
    ],
)
def test_an_override_is_a_yaml_value_or_plain_text(
    conf: Path, override: str, section: str, field: str, value: Any
) -> None:
    assert getattr(getattr(load(conf, overrides=[override]), section), field) == value


def test_overrides_reach_into_mappings_and_the_last_one_wins(conf: Path) -> None:
    config = load(
        conf,
        overrides=["payload.event={value: A}", "payload.event.value=B", "payload.properties.set.currency={value: USD}"],
    )
    assert config.payload.model_dump()["event"] == {"value": "B"}
    assert config.payload.properties is not None
    assert set(config.payload.properties.set) == {"total", "currency"}


def test_a_section_with_nothing_but_comments_says_nothing(conf: Path) -> None:
    (conf / "environments" / "empty.yml").write_text("batch:\n  # all defaults\n")
    assert load(conf, environment="empty").batch.parallel_workers == 8


def test_an_environment_may_be_all_comments(conf: Path) -> None:
    (conf / "environments" / "empty.yml").write_text("# nothing yet\n")
    assert load(conf, environment="empty").sync.name == "orders"


def test_environments_are_found_in_a_named_folder_first_and_under_the_current_one_last(
    conf: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, here = tmp_path_factory.mktemp("other"), tmp_path_factory.mktemp("here")
    (other / "environments").mkdir()
    (other / "environments" / "test.yml").write_text("batch: {parallel_workers: 20}\n")
    (here / "conf" / "environments").mkdir(parents=True)
    (here / "conf" / "environments" / "local.yaml").write_text("batch: {parallel_workers: 1}\n")
    assert load(conf, environment="test", conf_dir=other).batch.parallel_workers == 20
    monkeypatch.chdir(here)
    assert load(conf, environment="local").batch.parallel_workers == 1


def test_an_unknown_environment_lists_those_there_are(conf: Path) -> None:
    found = problems(conf, environment="tets")
    assert found == {"--environment": "there is no environment 'tets'; did you mean 'test'? available: test"}


@pytest.mark.parametrize("name", ["", "../syncs/orders", "/etc/passwd", "a\0b"])
def test_an_environment_is_a_name_and_not_a_path(conf: Path, name: str) -> None:
    assert list(problems(conf, environment=name)) == ["--environment"]


def test_all_problems_of_all_layers_come_at_once(conf: Path) -> None:
    text = GOOD.replace("name: orders", "name: or ders").replace("total: amount * 1.2", "total: 5")
    text = text.replace("table: shop.orders", "tabel: shop.orders").replace("parallel_workers: 8", "strategy: adaptiv")
    (conf / "environments" / "bad.yml").write_text("batch: {parallel_workers: 25}\napi: {regoin: eu}\n")
    found = problems(conf, text, environment="bad", overrides=["batch.max_batchsize=5", "nonsense"])
    assert {path: message.partition("[")[0].strip() for path, message in found.items()} == {
        "--set": "must be key.path=value, found 'nonsense'",
        "sync.name": "must be 1 to 100 letters, digits, '_', '.' or '-', the first a letter, digit or '_', "
        "found 'or ders'",
        "source.tabel": "is not a known key; did you mean 'table'? allowed: table, path, query, where, order_by, "
        "changes, full_every_days",
        "payload.properties.set.total": "must be a Spark SQL expression, or {value: x} for a constant, found 5; "
        "for the constant write {value: 5}",
        "batch.parallel_workers": "must be between 1 and 20, found 25",
        "batch.strategy": "must be one of size_based, time_based, memory_based, adaptive, found 'adaptiv'; "
        "did you mean 'adaptive'?",
        "batch.max_batchsize": "is not a known key; did you mean 'max_batch_size'? allowed: max_batch_size, "
        "max_batch_bytes, parallel_workers, retry_attempts, retry_backoff_seconds, timeout_seconds, rate_limit_rps, "
        "error_threshold_percent, strategy, target_request_seconds, memory_budget_mb, error_handling, "
        "enable_compression, enable_monitoring",
        "api.regoin": "is not a known key; did you mean 'region'? allowed: region, base_url, strict_mode, "
        "share_of_rate, insecure, secret",
    }
    assert found["batch.parallel_workers"].endswith(f"[{conf / 'environments' / 'bad.yml'}]")
    assert found["batch.max_batchsize"].endswith("[--set]")
    assert found["sync.name"].endswith(f"[{conf / 'syncs' / 'orders.yml'}]")


def test_rules_across_fields_are_told_together_with_other_problems(conf: Path) -> None:
    text = GOOD.replace("  event: {value: Order Placed}\n", "  email: e\n  nulls: {default: keep}\n")
    found = problems(conf, text, overrides=["source.path=/data"])
    assert set(found) == {"payload.event", "payload.email", "payload.nulls.default", "source"}
    assert "sets the first to null" in found["source"]


def test_an_environment_can_replace_the_source_by_setting_the_other_to_null(conf: Path) -> None:
    (conf / "environments" / "files.yml").write_text("source: {table: null, path: /data/orders}\n")
    assert load(conf, environment="files").source.path == "/data/orders"


@pytest.mark.parametrize(
    ("override", "path", "message"),
    [
        ("sync.priority=urgent", "sync.priority", "must be one of low, normal, high, critical, found 'urgent'"),
        ("sync.name=5", "sync.name", "must be text, found 5; put it in quotes"),
        ("sync.name=null", "sync.name", "must be text, found nothing"),
        (
            "batch.timeout_seconds=soon",
            "batch.timeout_seconds",
            "must be a whole number between 1 and 300, found 'soon'",
        ),
        ("batch.timeout_seconds=true", "batch.timeout_seconds", "must be a number, found true"),
        (
            "batch.retry_backoff_seconds=x",
            "batch.retry_backoff_seconds",
            "must be a number between 0.1 and 60.0, found 'x'",
        ),
        ("batch.retry_backoff_seconds=.inf", "batch.retry_backoff_seconds", "must be a finite number, found inf"),
        ("batch.enable_compression=gzip", "batch.enable_compression", "must be true or false, found 'gzip'"),
        ("batch=fast", "batch", "must be a mapping (key: value), found 'fast'"),
        ("payload.nulls.send=a", "payload.nulls.send", "must be a list, found 'a'"),
        ("payload.properties.set=a", "payload.properties.set", "must be a mapping (key: value), found 'a'"),
        (
            "payload.properties.include=a",
            "payload.properties.include",
            "must be a list of columns, or \"*\" for all, found 'a'",
        ),
        ("payload.record_id={a: b}", "payload.record_id", "must be a column, or a list of columns, found a mapping"),
        (
            "payload.timestamps=iso8601",
            "payload.timestamps",
            "must be one of iso, unix_seconds, found 'iso8601'; did you mean 'iso'?",
        ),
        ("payload.user_id= ", "payload.user_id", "is missing: track needs user_id or anonymous_id"),
        ('payload.user_id=" "', "payload.user_id", "must not be blank"),
        ("payload.event.valu=x", "payload.event.valu", "is not a known key; did you mean 'value'? allowed: value"),
        ("payload.record_id=[]", "payload.record_id", "must name at least one column"),
        (
            "tables.database=a.b",
            "tables.database",
            "must be 1 to 255 letters, digits, '_' or '-', the first a letter, digit or '_', found 'a.b'",
        ),
        ("source.where=[" + "a" * 100 + "]", "source.where", "must be text, found a list"),
    ],
)
def test_a_problem_says_what_was_found_and_what_is_allowed(conf: Path, override: str, path: str, message: str) -> None:
    assert problems(conf, overrides=[override]) == {path: f"{message} [--set]"}


def test_a_long_value_is_shown_shortened(conf: Path) -> None:
    found = problems(conf, overrides=["sync.priority=" + "x" * 5000])
    assert len(found["sync.priority"]) < 200


def test_duplicate_keys_are_a_problem_with_path_and_line(conf: Path) -> None:
    assert list(problems(conf, GOOD + "sync: {name: again}\n").items()) == [
        ("sync", f"is given twice (line 11) [{conf / 'syncs' / 'orders.yml'}]")
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty; a sync needs at least sync, source and payload"),
        (b"# only a comment\n", "is empty; a sync needs at least sync, source and payload"),
        (b"- a\n- b\n", "must be a mapping (key: value) at its top"),
        (b"orders", "must be a mapping (key: value) at its top"),
        (b"\x89PNG\r\n\x1a\n\x00", "is not a text file in UTF-8"),
        (b"a: \x00\x01", "is not YAML text: it holds control characters"),
        (b"#" * 1_000_001, "is no configuration: it is larger than 1,000,000 bytes"),
    ],
)
def test_a_file_that_is_no_configuration_gives_one_sentence(conf: Path, content: bytes, sentence: str) -> None:
    path = conf / "syncs" / "orders.yml"
    path.write_bytes(content)
    assert problems(conf) == {str(path): sentence}


def test_a_syntax_error_names_file_and_line(conf: Path) -> None:
    path = conf / "syncs" / "orders.yml"
    (path_and_line,) = problems(conf, "sync:\n  name: a: b\n")
    assert path_and_line == f"{path}:2"


def test_a_broken_environment_does_not_hide_the_files_own_problems_nor_invent_missing_ones(conf: Path) -> None:
    (conf / "environments" / "broken.yml").write_text("a: [\n")
    text = GOOD.replace("name: orders", "priority: urgent")
    assert set(problems(conf, text, environment="broken")) == {
        f"{conf / 'environments' / 'broken.yml'}:2",
        "sync.priority",
    }


def test_a_missing_file_a_folder_and_an_impossible_path_give_one_sentence_each(conf: Path) -> None:
    for name, sentence in {
        "oders.yml": "does not exist; did you mean 'orders.yml'?",
        ".": "is a folder; name a YAML file in it",
        "orders.yml/x": "cannot be read (Not a directory)",
        "a\0b": "cannot be read (not a usable path)",
    }.items():
        with pytest.raises(ConfigurationError) as caught:
            load_config(conf / "syncs" / name)
        assert [problem.message for problem in caught.value.problems] == [sentence]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_gives_one_sentence(conf: Path) -> None:
    (conf / "syncs" / "orders.yml").chmod(0)
    (message,) = problems(conf).values()
    assert message == "cannot be read (Permission denied)"


@pytest.mark.parametrize(
    ("extra", "path"),
    [
        ("api_key: hunter2", "api_key"),
        ("CUSTOMERIO_API_KEY: hunter2", "CUSTOMERIO_API_KEY"),
        ("api: {api_key: hunter2}", "api.api_key"),
        ("api: {apiKey: hunter2}", "api.apiKey"),
        ("api: {token: {a: hunter2}}", "api.token"),
        ("api: {secret: hunter2}", "api.secret"),
        ("api: {secret: [hunter2]}", "api.secret"),
        ("tables: {password: hunter2}", "tables.password"),
    ],
)
def test_a_key_in_yaml_is_refused_with_advice_and_never_shown(conf: Path, extra: str, path: str) -> None:
    found = problems(conf, f"{GOOD}\n{extra}\n")
    assert list(found) == [path]
    assert "CUSTOMERIO_API_KEY" in found[path]
    assert "api.secret: {scope" in found[path]
    assert "hunter2" not in found[path]


@pytest.mark.parametrize(
    "override", ["api.api_key=hunter2", "api.secret=hunter2", "api_key:hunter2", "api.secret={hunter2"]
)
def test_a_key_in_an_override_is_never_shown(conf: Path, override: str) -> None:
    assert all("hunter2" not in path + message for path, message in problems(conf, overrides=[override]).items())


def test_a_value_under_a_secret_looking_key_is_never_shown(conf: Path) -> None:
    device = GOOD.replace("call: track", "call: device").replace("  event: {value: Order Placed}\n", "")
    device = device[: device.index("  properties")]
    found = problems(conf, device, overrides=["payload.device_token=424242", "api.secret={scope: s, key: 434343}"])
    assert set(found) == {"payload.device_token", "api.secret.key"}
    assert "must be text, found a value that is not shown [--set]" in found["api.secret.key"]
    assert not any("424242" in message or "434343" in message for message in found.values())


def test_a_secret_reference_is_names_only_and_in_order(conf: Path) -> None:
    config = load(conf, overrides=["api.secret={scope: customerio, key: api_key}"])
    assert config.api.secret is not None
    assert (config.api.secret.scope, config.api.secret.key) == ("customerio", "api_key")


def test_fields_of_the_payload_may_be_called_anything(conf: Path) -> None:
    load(conf, overrides=["payload.properties.set={token: token, api_key: {value: x}, <value>: a}"])


@pytest.mark.parametrize("override", ["", "a", "=x", "a..b=1", ".=1", "a.=1"])
def test_an_override_without_key_or_value_is_a_problem(conf: Path, override: str) -> None:
    (message,) = problems(conf, overrides=[override]).values()
    assert message.startswith("must be key.path=value")


def test_an_override_with_broken_brackets_is_a_problem(conf: Path) -> None:
    assert list(problems(conf, overrides=["source.order_by=[a"])) == ["--set source.order_by"]


def test_nothing_is_read_from_the_process_environment(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTOMERIO_BASE_URL", "http://127.0.0.1:1/v1")
    assert load(conf).api.url == "https://cdp.customer.io/v1"


def test_an_address_in_clear_text_is_a_problem_whoever_says_it(conf: Path) -> None:
    found = problems(conf, overrides=["api.base_url=http://api.example.com/v1", "api.region=asia"])

    assert found["api.base_url"].startswith("starts with http://")
    assert "api.insecure: true" in found["api.base_url"]
    assert set(found) == {"api.base_url", "api.region"}
    taken = load(conf, overrides=["api.base_url=http://api.example.com/v1", "api.insecure=true"])
    assert taken.api.url == "http://api.example.com/v1"


def test_several_syncs_come_critical_first_and_else_in_the_order_given(conf: Path) -> None:
    for name, priority in {"a": "low", "b": "normal", "c": "critical", "d": "normal"}.items():
        text = GOOD.replace("name: orders", f"name: {name}, priority: {priority}")
        (conf / "syncs" / f"{name}.yml").write_text(text)
    configs = load_configs([conf / "syncs" / f"{name}.yml" for name in "abcd"])
    assert [config.sync.name for config in configs] == ["c", "b", "d", "a"]


def test_two_files_with_one_name_are_a_problem_that_names_both(conf: Path) -> None:
    first, second = conf / "syncs" / "orders.yml", conf / "syncs" / "again.yml"
    second.write_text(GOOD)
    with pytest.raises(ConfigurationError) as caught:
        load_configs([first, second])
    (problem,) = caught.value.problems
    assert problem.path == "sync.name"
    assert str(first) in problem.message
    assert str(second) in problem.message


def test_problems_of_several_files_come_together_and_shared_ones_once(conf: Path) -> None:
    for name in "ab":
        (conf / "syncs" / f"{name}.yml").write_text(GOOD.replace("orders", f"{name} {name}", 1))
    with pytest.raises(ConfigurationError) as caught:
        load_configs([conf / "syncs" / "a.yml", conf / "syncs" / "b.yml"], overrides=["batch.parallel_workers=0"])
    assert [problem.path for problem in caught.value.problems] == ["sync.name", "batch.parallel_workers", "sync.name"]


def test_no_files_are_a_problem() -> None:
    with pytest.raises(ConfigurationError, match="no sync file"):
        load_configs([])


@pytest.mark.parametrize("environment", [None, "test", "dev", "prod"])
@pytest.mark.parametrize("sync", ["orders", "customers"])
def test_the_shipped_examples_work_in_every_shipped_environment(sync: str, environment: str | None) -> None:
    assert load_config(CONF / "syncs" / f"{sync}.yml", environment=environment).sync.name == sync


def test_the_shipped_test_environment_is_bound_to_the_stand_in() -> None:
    config = load_config(CONF / "syncs" / "orders.yml", environment="test")
    assert config.api.url == "http://127.0.0.1:8087/v1"
    assert (config.tables.catalog, config.tables.database) == (None, "customerio_test")
