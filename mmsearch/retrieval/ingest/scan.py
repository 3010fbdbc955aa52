"""Finding files: a walk of the paths of a run, which notes what it skips and what it passes over on purpose."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator, Sequence, Set
from dataclasses import dataclass, field

from mmsearch.errors import Hint, HintKind, UsageError
from mmsearch.retrieval.ingest.excludes import IGNORE_FILE, Rule, read_ignore_file, rules_below
from mmsearch.retrieval.ingest.found_files import FoundFile, FoundFiles, OpenFolder
from mmsearch.retrieval.ingest.leftovers import DOUBTFUL_ENDINGS, kind_by_contents, kind_of_file, kind_of_folder
from mmsearch.retrieval.paths import ignores_case, lies_under, normal
from mmsearch.retrieval.store.lock import LOCK_NAME
from mmsearch.retrieval.store.manifest import MANIFEST_NAME
from mmsearch.types import FileNote, PassedOver, printable

_SEPARATOR = os.fsencode(os.sep)
_BATCH = 4_096  # files that are looked at and compared at once
COLLECTION_NAMES = {os.fsencode(MANIFEST_NAME), os.fsencode(LOCK_NAME)}
EXCLUDED, REMOVED = "excluded", "removed before"


@dataclass(frozen=True, slots=True)
class FolderRules:
    """The exclude rules that hold in a folder, the ones that decide first at the end.

    ``fold``: the file system ignores case, so that rules match names in any case.
    """

    rules: tuple[tuple[Rule, ...], ...]
    fold: bool

    def decide(self, path: bytes, is_folder: bool) -> Rule | None:
        """The rule that decides about a path; None if no rule matches."""
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
    """One walk over files and folders. The attributes below are complete once `files` has been consumed.

    Args:
        paths: files and folders to walk; these themselves are never passed over.
        exclude: patterns as `checked_patterns` returns them, relative to the root.
        hidden: include names that begin with a dot.
        follow_links: follow symbolic links.
        roots: the collection's roots; a root inside another is walked as if it had been named.
        removed: paths that were removed from the collection, and stay so.

    Attributes:
        skipped: files and folders that are not indexed, with reasons.
        unreadable: files and folders whose contents are unknown: rows of files in them must be kept.
        passed_over_paths: paths that were passed over by a rule, a removal or as a leftover, with the kind: rows of
            files in them are to be deleted.
        folders: the folders that a file was found in.
    """

    paths: Sequence[bytes]
    exclude: Sequence[str] = ()
    hidden: bool = False
    follow_links: bool = False
    roots: Sequence[bytes] = ()
    removed: Collection[bytes] = ()
    skipped: list[FileNote] = field(default_factory=list)
    unreadable: list[bytes] = field(default_factory=list)
    passed_over_paths: dict[bytes, str] = field(default_factory=dict)
    folders: set[bytes] = field(default_factory=set)
    _passed_over_names: dict[str, dict[str, int]] = field(default_factory=dict)
    _unmatched: dict[str, None] = field(default_factory=dict)
    _starts: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.removed = frozenset(self.removed)
        self._unmatched = dict.fromkeys(self.exclude)
        inside = [root for root in self.roots if any(lies_under(root, path) for path in self.paths)]
        self._starts = sorted(dict.fromkeys([*self.paths, *inside]), key=os.path.isdir)  # files first: they are named

    @property
    def passed_over(self) -> tuple[PassedOver, ...]:
        """A summary of what was passed over, by kind."""
        return tuple(
            PassedOver(kind, sum(names.values()), tuple(names))
            for kind, names in sorted(self._passed_over_names.items())
        )

    @property
    def scope(self) -> Sequence[bytes]:
        """What the scan looks at, and what lies under it."""
        return self.paths

    @property
    def may_lack(self) -> Sequence[bytes]:
        """Where stored files may lie that were not found."""
        return self.paths

    @property
    def unmatched(self) -> list[str]:
        """The patterns of ``exclude`` that matched no path."""
        return list(self._unmatched)

    def files(self) -> Iterator[FoundFile]:
        """Every regular file, once; folders are walked in order of name."""
        for found in self.batches():
            yield from [found] if isinstance(found, FoundFile) else found.some(range(len(found)))

    def batches(self) -> Iterator[FoundFile | FoundFiles]:
        """Every regular file, once: those that were named, then the others by the thousand, folder after folder."""
        named: set[bytes] = set()
        visited: set[tuple[int, int]] = set()
        found = FoundFiles()
        for path in self._starts:
            try:
                facts = os.stat(path)
            except OSError:
                continue  # the caller reports these: see `missing_paths`
            if stat.S_ISDIR(facts.st_mode):
                for part in self._walk(path, visited, named):
                    found.extend(part)
                    if len(found) >= _BATCH:
                        yield found
                        found = FoundFiles()
            elif stat.S_ISREG(facts.st_mode):
                named.add(path)
                self.folders.add(os.path.dirname(path))
                yield FoundFile.of(path, facts, named=True)
            else:
                self._skip(path, "not a regular file")
        if found:
            yield found

    @property
    def excluded_or_removed(self) -> set[bytes]:
        """The paths that were passed over because of an exclude rule or a removal, not as leftovers of a program."""
        return {path for path, kind in self.passed_over_paths.items() if kind in (EXCLUDED, REMOVED)}

    def has_passed_over(self, path: bytes) -> bool:
        """Whether the walk passed over a path, or a folder above it, on purpose."""
        while path not in self._starts:
            if path in self.passed_over_paths:
                return True
            above = os.path.dirname(path)
            if above == path:
                return False
            path = above
        return False

    def would_reach(self, path: bytes, root: bytes) -> bool:
        """Whether a walk that starts at ``root`` finds ``path``, because nothing between the two is passed over."""
        folder_rules = self._top_rules(root)
        for folder in between(root, path):
            try:
                folder_rules = self._with_ignore_file(os.path.dirname(folder), folder_rules)
            except OSError:
                return False
            is_folder = folder != path or os.path.isdir(folder)
            rule = folder_rules.decide(folder, is_folder)
            if self._reason(folder, rule, is_folder, []) or self._is_hidden(folder, rule):
                return False
        return True

    def _walk(self, top: bytes, visited: set[tuple[int, int]], named: Set[bytes]) -> Iterator[FoundFiles]:
        try:
            stack = [(top, self._rules_at(top))]
        except OSError as error:
            self.unreadable.append(top)
            self._skip(top, f"{error.filename!r} cannot be read: {error.strerror}")
            return
        while stack:
            path, folder_rules = stack.pop()
            try:
                folder = OpenFolder(path)
            except OSError as error:
                self._cannot_read_folder(path, error)
                continue
            with folder:
                if folder.identity in visited:
                    continue  # a link led back here, or two of the paths overlap
                visited.add(folder.identity)
                try:
                    if IGNORE_FILE in folder.names:
                        folder_rules = self._with_ignore_file(path, folder_rules)
                except OSError as error:
                    self._cannot_read_folder(path, error)
                    continue
                names = set(folder.names)
                if names >= COLLECTION_NAMES:
                    continue  # the folder of a collection
                if path != top and (kind := kind_by_contents(path, names)):
                    self._pass_over(path, kind, _shown(path))
                    continue
                subfolders: list[tuple[bytes, FolderRules]] = []
                for found in self._files_in(folder, folder_rules, named, subfolders):
                    if found:
                        self.folders.add(path)
                        yield found
                stack.extend(reversed(subfolders))

    def _files_in(
        self,
        folder: OpenFolder,
        folder_rules: FolderRules,
        named: Set[bytes],
        subfolders: list[tuple[bytes, FolderRules]],
        only: Set[bytes] | None = None,
    ) -> Iterator[FoundFiles]:
        """The files in a folder, or those of ``only``. Its subfolders are added to ``subfolders``, by name."""
        others = self._doubtful(folder, folder_rules, named)
        plain = [name for name in folder.names if name not in others] if others else folder.names
        if only is not None:
            others, plain = others & only, [name for name in plain if name in only]
        for start in range(0, len(plain), _BATCH):
            yield folder.regular_files(plain[start : start + _BATCH], others)
        found = FoundFiles()
        for name in sorted(others):
            facts = self._decide(folder, name, folder_rules)
            if facts is None:
                continue
            path = folder.base + name
            if stat.S_ISDIR(facts.st_mode):
                subfolders.append((path, folder_rules))
            elif not stat.S_ISREG(facts.st_mode):
                self._skip(path, "not a regular file")
            elif path not in named:
                found.add(path, facts)
        yield found

    def _doubtful(self, folder: OpenFolder, folder_rules: FolderRules, named: Set[bytes]) -> set[bytes]:
        """The names in a folder that have to be looked at one by one, because they may be passed over."""
        if any(folder_rules.rules):
            return set(folder.names)
        doubtful: set[bytes] = set()
        joined = b"/" + b"/".join(folder.names).lower() + b"/"
        if b"/." in joined or any(ending + b"/" in joined for ending in DOUBTFUL_ENDINGS):
            doubtful |= {n for n in folder.names if n.startswith(b".") or n.lower().endswith(DOUBTFUL_ENDINGS)}
        for paths in (self.removed, named):
            if paths:
                doubtful |= {name for name in folder.names if folder.base + name in paths}
        return doubtful

    def _decide(self, folder: OpenFolder, name: bytes, folder_rules: FolderRules) -> os.stat_result | None:
        """What the disk says of a file or folder, or of the target of a link; None if it is not to be read."""
        path = folder.base + name
        error = facts = None
        try:
            facts = folder.facts(name)
            is_link = stat.S_ISLNK(facts.st_mode)
            if is_link and self.follow_links:
                facts = os.stat(path)
        except OSError as raised:
            error = raised
        is_folder = error is None and facts is not None and stat.S_ISDIR(facts.st_mode)
        if self._is_passed_over(path, is_folder, folder_rules, folder.names):
            return None
        if error is not None:
            self.unreadable.append(path)
            self._skip(path, f"cannot be read: {error.strerror}")
            return None
        if is_link and not self.follow_links:
            self._skip(path, "symbolic link", Hint(HintKind.FOLLOW_LINKS))
            return None
        return facts

    def _cannot_read_folder(self, folder: bytes, error: OSError) -> None:
        self.unreadable.append(folder)
        self._skip(folder, f"folder cannot be read: {error.strerror}")

    def _rules_at(self, top: bytes) -> FolderRules:
        """The rules below a named path: those from its root down, without a rule that excludes the path itself."""
        roots = [root for root in self.roots if lies_under(top, root)]
        root = min(roots, key=len, default=top)
        folder_rules = self._top_rules(root)
        for folder in between(root, top):
            folder_rules = self._with_ignore_file(os.path.dirname(folder), folder_rules)
            rule = folder_rules.decide(folder, True)
            if rule is not None and rule.excludes:
                rules = tuple(tuple(r for r in part if r.text != rule.text) for part in folder_rules.rules)
                folder_rules = FolderRules(rules, folder_rules.fold)
        return folder_rules

    def _top_rules(self, root: bytes) -> FolderRules:
        fold = ignores_case(root)
        return FolderRules((tuple(rules_below(root, self.exclude, fold)),), fold)

    def _with_ignore_file(self, folder: bytes, folder_rules: FolderRules) -> FolderRules:
        """The rules, with those of the folder's own ``.mmsearchignore`` put before those of the folders above it.

        Raises:
            OSError: the file exists and cannot be read; files that it excludes must not be indexed.
        """
        path = os.path.join(folder, IGNORE_FILE)
        try:
            rules, wrong = read_ignore_file(path, folder_rules.fold)
        except FileNotFoundError:
            return folder_rules
        for line in wrong:
            self._skip(path, f"{line!r} is no pattern")
        *above, given = folder_rules.rules  # those of the run decide first
        return FolderRules((*above, tuple(rules), given), folder_rules.fold)

    def _is_passed_over(self, path: bytes, is_folder: bool, folder_rules: FolderRules, names: Sequence[bytes]) -> bool:
        rule = folder_rules.decide(path, is_folder)
        if rule is not None and self._unmatched:
            for mine in folder_rules.rules[-1]:
                if mine.text in self._unmatched and mine.matches(normal(path, folder_rules.fold), is_folder):
                    del self._unmatched[mine.text]
        reason = self._reason(path, rule, is_folder, names)
        if reason is not None:
            self._pass_over(path, *reason)
            return True
        return self._is_hidden(path, rule)

    def _reason(
        self, path: bytes, rule: Rule | None, is_folder: bool, names: Sequence[bytes]
    ) -> tuple[str, str] | None:
        """The kind of reason why a path is passed over, and a name for it; None if it is not, or is only hidden.

        A rule with ``!`` that names a leftover of a program includes it.
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

    def _pass_over(self, path: bytes, kind: str, name: str) -> None:
        self.passed_over_paths[path] = kind
        names = self._passed_over_names.setdefault(kind, {})
        names[name] = names.get(name, 0) + 1

    def _skip(self, path: bytes, reason: str, hint: Hint | None = None) -> None:
        self.skipped.append(FileNote(os.fsdecode(path), reason, hint=hint))


def between(root: bytes, path: bytes) -> list[bytes]:
    """The folders below ``root`` on the way to ``path``, and the path; outermost first."""
    found: list[bytes] = []
    while path != root and lies_under(path, root):
        found.append(path)
        path = os.path.dirname(path)
    return found[::-1]


def _named_by(rule: Rule | None, path: bytes) -> bool:
    """Whether a rule with ``!`` names this path without wildcards."""
    return (
        rule is not None and not rule.excludes and rule.literal_name in (_shown(path), normal(_shown(path), fold=True))
    )


def _shown(path: bytes) -> str:
    return os.fsdecode(_name(path))


def _name(path: bytes) -> bytes:
    return path[path.rfind(_SEPARATOR) + 1 :]


def missing_paths(paths: Sequence[bytes]) -> list[bytes]:
    """The paths that do not exist, or are links whose targets do not."""
    return [path for path in paths if not os.path.exists(path)]


def no_such_path_error(path: bytes) -> UsageError:
    """The error for a path that does not exist and of which no file is stored."""
    shown = printable(os.fsdecode(path))
    return UsageError(f"{shown} does not exist; give a folder or a file")
