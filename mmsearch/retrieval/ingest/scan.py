"""Finding files: what lies under the paths that a person names, and what is passed over on purpose."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from mmsearch.errors import Hint, HintKind, UsageError
from mmsearch.retrieval.filetimes import status_change_ns
from mmsearch.retrieval.ingest.excludes import IGNORE_FILE, Rule, checked_patterns, read_ignore_file, rules_below
from mmsearch.retrieval.ingest.leftovers import kind_by_contents, kind_of_file, kind_of_folder
from mmsearch.retrieval.paths import absolute as absolute  # named here too
from mmsearch.retrieval.paths import ignores_case, normal
from mmsearch.retrieval.paths import lies_under as lies_under
from mmsearch.retrieval.store.lock import LOCK_NAME
from mmsearch.retrieval.store.manifest import MANIFEST_NAME
from mmsearch.types import FileNote, PassedOver, printable

_SEPARATOR = os.fsencode(os.sep)
EXCLUDED, REMOVED = "excluded", "removed before"
_COLLECTION_FILES = {os.fsencode(MANIFEST_NAME), os.fsencode(LOCK_NAME)}


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file that the scan saw. ``named``: the person gave this very path."""

    path: bytes
    size: int
    mtime_ns: int
    named: bool = False
    ctime_ns: int | None = None

    @classmethod
    def of(cls, path: bytes, facts: os.stat_result, *, named: bool = False) -> FoundFile:
        """A file by what the system says of it."""
        return cls(path, facts.st_size, facts.st_mtime_ns, named, status_change_ns(facts))


@dataclass(frozen=True, slots=True)
class _Within:
    """What holds in a folder: its rules, those that decide first at the end, and whether names mind case."""

    rules: tuple[tuple[Rule, ...], ...]
    fold: bool

    def decide(self, path: bytes, is_folder: bool) -> Rule | None:
        """The rule that says what becomes of a path; None where none does."""
        if not any(self.rules):
            return None
        name = normal(path, self.fold)
        for rules in reversed(self.rules):
            for rule in reversed(rules):
                if rule.matches(name, is_folder):
                    return rule
        return None


