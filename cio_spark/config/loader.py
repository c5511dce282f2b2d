"""Loads sync files and reports all problems at once: defaults < sync file < environment file < overrides."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cio_spark.config.batch import BatchConfiguration, ProcessingPriority
from cio_spark.config.environments import read_environment
from cio_spark.config.key_leaks import key_leaks
from cio_spark.config.layers import merge_layers, origin, read_layer, read_overrides
from cio_spark.config.located import Finding, Location
from cio_spark.config.payload_rules import payload_problems
from cio_spark.config.problems import nearest, validation_findings
from cio_spark.config.section_rules import MISSING, api_problems, batch_problems, source_problems
from cio_spark.config.sync import SyncConfig
from cio_spark.errors import ConfigurationError, Problem

_SECTIONS = frozenset(SyncConfig.model_fields)
_BATCH_DEFAULTS = BatchConfiguration().model_dump(mode="json")
_RULES: Mapping[str, Callable[[Mapping[str, Any]], list[Problem]]] = {
    "source": source_problems,
    "payload": payload_problems,
    "api": api_problems,
    "batch": lambda section: batch_problems(section, _BATCH_DEFAULTS),
}
FIRST_TO_LAST = tuple(reversed(ProcessingPriority))
"""Order of priorities in which several syncs run, and in which a processor runs its jobs."""


def load_config(
    path: str | os.PathLike[str],
    *,
    environment: str | None = None,
    overrides: Sequence[str] = (),
    conf_dir: Path | None = None,
) -> SyncConfig:
    """Load one sync file.

    Args:
        path: the sync file.
        environment: name of an environment file. It is searched in `conf_dir/environments`, in `environments` beside
            the sync file's folder, and in `conf/environments` under the current folder.
        overrides: texts `key.path=value` that win over both files. The value is a YAML scalar, a `[list]` or a
            `{mapping}`.
        conf_dir: configuration folder that is searched for environments first.

    Returns:
        The checked configuration.

    Raises:
        ConfigurationError: there are problems; the error carries those of all layers.
    """
    sync_file = Path(path)
    layers = [read_layer(sync_file, may_be_empty=False)]
    if environment is not None:
        layers.append(read_environment(environment, sync_file, conf_dir))
    layers.append(read_overrides(overrides))

    problems = [problem for layer in layers for problem in layer.unreadable]
    for layer in layers:
        leaks = key_leaks(layer.data)
        problems += [_problem(finding, layer.name) for finding in [*layer.findings, *leaks]]

    config: SyncConfig | None = None
    if not layers[0].unreadable:
        merged = merge_layers(layers, _SECTIONS)
        complete = not any(layer.unreadable for layer in layers)
        config, findings = _check(merged, complete=complete)
        told = [finding.location for layer in layers for finding in layer.findings]
        told += [finding.location for finding in key_leaks(merged)]
        problems += [
            _problem(finding, origin(layers, finding.location))
            for finding in findings
            if not any(_follows_from(finding, place) for place in told)
        ]
    if problems or config is None:
        raise ConfigurationError(list(dict.fromkeys(problems)))
    return config


def load_configs(
    paths: Sequence[str | os.PathLike[str]],
    *,
    environment: str | None = None,
    overrides: Sequence[str] = (),
    conf_dir: Path | None = None,
    only: Collection[str] = (),
) -> list[SyncConfig]:
    """Load several sync files that run in one job.

    Args:
        paths: the sync files.
        environment: as for `load_config`; it applies to all files.
        overrides: as for `load_config`; they apply to all files.
        conf_dir: as for `load_config`.
        only: names of the syncs that are wanted; none stands for all. If these are found, problems of other files do
            not matter.

    Returns:
        The configurations in the order in which they run: higher priorities first, and in the given order for equal
        priorities.

    Raises:
        ConfigurationError: there are problems, two files use the same sync name, or a wanted sync is not there; the
            error carries the problems of all files.
    """
    if not paths:
        raise ConfigurationError.of("", "no sync file was given")
    problems: list[Problem] = []
    unreadable: list[Problem] = []
    configs: list[SyncConfig] = []
    named: dict[str, str] = {}
    for path in paths:
        try:
            config = load_config(path, environment=environment, overrides=overrides, conf_dir=conf_dir)
        except ConfigurationError as error:
            unreadable += error.problems
            continue
        name = config.sync.name
        if name in named and (not only or name in only):
            problems.append(Problem("sync.name", f"{name!r} names two syncs: {named[name]} and {path}; rename one"))
        named.setdefault(name, str(path))
        configs.append(config)
    missing = sorted(set(only).difference(named))
    # Each file with problems may be that of a sync that is missing
    problems = [*(unreadable if missing or not only else ()), *problems]
    if missing and not unreadable:
        problems += [_missing(name, sorted(named)) for name in missing]
    if problems:
        raise ConfigurationError(list(dict.fromkeys(problems)))
    configs = [config for config in configs if not only or config.sync.name in only]
    return sorted(configs, key=lambda config: FIRST_TO_LAST.index(config.sync.priority))


def _missing(name: str, known: Sequence[str]) -> Problem:
    hint = nearest(name, known) or ";"
    return Problem("--only", f"there is no sync {name!r}{hint} available: {', '.join(known)}")


def _check(merged: dict[str, Any], *, complete: bool) -> tuple[SyncConfig | None, list[Finding]]:
    """Validate a merged configuration, and return it with all findings.

    If a layer could not be read (`complete` is False), missing values are not reported, because that layer may contain
    them, and the rules across fields are not applied.
    """
    findings: list[Finding] = []
    config: SyncConfig | None = None
    try:
        config = SyncConfig.model_validate(merged)
    except ValidationError as error:
        findings = validation_findings(error, merged, SyncConfig)
    if not complete:
        return config, [finding for finding in findings if not finding.message.startswith(MISSING)]
    for section, rule in _RULES.items():
        written = merged.get(section)
        for problem in rule(written) if isinstance(written, dict) else ():
            findings.append(Finding((section, problem.path) if problem.path else (section,), problem.message))
    return config, findings


def _follows_from(finding: Finding, place: Location) -> bool:
    """Tell whether a finding only repeats, or is caused by, a problem that was already reported for a place."""
    within = finding.location[: len(place)] == place
    return within and (finding.location == place or finding.message.startswith(MISSING))


def _problem(finding: Finding, layer: str) -> Problem:
    return Problem(finding.path, f"{finding.message} [{layer}]")
