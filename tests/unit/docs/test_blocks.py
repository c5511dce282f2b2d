"""Tests that every fenced block of the pages is of a kind that is checked here, and passes its check.

`tests/spark/test_doc_pages.py` and `tests/spark/test_cookbook.py` run what can be run. A block that no test knows how
to check fails: name the program in `doc_programs.WITHOUT_A_CHECK`, or add a check.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from doc_blocks import BLOCKS, Block, blocks_in
from doc_commands import Command, commands_of
from doc_programs import problems_of
from doc_texts import problems_of_json, problems_of_python, problems_of_sql
from doc_yaml import problems_of_yaml

SHELL = ("sh", "bash", "shell")
LANGUAGES_WITH_A_CHECK = {*SHELL, "yaml", "sql", "python", "json"}
LANGUAGES_WITHOUT_A_CHECK = {
    "text": "output of a command, or a formula",
    "mermaid": "a picture",
    "properties": "settings of spark-defaults.conf",
    "dockerfile": "needs a container engine",
}


def block_of(language: str, text: str) -> Block:
    return Block("page.md", 1, language, text, "Heading")


def problems_of_shell(text: str) -> list[str]:
    return [problem for command in commands_of(block_of("sh", text)) for problem in problems_of(command)]


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_is_in_a_language_that_is_known_here(block: Block) -> None:
    assert block.language in LANGUAGES_WITH_A_CHECK | set(LANGUAGES_WITHOUT_A_CHECK)


@pytest.mark.parametrize("block", blocks_in(*SHELL), ids=str)
def test_every_command_of_a_page_is_one_that_exists(block: Block) -> None:
    assert {str(command): problems_of(command) for command in commands_of(block) if problems_of(command)} == {}


@pytest.mark.parametrize("block", blocks_in("yaml"), ids=str)
def test_the_real_loader_or_schema_takes_every_yaml_block(block: Block, tmp_path: Path) -> None:
    assert problems_of_yaml(block.text, tmp_path) == []


@pytest.mark.parametrize("block", blocks_in("sql"), ids=str)
def test_every_sql_block_can_be_parsed(block: Block) -> None:
    assert problems_of_sql(block.text) == []


@pytest.mark.parametrize("block", blocks_in("python"), ids=str)
def test_every_python_block_compiles_and_finds_what_it_imports(block: Block) -> None:
    assert problems_of_python(block.text) == []


@pytest.mark.parametrize("block", blocks_in("json"), ids=str)
def test_every_json_block_is_json_and_a_line_of_the_log_has_the_fields_of_its_event(block: Block) -> None:
    assert problems_of_json(block.text) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("cio-spark snyc conf/syncs/orders.yml", "No such command"),
        ("cio-spark sync conf/syncs/orders.yml --dryrun", "No such option"),
        ("cio-spark sync conf/syncs/order.yml", "conf/syncs/order.yml does not exist"),
        ("A=b cio-spark sync \\\n  conf/syncs/orders.yml -e produktion # text", "there is no environment produktion"),
        ("make tset", "no target tset"),
        ("pip install 'cio-spark[sprak]'", "no extra sprak"),
        ("cd x && frobnicate", "frobnicate: no check"),
        ("databricks bundle deploy -t produktion", "no target produktion"),
        ("databricks bundle run snyc", "names no resource"),
        ("databricks bundel deploy", "bundel is not listed"),
        ("spark-submit --mastre yarn jobs/sync.py conf/syncs/orders.yml", "no option --mastre"),
        ("spark-submit --master yran jobs/sync.py conf/syncs/orders.yml", "yran is no master"),
        ("spark-submit --conf x=1 jobs/sync.py conf/syncs/orders.yml", "sets no property"),
        ("spark-submit --master yarn jobs/snyc.py conf/syncs/orders.yml", "is not in jobs/"),
        ("spark-submit --master yarn jobs/sync.py conf/syncs/orders.yml --fulll", "No such option"),
    ],
)
def test_a_wrong_command_is_found(text: str, problem: str) -> None:
    (found,) = problems_of_shell(text)
    assert problem in found


@pytest.mark.parametrize(
    "text",
    [
        "export KEY=… # text, and today's",
        'cio-spark sync conf/syncs/*.yml --environment "$ENV" --log json 2>events.jsonl | cat',
        "databricks bundle deploy -t prod && databricks bundle run sync -t prod",
        "spark-submit --master k8s://https://host:6443 --deploy-mode=cluster --conf spark.a.b=c "
        "local:///x/jobs/sync.py /x/orders.yml --job-attempt {{job.run_id}}/sync/1",
    ],
)
def test_a_right_command_is_not_refused(text: str) -> None:
    assert problems_of_shell(text) == []


def test_a_block_is_split_at_operators_and_a_comment_is_no_command() -> None:
    text = "# text\nA=1 one \\\n  two 'a b' >file & # text\nthree; four"
    block = block_of("sh", text)
    assert commands_of(block) == [
        Command(block, ["one", "two", "a b"], {"A": "1"}, background=True),
        Command(block, ["three"]),
        Command(block, ["four"]),
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "sync: {name: a}\nsource: {tabel: t}\npayload: {call: alias, record_id: i, user_id: i, previous_id: p}",
            "tabel",
        ),
        ("batch: {max_batch_sizes: 5}", "max_batch_sizes"),
        ("resources: {jobs: {sync: {max_concurrent_run: 1}}}", "max_concurrent_run"),
        ("steps: [a]", "nothing that is known here"),
        ("- a", "nothing that is known here"),
    ],
)
def test_a_wrong_yaml_block_is_found(text: str, problem: str, tmp_path: Path) -> None:
    assert problem in "\n".join(problems_of_yaml(text, tmp_path))


def test_wrong_sql_python_and_json_are_found() -> None:
    assert problems_of_sql("SELECT count(* FROM t") != []
    assert problems_of_python("from cio_spark import run_sinc") == ["cio_spark has no run_sinc"]
    assert problems_of_python("import cio_spark.nothing") == ["there is no cio_spark.nothing"]
    assert problems_of_python("a b") != []
    assert problems_of_json('{"a": 1, …}') != []
    line = '{"timestamp": "", "level": "info", "event": "wave_commited"}'
    assert problems_of_json(line) == ["wave_commited is no event"]
