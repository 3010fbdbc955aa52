"""Patterns of files to pass over, in the syntax of .gitignore: those of a run, those of ``.mmsearchignore`` files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from mmsearch.errors import UsageError
from mmsearch.retrieval.paths import lies_under, normal
from mmsearch.types import printable

IGNORE_FILE = b".mmsearchignore"


@dataclass(frozen=True, slots=True)
class Rule:
    """One exclude pattern, compiled.

    Attributes:
        text: the pattern as it was written.
        base: the folder that it is relative to, as `normal` gives it, ending in ``/``.
        excludes: False if the pattern begins with ``!``, so that it includes what it matches.
        regex: matches paths relative to ``base``; those of folders end in ``/``.
        folders: only folders match.
        literal_name: the last part of the pattern, if it has no wildcards.
    """

    text: str
    base: str
    excludes: bool
    regex: re.Pattern[str]
    folders: bool
    literal_name: str | None

    def matches(self, path: str, is_folder: bool) -> bool:
        """Whether an absolute path, as `normal` gives it, matches itself; paths in a folder that matches do not."""
        if not path.startswith(self.base) or (self.folders and not is_folder):
            return False
        target = path[len(self.base) :] + ("/" if is_folder else "")
        for match in self.regex.finditer(target):
            if "ps_d" not in self.regex.groupindex:  # `*`, `**`, or `a/**`, which is all that lies in a
                if match.end() < len(target) or not self.regex.pattern.endswith("/"):
                    return True
            elif match["ps_d"] is None or match.end("ps_d") == len(target):
                return True
        return False


@lru_cache(1024)
def _compiled(pattern: str) -> tuple[re.Pattern[str], bool] | None:
    """The regular expression of a pattern, and whether it excludes; None for a blank line or a comment.

    Raises:
        ValueError: it is no pattern.
    """
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    regex, excludes = GitIgnoreSpecPattern.pattern_to_regex(pattern)
    if regex is None:
        return None
    # A name may hold line ends, and may end in one.
    return re.compile(regex.replace("|$)", r"|\Z)"), re.DOTALL), bool(excludes)


def _rule(pattern: str, text: str, base: str, fold: bool) -> Rule | None:
    if pattern.endswith("/**/"):  # the folders below; the library would take the one above for one of them
        pattern += "*/"
    compiled = _compiled(normal(pattern, fold))
    if compiled is None:
        return None
    last = pattern.removeprefix("!").rstrip("/").rpartition("/")[2]
    literal = _unescaped(last)
    name = None if literal is None else normal(literal, fold)
    return Rule(text, base, compiled[1], compiled[0], pattern.rstrip(" ").endswith("/"), name)


def read_ignore_file(path: bytes, fold: bool) -> tuple[list[Rule], list[str]]:
    """The rules of a ``.mmsearchignore`` file, and its lines that are not patterns.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        lines = file.read().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    base = folder_base(os.path.dirname(path), fold)
    rules: list[Rule] = []
    wrong: list[str] = []
    for line in lines:
        text = os.fsdecode(line.removesuffix(b"\r"))
        try:
            rule = _rule(text, text, base, fold)
        except ValueError:
            wrong.append(text)
            continue
        if rule is not None:
            rules.append(rule)
    return rules, wrong


def folder_base(folder: bytes, fold: bool) -> str:
    """A folder in the form of `Rule.base`."""
    return normal(folder, fold).rstrip("/") + "/"


def rules_below(root: bytes, patterns: Iterable[str], fold: bool) -> list[Rule]:
    """The rules of `checked_patterns` for what lies below a root.

    A pattern that begins with ``/`` is anchored at the root, and is an absolute path as well.
    """
    rules: list[Rule] = []
    for text in patterns:
        negation, pattern = ("!", text[1:]) if text.startswith("!") else ("", text)
        readings = [(pattern, folder_base(root, fold))]
        if pattern.startswith("/"):
            for path in _through_links(pattern, root):
                readings.append((path, "/"))
        for reading, base in readings:
            rule = _rule(negation + reading, text, base, fold)
            assert rule is not None, "checked_patterns refuses what is no pattern"
            rules.append(rule)
    return rules


