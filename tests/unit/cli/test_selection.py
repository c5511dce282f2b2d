"""Tests which syncs a command works with: files, folders of them, and names after `--only`."""

from __future__ import annotations

from pathlib import Path

import pytest

from cio_spark.cli.selection import Selection
from cio_spark.errors import ConfigurationError

SYNC = """
sync: {{name: {name}, priority: {priority}}}
source: {{table: shop.orders}}
payload: {{call: track, record_id: id, user_id: id, event: {{value: e}}}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for file, name, priority in (("a.yml", "orders", "normal"), ("b.yaml", "people", "critical")):
        (tmp_path / file).write_text(SYNC.format(name=name, priority=priority))
    (tmp_path / "notes.txt").write_text("no sync")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "c.yml").write_text(SYNC.format(name="retired", priority="normal"))
    return tmp_path


def names(selection: Selection) -> list[str]:
    return [config.sync.name for config in selection.load()]


def problem_of(selection: Selection) -> str:
    with pytest.raises(ConfigurationError) as raised:
        selection.load()
    return str(raised.value)


def test_a_folder_stands_for_the_sync_files_in_it_and_for_nothing_else(folder: Path) -> None:
    assert names(Selection([folder])) == ["people", "orders"]  # the critical one first
    assert names(Selection([folder / "a.yml", folder / "old"])) == ["orders", "retired"]


def test_a_folder_without_a_sync_file_is_a_problem_with_its_name(tmp_path: Path) -> None:
    assert f"{tmp_path} is a folder without a sync file" in problem_of(Selection([tmp_path])).replace(": ", " ")


def test_a_file_that_does_not_exist_is_still_told_by_the_loader(folder: Path) -> None:
    assert "does not exist" in problem_of(Selection([folder, folder / "missing.yml"]))


def test_a_file_that_several_paths_lead_to_is_one_sync(folder: Path) -> None:
    (folder / "link.yml").symlink_to(folder / "a.yml")
    assert names(Selection([folder, folder / "old" / ".." / "a.yml", folder / "a.yml"])) == ["people", "orders"]


def test_a_folder_without_the_dot_files_and_with_suffixes_in_capitals(folder: Path) -> None:
    (folder / ".a.yml").write_text("half written")
    (folder / "d.YML").write_text(SYNC.format(name="d", priority="normal"))
    (folder / "e.Yaml").write_text(SYNC.format(name="e", priority="normal"))
    assert names(Selection([folder])) == ["people", "orders", "d", "e"]


def test_a_link_that_leads_nowhere_is_a_problem_and_not_left_out(folder: Path) -> None:
    (folder / "gone.yml").symlink_to(folder / "nowhere.yml")
    (folder / "loop.yml").symlink_to(folder / "loop.yml")
    told = problem_of(Selection([folder]))
    assert f"{folder / 'gone.yml'}" in told
    assert f"{folder / 'loop.yml'}" in told


@pytest.mark.parametrize("method", ["is_dir", "iterdir"])
def test_a_folder_that_may_not_be_read_is_told_in_one_sentence(
    folder: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, method, refuse)
    assert problem_of(Selection([folder])) == f"{folder} cannot be read (Permission denied)"


@pytest.mark.parametrize("broken", ["sync: {name: broken}", "sync: {name: [", ""])
def test_a_file_with_problems_stops_only_who_may_want_its_sync(folder: Path, broken: str) -> None:
    (folder / "broken.yml").write_text(broken)
    assert names(Selection([folder], only="orders")) == ["orders"]
    for only in ("", "broken", "orders,broken"):
        assert "broken.yml" in problem_of(Selection([folder], only=only))


def test_two_files_of_a_sync_that_is_not_wanted_do_not_stop_the_others(folder: Path) -> None:
    (folder / "again.yml").write_text(SYNC.format(name="orders", priority="normal"))
    assert names(Selection([folder], only="people")) == ["people"]
    assert "'orders' names two syncs" in problem_of(Selection([folder], only="orders"))


@pytest.mark.parametrize("only", ["orders", " orders ", "orders,", "orders,orders"])
def test_only_the_named_syncs_are_worked_with(folder: Path, only: str) -> None:
    assert names(Selection([folder], only=only)) == ["orders"]


def test_several_names_keep_the_order_of_priorities(folder: Path) -> None:
    assert names(Selection([folder], only="orders,people")) == ["people", "orders"]


@pytest.mark.parametrize("only", ["", " ", ","])
def test_a_blank_list_stands_for_all_syncs(folder: Path, only: str) -> None:
    assert names(Selection([folder], only=only)) == ["people", "orders"]


def test_every_unknown_name_is_told_with_the_names_that_exist(folder: Path) -> None:
    told = problem_of(Selection([folder], only="order,shops"))
    assert "did you mean 'orders'?" in told
    assert "'shops'" in told
    assert "available: orders, people" in told
