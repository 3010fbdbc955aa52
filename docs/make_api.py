"""Write docs/api.md from the docstrings: ``make docs``. Griffe reads the sources; nothing of mmsearch is imported."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import griffe

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "api.md"
WIDTH = 120
INTRO = """# API

Everything that `import mmsearch` offers, and the modules `mmsearch.library`, `mmsearch.exchange`, `mmsearch.models`
and `mmsearch.indexes`. The
[guide](guide.md) shows how the parts go together. This page is made from the docstrings with `make docs`.
"""
SECTIONS: dict[str, dict[str, Sequence[str]]] = {
    "Collections": {"mmsearch": ["Collection"]},
    "Queries": {"mmsearch": ["Query", "StoredRow", "Term", "Moment"]},
    "Results": {
        "mmsearch": ["Hits", "Hit", "MatchedWords", "Record", "Span", "OwnFacts", "Answer", "RowVectors", "Space"]
    },
    "Indexing": {"mmsearch": ["IngestOptions", "Report", "FileNote", "PassedOver", "Progress"]},
    "Sources of your own": {"mmsearch": ["Source", "SourcePart", "SourceItem", "SourceNote"]},
    "More than one process": {
        "mmsearch.scale": [
            *("make_plan", "read_plan", "Plan", "work", "work_with_daft", "WorkReport", "gather", "GatherReport")
        ]
    },
    "Upkeep": {"mmsearch": ["Status", "ModalityStatus", "RootStatus", "SourceStatus", "Problem"]},
    "Evaluation": {
        "mmsearch": ["Scores", "DirectionScores", "LevelScores", "LevelQuality", "Calibrated", "CalibratedDirection"]
    },
    "Files": {"mmsearch": ["IndexedFile", "Extractor", "CodedPicture", "Clip", "SavedFrame", "SavedClip", "Thumbnail"]},
    "Notices": {"mmsearch": ["Notice", "NoticeKind", "Hint", "HintKind"]},
    "Errors": {
        "mmsearch": [
            "MMSearchError",
            "UsageError",
            "CannotEmbedError",
            "SpaceMismatchError",
            "NoReaderError",
            "NoSuchRowError",
            "NoSuchSearchError",
            "NoSuchFileError",
            "FileNotServedError",
            "DecodeError",
            "TransientDecodeError",
            "ModelUnavailableError",
            "CollectionExistsError",
            "CollectionNotFoundError",
            "CollectionClosedError",
            "CollectionBusyError",
            "CollectionDamagedError",
            "NewerFormatError",
            "ReadOnlyError",
            "StorageError",
            "StorageDeniedError",
            "StorageUnreachableError",
            "NoSuchBucketError",
            "NoSuchObjectError",
            "ConflictError",
        ]
    },
    "Lines of words": {"mmsearch": ["read_query", "Reading", "ReadPart", "KnownNames", "KnownPlace"]},
    "Command lines": {"mmsearch": ["read_query_line", "QueryLine", "read_line_terms", "LineTerms", "read_moment"]},
    "Encoders of your own": {
        "mmsearch": ["Encoder", "TextEncoder", "ImageEncoder", "AudioEncoder", "VideoEncoder", "ImageTransform"]
    },
    "Transcribers of your own": {"mmsearch": ["Transcriber", "Said", "Heard"]},
    "Order": {
        "mmsearch.library": [
            "find_duplicates",
            "Duplicates",
            "DuplicateGroup",
            "DuplicateFile",
            "tag",
            "tags",
            "drop_tags",
            "Tagged",
            "TagCount",
            "find_groups",
            "find_group",
            "group_paths",
            "write_contact_sheets",
            "Groups",
            "Group",
            "save_search",
            "saved_search",
            "saved_searches",
            "rename_search",
            "delete_search",
            "look",
            "note_look",
            "follow",
            "link_search",
            "update_links",
            "unlink_search",
            "watch_folders",
            "SavedSearch",
            "LastLook",
            "LinkedFolder",
            "Looked",
            "Linked",
            "WatchEvent",
        ]
    },
    "Import and export": {
        "mmsearch.exchange": ["import_vectors", "Imported", "collection_to_fill", "export_vectors", "Exported"]
    },
    "Models": {
        "mmsearch.models": ["catalogue", "transcribers", "best", "is_ready", "resolve", "pull", "export", "ModelInfo"]
    },
    "Indexes": {"mmsearch.indexes": ["build_index", "plan_index", "IndexPlan", "VectorIndex", "Calibration"]},
}
"""What the page shows, by heading and module, in this order."""

SPECIAL = ("__len__", "__iter__")
"""Special methods that the page shows; others do what Python says of them."""

_EXPLAINED_ELSEWHERE = re.compile(r"(arguments (and \w+ )?|options )are those of `|The inverse of `to_json`")


def load() -> griffe.Module:
    """The package as Griffe reads it."""
    package = griffe.load("mmsearch", search_paths=[str(ROOT)], docstring_parser="google")
    assert isinstance(package, griffe.Module)
    return package


def shown(package: griffe.Module) -> Iterator[tuple[str, str, griffe.Object]]:
    """Heading, name and object of everything on the page."""
    for heading, modules in SECTIONS.items():
        for module, names in modules.items():
            for name in names:
                yield heading, name, _resolved(package[f"{module}.{name}".removeprefix("mmsearch.")])


def members(cls: griffe.Class) -> list[griffe.Object]:
    """The public functions and properties of a class, its own first, then inherited ones."""
    own = [*cls.members.values(), *cls.inherited_members.values()]
    named = [member for member in own if not member.name.startswith("_") or member.name in SPECIAL]
    return [found for found in map(_resolved, named) if found.is_function or "property" in found.labels]


def fields(cls: griffe.Class) -> dict[str, griffe.Attribute]:
    """The public attributes of a class, its own first, then inherited ones."""
    own = [*cls.members.values(), *cls.inherited_members.values()]
    found = [_resolved(member) for member in own if not member.name.startswith("_")]
    return {a.name: a for a in found if isinstance(a, griffe.Attribute) and "property" not in a.labels}


def is_enum(cls: griffe.Class) -> bool:
    """Whether a class is an enumeration."""
    return any("Enum" in str(base) for base in cls.bases)


def is_error(cls: griffe.Class) -> bool:
    """Whether a class is an exception."""
    return cls.name.endswith("Error")


def documented(obj: griffe.Object) -> set[str]:
    """The names of the parameters or attributes that a docstring explains."""
    names: set[str] = set()
    for section in _sections(obj):
        if section.kind.value in ("parameters", "attributes"):
            names |= {item.name for item in section.value}
    return names


def gaps(package: griffe.Module) -> list[str]:
    """What is public and has no documentation: names, methods, parameters and attributes."""
    found: list[str] = []
    for _, name, obj in shown(package):
        if not obj.has_docstring:
            found.append(name)
        if isinstance(obj, griffe.Function):
            found += [f"{name}({parameter})" for parameter in _undocumented_parameters(obj)]
        if isinstance(obj, griffe.Class):
            found += [f"{name}.{attribute}" for attribute in _undocumented_fields(obj)]
            for member in members(obj):
                if not member.has_docstring:
                    found.append(f"{name}.{member.name}")
                if isinstance(member, griffe.Function):
                    found += [f"{name}.{member.name}({p})" for p in _undocumented_parameters(member)]
    return found


def page(package: griffe.Module) -> str:
    """The whole page."""
    parts = [INTRO]
    last = ""
    for heading, name, obj in shown(package):
        if heading != last:
            parts.append(f"## {heading}\n")
        last = heading
        parts += _class(name, obj) if isinstance(obj, griffe.Class) else _function(f"### {name}", name, obj)
    return "\n".join(parts).rstrip() + "\n"


def _class(name: str, cls: griffe.Object) -> Iterator[str]:
    assert isinstance(cls, griffe.Class)
    yield f"### {name}\n"
    attributes = fields(cls)
    if is_error(cls):
        yield f"A {' and '.join(f'`{base}`' for base in cls.bases)}.\n"
    elif not is_enum(cls) and (signature := _constructor(cls)):
        yield _code(f"{name}{signature}")
    yield from _text(cls, attributes)
    if is_enum(cls):
        yield "Values: " + ", ".join(f"`{attribute}`" for attribute in attributes) + ".\n"
    for member in members(cls):
        label = f"{name}.{member.name}"
        if member.is_function:
            yield from _function(f"#### {label}", label, member)
        else:
            yield f"#### {label}\n"
            yield _code(f"{label}: {_annotation(member)}")
            yield from _text(member)


def _function(heading: str, name: str, function: griffe.Object) -> Iterator[str]:
    assert isinstance(function, griffe.Function)
    yield f"{heading}\n"
    yield _code(_signature(name, function))
    yield from _text(function)


def _constructor(cls: griffe.Class) -> str:
    """The parameters with which an object is made; empty where only other methods make it."""
    init = cls.all_members.get("__init__")
    if init is None or cls.name == "Collection":
        return ""
    return _signature("", _resolved(init)).removesuffix(" -> None")


def _signature(name: str, function: griffe.Object) -> str:
    """A call with its parameters, one a line if they do not fit into one."""
    assert isinstance(function, griffe.Function)
    result = f" -> {function.returns}" if function.returns else ""
    parameters: list[str] = []
    keyword_only = False
    for parameter in function.parameters:
        if parameter.name in ("self", "cls"):
            continue
        kind = parameter.kind
        if kind is griffe.ParameterKind.keyword_only and not keyword_only:
            parameters.append("*")
            keyword_only = True
        star = "*" if kind is griffe.ParameterKind.var_positional else ""
        keyword_only |= bool(star)
        default = "" if parameter.default is None or star else f" = {parameter.default}"
        annotation = f": {parameter.annotation}" if parameter.annotation else ""
        parameters.append(f"{star}{parameter.name}{annotation}{default}")
    line = f"{name}({', '.join(parameters)}){result}"
    if len(line) <= WIDTH:
        return line
    return f"{name}(\n" + "".join(f"    {parameter},\n" for parameter in parameters) + f"){result}"


def _text(obj: griffe.Object, attributes: dict[str, griffe.Attribute] | None = None) -> Iterator[str]:
    """A docstring as Markdown."""
    for section in _sections(obj):
        kind, value = section.kind.value, section.value
        if kind == "text":
            yield value.strip() + "\n"
        elif kind in ("parameters", "attributes"):
            yield _list(f"**{item.name}**: {_one_line(item.description)}" for item in value)
        elif kind == "returns":
            yield "Returns:\n"
            yield _list(_one_line(item.description) for item in value)
        elif kind == "raises":
            yield "Raises:\n"
            yield _list(f"`{item.annotation}`: {_one_line(item.description)}" for item in value)
        else:
            raise ValueError(f"{obj.path}: a docstring section of kind {kind} is not rendered")


def _sections(obj: griffe.Object) -> list[Any]:
    return list(obj.docstring.parsed) if obj.docstring is not None else []


def _undocumented_parameters(function: griffe.Function) -> list[str]:
    if function.docstring is not None and _EXPLAINED_ELSEWHERE.search(function.docstring.value.replace("\n", " ")):
        return []
    names = [p.name.lstrip("*") for p in function.parameters if p.name not in ("self", "cls")]
    return [name for name in names if name not in documented(function)]


def _undocumented_fields(cls: griffe.Class) -> list[str]:
    if is_enum(cls):
        return []
    explained = documented(cls)
    for base in cls.mro():
        explained |= documented(base)
    return [name for name, field in fields(cls).items() if name not in explained and not field.has_docstring]


def _resolved(obj: griffe.Object | griffe.Alias) -> griffe.Object:
    return obj.final_target if isinstance(obj, griffe.Alias) else obj


def _annotation(member: griffe.Object) -> str:
    return str(getattr(member, "annotation", None) or getattr(member, "returns", ""))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _list(items: Iterator[str]) -> str:
    return "".join(f"- {item}\n" for item in items)


def _code(text: str) -> str:
    return f"```\n{text}\n```\n"


def main() -> None:
    """Write the page, and print what is not documented."""
    package = load()
    PAGE.write_text(page(package), "utf-8")
    for gap in gaps(package):
        print(f"not documented: {gap}")


if __name__ == "__main__":
    main()
