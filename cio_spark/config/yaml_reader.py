"""Reads YAML strictly, and reports every problem with its place: scalars of YAML 1.2, no duplicate keys, no tags.

Editors check against YAML 1.2, and it has none of the traps of YAML 1.1: `NO` stays text, and `12:30` is no number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from cio_spark.config.located import Finding, Location

DEEPEST_NESTING = 50
MOST_VALUES = 20_000
_TAG = "tag:yaml.org,2002:"
_SCALARS = {
    "null": re.compile(r"~|null|Null|NULL|"),
    "bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "int": re.compile(r"[-+]?(?:0|[1-9][0-9]{0,1000})|0o[0-7]{1,100}|0x[0-9a-fA-F]{1,100}"),
    "float": re.compile(
        r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
    ),
}


class _Composer(yaml.SafeLoader):
    """Turns text into nodes whose scalars carry YAML 1.2's tags."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own attribute, replaced to start from none


for _name, _pattern in _SCALARS.items():
    _Composer.add_implicit_resolver(_TAG + _name, re.compile(rf"^(?:{_pattern.pattern})$"), None)


@dataclass
class Document:
    """Holds the value of a YAML text, and its problems.

    Attributes:
        data: the value; None for an empty text.
        findings: problems by place; `data` contains everything else.
        broken: reason why the text is no YAML at all, as line number (None if unknown) and sentence; None if it is
            YAML.
    """

    data: Any = None
    findings: list[Finding] = field(default_factory=list)
    broken: tuple[int | None, str] | None = None


def read_yaml(text: str) -> Document:
    """Read one YAML document.

    Args:
        text: the document.

    Returns:
        The data with all problems; bad YAML raises nothing.
    """
    document = Document()
    try:
        node = yaml.compose(text, Loader=_Composer)
        if node is not None:
            document.data = _Builder(document.findings).build(node, ())
    except _TooMuchError:
        return Document(broken=(None, "nests too deeply or repeats itself too often"))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return Document(broken=(mark.line + 1 if mark else None, _syntax_sentence(error)))
    except (yaml.YAMLError, UnicodeError):
        return Document(broken=(None, "is not YAML text: it holds control characters"))
    except RecursionError:
        return Document(broken=(None, "nests too deeply or repeats itself too often"))
    return document


def plain_scalar(text: str) -> Any:
    """Return the value of an unquoted YAML scalar: null, a boolean, a number, else the text itself."""
    for kind, pattern in _SCALARS.items():
        if pattern.fullmatch(text):
            return _convert(kind, text)
    return text


def _convert(kind: str, text: str) -> Any:
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind == "int":
        return int(text, 0)
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


def _syntax_sentence(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or "it cannot be read"
    if "\\t" in problem:
        return "is not valid YAML: indent with blanks, not with tabs"
    if isinstance(error, yaml.composer.ComposerError) and "another document" in problem:
        return "starts a second document ('---'); a file holds one"
    if "mapping values are not allowed" in problem:
        return "is not valid YAML: a value with ': ' in it needs quotes, or the indentation is off"
    return f"is not valid YAML: {problem}"


class _TooMuchError(Exception):
    """Says that the document is larger than any configuration, perhaps because it refers to itself."""


class _Builder:
    """Turns nodes into plain data, up to a maximum number of values and of nested levels."""

    def __init__(self, findings: list[Finding]) -> None:
        self._findings = findings
        self._values = 0

    def build(self, node: yaml.Node, location: Location) -> Any:
        self._values += 1
        if self._values > MOST_VALUES or len(location) > DEEPEST_NESTING:
            raise _TooMuchError
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return self._mapping(node, location)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return [self.build(item, (*location, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, location)
        return self._refuse(node, location, f"has the tag {node.tag!r}; tags are not supported")

    def _mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag != _TAG + "str":
                self._refuse(key_node, location, "has a key that is no text; put it in quotes")
                continue
            key = self._scalar(key_node, location)
            if not isinstance(key, str):
                continue
            if key == "<<":
                self._refuse(key_node, location, "has a merge key '<<'; write the values out")
            elif key in data:
                self._refuse(key_node, (*location, key), "is given twice")
            else:
                data[key] = self.build(value_node, (*location, key))
        return data

    def _scalar(self, node: yaml.ScalarNode, location: Location) -> Any:
        kind = node.tag.removeprefix(_TAG)
        if any("\ud800" <= character <= "\udfff" for character in node.value):
            return self._refuse(node, location, "holds half a character (a lone surrogate)")
        if kind == "str":
            return node.value
        if kind not in _SCALARS or not _SCALARS[kind].fullmatch(node.value):
            return self._refuse(node, location, f"has the tag {node.tag!r}; tags are not supported")
        return _convert(kind, node.value)

    def _refuse(self, node: yaml.Node, location: Location, message: str) -> None:
        self._findings.append(Finding(location, f"{message} (line {node.start_mark.line + 1})"))