def _through_links(pattern: str, root: bytes) -> list[str]:
    """An absolute pattern, and the same with symbolic links on its way, or on the way to the root, resolved."""
    parts = pattern.rstrip("/").split("/")
    literal = [_unescaped(part) for part in parts[:-1]]
    known = literal.index(None) if None in literal else len(literal)
    parent = "/".join(part for part in literal[:known] if part is not None) or "/"
    rest = pattern[sum(len(part) + 1 for part in parts[:known]) :]
    resolved = os.path.realpath(parent)
    found = {pattern: None, _escaped(resolved).rstrip("/") + "/" + rest: None}
    real_root = os.path.realpath(root)
    if real_root != root and lies_under(os.fsencode(resolved), real_root):
        below = os.fsdecode(root).rstrip("/") + resolved[len(os.fsdecode(real_root)) :]
        found[_escaped(below).rstrip("/") + "/" + rest] = None
    return list(found)


def checked_patterns(patterns: Sequence[str], tops: Sequence[bytes]) -> list[str]:
    """Patterns in the form that is kept for later runs, which does not depend on the working folder.

    ``./x``, ``../x`` and ``~/x`` become absolute. A pattern such as ``media/private``, which a shell completes from
    the working folder, stands for that path as well if it lies below one of ``tops``.

    Raises:
        UsageError: one of them is no pattern.
    """
    kept: dict[str, None] = {}
    for given in patterns:
        negation, pattern = ("!", given[1:]) if given.startswith("!") else ("", given)
        for reading in _readings(pattern, tops):
            text = negation + reading
            try:
                usable = bool(pattern) and _compiled(normal(text)) is not None
            except ValueError:
                usable = False
            if not usable:
                raise UsageError(f"cannot read the pattern {printable(given)!r}; write it as in a .gitignore file")
            kept.pop(text, None)  # the later of two counts
            kept[text] = None
    return list(kept)


def _readings(pattern: str, tops: Sequence[bytes]) -> list[str]:
    """The forms of a pattern, without its ``!``, that are kept: two if it may be relative to the working folder."""
    if pattern.startswith("~"):
        home = os.path.expanduser(pattern.split("/")[0])
        if home.startswith("/"):
            return [_escaped(home) + pattern[len(pattern.split("/")[0]) :]]
    if pattern in (".", "..") or pattern.startswith(("./", "../")):
        return [_from_here(pattern)]
    trailing = len(pattern) - len(pattern.rstrip(" "))
    if trailing:  # the syntax drops trailing spaces in a file; an argument of a shell has them on purpose
        pattern = pattern[:-trailing] + "\\ " * trailing
    if pattern.startswith("#"):
        pattern = "\\" + pattern
    if "/" in pattern.rstrip("/") and not pattern.startswith(("/", "**/")):
        from_here = _from_here(pattern)
        literal = _unescaped(from_here.rstrip("/").rpartition("/")[0])
        if literal is not None and any(lies_under(os.fsencode(literal or "/"), top) for top in tops):
            return [pattern, from_here]
    return [pattern]


def _from_here(pattern: str) -> str:
    ending = "/" if pattern.endswith("/") else ""
    return os.path.normpath(_escaped(os.getcwd()) + "/" + pattern) + ending


def _escaped(path: str) -> str:
    return re.sub(r"([*?\[\\])", r"\\\1", path)


def _unescaped(pattern: str) -> str | None:
    """The name that a pattern without wildcards matches; None if it has wildcards."""
    if re.search(r"(?<!\\)(?:\\\\)*[*?\[]", pattern):
        return None
    return re.sub(r"\\(.)", r"\1", pattern)
