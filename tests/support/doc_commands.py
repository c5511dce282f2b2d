"""Splits the shell blocks of the pages into commands."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from doc_blocks import Block

ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_OPERATORS = frozenset(";<>|&()")


@dataclass(frozen=True)
class Command:
    """Is one command of a shell block.

    Attributes:
        block: the block it is in.
        words: program and arguments, without quotes.
        environment: variables that are set for this command alone.
        background: whether it ends with `&`.
    """

    block: Block
    words: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    background: bool = False

    @property
    def program(self) -> str:
        """Name of the program, without a folder such as `.venv/bin/`."""
        return Path(self.words[0]).name if self.words else ""

    def __str__(self) -> str:
        return f"{self.block}: {shlex.join(self.words)}"


def commands_of(block: Block) -> list[Command]:
    """Split a shell block into its commands.

    Raises:
        ValueError: a quote is not closed, or a command stands in parentheses or reads a here-document.
    """
    commands = []
    text = re.sub(r"\\\n\s*", " ", block.text)
    for line in text.splitlines():
        words: list[str] = []
        for token in [*_tokens(line), ";"]:
            if not set(token) <= _OPERATORS:
                words.append(token)
            elif set(token) & set("()") or "<<" in token:
                raise ValueError(f"{token} is not understood")
            elif "<" in token or ">" in token:
                words.append(token)
            elif words:
                commands.append(_command(block, words, background=token == "&"))
                words = []
    return commands


def _tokens(line: str) -> list[str]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split = True
    lexer.commenters = ""  # it would end `archive.tar.gz#folder` at the sign
    return list(takewhile(lambda token: not token.startswith("#"), lexer))


def _command(block: Block, words: list[str], *, background: bool) -> Command:
    kept: list[str] = []
    redirected = False
    for word in words:
        if set(word) <= set("<>&") and word:
            redirected = True
            if kept and kept[-1] in ("1", "2"):  # of `2>file`
                kept.pop()
        elif redirected:
            redirected = False
        else:
            kept.append(word)
    set_first = list(takewhile(ASSIGNMENT.fullmatch, kept))
    environment = dict(word.split("=", 1) for word in set_first)
    return Command(block, kept[len(set_first) :], environment, background)