@dataclass(slots=True)
class Scan:
    """Walks folders once. What it tells beside the files fills while `files` is consumed.

    Args:
        paths: where to look; a path that is named is never passed over itself.
        exclude: patterns as `checked_patterns` makes them, relative to the root.
        hidden: also names that begin with a dot.
        follow_links: also what symbolic links lead to.
        roots: what the collection was made of: a root inside another counts as named when that one is walked.
        removed: paths that were forgotten by name, and stay so.

    ``unread`` holds what could not be listed or looked at: nothing may be concluded of what is in it. ``left_out``
    holds what was passed over by a rule, a removal or as a leftover, by kind: what is known of it is to go.
    """

    paths: Sequence[bytes]
    exclude: Sequence[str] = ()
    hidden: bool = False
    follow_links: bool = False
    roots: Sequence[bytes] = ()
    removed: Collection[bytes] = ()
    skipped: list[FileNote] = field(default_factory=list)
    unread: list[bytes] = field(default_factory=list)
    left_out: dict[bytes, str] = field(default_factory=dict)
    _passed: dict[str, dict[str, int]] = field(default_factory=dict)
    _unmatched: dict[str, None] = field(default_factory=dict)
    _tops: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.removed = frozenset(self.removed)
        self._unmatched = dict.fromkeys(self.exclude)
        inside = [root for root in self.roots if any(lies_under(root, path) for path in self.paths)]
        self._tops = sorted(dict.fromkeys([*self.paths, *inside]), key=os.path.isdir)  # files first: they are named

    @property
    def passed_over(self) -> tuple[PassedOver, ...]:
        """What was passed over on purpose, by kind."""
        return tuple(
            PassedOver(kind, sum(names.values()), tuple(names)) for kind, names in sorted(self._passed.items())
        )

    @property
    def unmatched(self) -> list[str]:
        """The patterns of ``exclude`` that nothing matched."""
        return list(self._unmatched)

    def files(self) -> Iterator[FoundFile]:
        """Every regular file, each once, folders in order of name."""
        visited: set[tuple[int, int]] = set()
        for path in self._tops:
            try:
                facts = os.stat(path)
            except OSError:
                continue  # the caller has said so: see `missing`
            if stat.S_ISDIR(facts.st_mode):
                yield from self._walk(path, visited)
            elif stat.S_ISREG(facts.st_mode):
                yield FoundFile.of(path, facts, named=True)
            else:
                self._skip(path, "not a regular file")

    @property
    def set_aside(self) -> set[bytes]:
        """What was passed over because a person said so: their own files, where leftovers of a system are nobody's."""
        return {path for path, kind in self.left_out.items() if kind in (EXCLUDED, REMOVED)}

    def leaves_out(self, path: bytes) -> bool:
        """Whether the walk has passed over a file, or a folder that it lies in, on purpose."""
        while path not in self._tops:
            if path in self.left_out:
                return True
            above = os.path.dirname(path)
            if above == path:
                return False
            path = above
        return False

    def reaches(self, path: bytes, root: bytes) -> bool:
        """Whether a walk of ``root`` comes to a path inside it: nothing between the two is passed over."""
        within = self._top_rules(root)
        for folder in _between(root, path):
            try:
                within = self._with_ignore_file(os.path.dirname(folder), within)
            except OSError:
                return False
            is_folder = folder != path or os.path.isdir(folder)
            rule = within.decide(folder, is_folder)
            if self._reason(folder, rule, is_folder, []) or self._is_hidden(folder, rule):
                return False
        return True

    def _walk(self, top: bytes, visited: set[tuple[int, int]]) -> Iterator[FoundFile]:
        try:
            stack = [(top, self._rules_at(top))]
        except OSError as error:
            self.unread.append(top)
            self._skip(top, f"{error.filename!r} cannot be read: {error.strerror}")
            return
        while stack:
            folder, within = stack.pop()
            try:
                identity = os.stat(folder)
                if (identity.st_dev, identity.st_ino) in visited:
                    continue  # a link led back here, or two of the paths overlap
                visited.add((identity.st_dev, identity.st_ino))
                with os.scandir(folder) as listing:
                    entries = sorted(listing, key=lambda entry: entry.name)
                names = [entry.name for entry in entries]
                if IGNORE_FILE in names:
                    within = self._with_ignore_file(folder, within)
            except OSError as error:
                self.unread.append(folder)
                self._skip(folder, f"folder cannot be read: {error.strerror}")
                continue
            if set(names) >= _COLLECTION_FILES:
                continue  # the folder is a collection
            if folder != top and (kind := kind_by_contents(folder, names)):
                self._pass_over(folder, kind, _shown(folder))
                continue
            subfolders = []
            for entry in entries:
                if self._passed_over(entry, within, names):
                    continue
                facts = self._stat(entry)
                if facts is None:
                    continue
                if stat.S_ISDIR(facts.st_mode):
                    subfolders.append((entry.path, within))
                elif stat.S_ISREG(facts.st_mode):
                    yield FoundFile.of(entry.path, facts)
                else:
                    self._skip(entry.path, "not a regular file")
            stack.extend(reversed(subfolders))

    def _stat(self, entry: os.DirEntry[bytes]) -> os.stat_result | None:
        try:
            if not entry.is_symlink() or self.follow_links:
                return entry.stat()
            self._skip(entry.path, "symbolic link", Hint(HintKind.FOLLOW_LINKS))
        except OSError as error:
            self.unread.append(entry.path)
            self._skip(entry.path, f"cannot be read: {error.strerror}")
        return None

    def _rules_at(self, top: bytes) -> _Within:
        """What holds below a named path: as its root has it, without the rule that would leave out the path itself."""
        roots = [root for root in self.roots if lies_under(top, root)]
        root = min(roots, key=len, default=top)
        within = self._top_rules(root)
        for folder in _between(root, top):
            within = self._with_ignore_file(os.path.dirname(folder), within)
            rule = within.decide(folder, True)
            if rule is not None and rule.excludes:
                rules = tuple(tuple(r for r in part if r.text != rule.text) for part in within.rules)
                within = _Within(rules, within.fold)
        return within

    def _top_rules(self, root: bytes) -> _Within:
        fold = ignores_case(root)
        return _Within((tuple(rules_below(root, self.exclude, fold)),), fold)

    def _with_ignore_file(self, folder: bytes, within: _Within) -> _Within:
        """The rules with those of a folder's own file, which decide before those of the folders above it.

        Raises:
            OSError: there is one and it cannot be read; what it would pass over must not be indexed.
        """
        path = os.path.join(folder, IGNORE_FILE)
        try:
            rules, wrong = read_ignore_file(path, within.fold)
        except FileNotFoundError:
            return within
        for line in wrong:
            self._skip(path, f"{line!r} is no pattern")
        *above, given = within.rules  # those of the run decide first
        return _Within((*above, tuple(rules), given), within.fold)

    def _passed_over(self, entry: os.DirEntry[bytes], within: _Within, names: Sequence[bytes]) -> bool:
        is_folder = self._is_folder(entry)
        rule = within.decide(entry.path, is_folder)
        if rule is not None and self._unmatched:
            for mine in within.rules[-1]:
                if mine.text in self._unmatched and mine.matches(normal(entry.path, within.fold), is_folder):
                    del self._unmatched[mine.text]
        reason = self._reason(entry.path, rule, is_folder, names)
        if reason is not None:
            self._pass_over(entry.path, *reason)
            return True
        return self._is_hidden(entry.path, rule)

    def _reason(
        self, path: bytes, rule: Rule | None, is_folder: bool, names: Sequence[bytes]
    ) -> tuple[str, str] | None:
        """Why a path is passed over, and a name for it; None where it is not, or is merely hidden.

        A rule with ``!`` that says the very name takes in what would be a leftover.
        """
        if path in self.removed:
            return REMOVED, os.fsdecode(path)
        if rule is not None and rule.excludes:
            return EXCLUDED, rule.text
        if _named_by(rule, path):
            return None
        kind = kind_of_folder(os.fsdecode(path)) if is_folder else kind_of_file(_shown(path), names)
        return None if kind is None else (kind, _shown(path))

    def _is_hidden(self, path: bytes, rule: Rule | None) -> bool:
        return _name(path).startswith(b".") and not self.hidden and not _named_by(rule, path)

    def _is_folder(self, entry: os.DirEntry[bytes]) -> bool:
        try:
            return entry.is_dir(follow_symlinks=self.follow_links)
        except OSError:
            return False

    def _pass_over(self, path: bytes, kind: str, name: str) -> None:
        self.left_out[path] = kind
        names = self._passed.setdefault(kind, {})
        names[name] = names.get(name, 0) + 1

    def _skip(self, path: bytes, reason: str, hint: Hint | None = None) -> None:
        self.skipped.append(FileNote(os.fsdecode(path), reason, hint=hint))


def _between(root: bytes, path: bytes) -> list[bytes]:
    """The folders below ``root`` on the way to ``path``, and the path; outermost first."""
    found: list[bytes] = []
    while path != root and lies_under(path, root):
        found.append(path)
        path = os.path.dirname(path)
    return found[::-1]


def _named_by(rule: Rule | None, path: bytes) -> bool:
    """Whether a rule with ``!`` says the very name of a path."""
    return rule is not None and not rule.excludes and rule.names in (_shown(path), normal(_shown(path), fold=True))


def _shown(path: bytes) -> str:
    return os.fsdecode(_name(path))


def _name(path: bytes) -> bytes:
    return path[path.rfind(_SEPARATOR) + 1 :]


def excluded(relative: bytes, patterns: Sequence[str]) -> bool:
    """Whether patterns leave out a file at a path relative to its root, or a folder above it."""
    within = _Within((tuple(rules_below(b"/", checked_patterns(patterns, ()), False)),), False)
    path = os.path.join(b"/", relative)
    rules = [within.decide(part, part != path) for part in _between(b"/", path)]
    return any(rule is not None and rule.excludes for rule in rules)


def missing(paths: Sequence[bytes]) -> list[bytes]:
    """Which of the paths lead to nothing: no such name, or a link whose target is gone."""
    return [path for path in paths if not os.path.exists(path)]


def no_such_path(path: bytes) -> UsageError:
    """The error for a path that was never there."""
    shown = printable(os.fsdecode(path))
    return UsageError(f"{shown} does not exist; give a folder or a file")
