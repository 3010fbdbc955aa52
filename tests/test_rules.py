"""The rules of docs/architecture.md, one test each that fails when the rule is broken. Imports point one way, and heavy
modules are imported only when they are used."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import mmsearch
from mmsearch import Collection, Space, durable
from mmsearch.errors import SpaceMismatchError
from mmsearch.retrieval.search.query_line import read_query_line
from mmsearch.retrieval.store.manifest import load_manifest, save_manifest
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.retrieval.store.writer import Writer, open_writer

PACKAGE = Path(mmsearch.__path__[0])
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def inside(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def vectors(count: int, dim: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)


@pytest.fixture
def quantized(tmp_path: Path) -> Collection:
    """Six hundred vectors behind a lossy index."""
    made = Collection.create(tmp_path / "q.mms", model=None, index="IVF8,PQ4x4")
    made.add(vectors(600, 16), paths=[f"/{i}" for i in range(600)], modality="image", space="elsewhere")
    assert made.manifest.indexes
    return made


# --- the rules -------------------------------------------------------------------------------------------------


def test_rule_1_spaces_never_mix(photos, collection, tmp_path):
    """A query, a merge, an addition and an evaluation across two spaces each name both."""
    ours = collection.space
    other = replace(ours, weights="of another training")
    wide = Space.of_vectors("wide", 512)
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text(json.dumps({"query": "a disc", "relevant": ["photos/disc.png"]}))

    def names(error: pytest.ExceptionInfo[SpaceMismatchError], *spaces: str) -> bool:
        return all(space in str(error.value) for space in spaces)

    with pytest.raises(SpaceMismatchError) as error:
        collection.search("x", space=other)
    assert names(error, ours.key, other.key)
    with pytest.raises(SpaceMismatchError) as error:
        collection.search(np.ones(512))
    assert names(error, ours.key, "512")
    with pytest.raises(SpaceMismatchError) as error:
        collection.add(np.ones((1, 512)), paths=["/a"], modality="image")
    assert names(error, ours.key, "512")

    # Vectors made elsewhere live beside ours and never among them.
    collection.add(vectors(5, 512), paths=[f"/{i}" for i in range(5)], modality="image", space=wide)
    collection.add(vectors(5, 256), paths=[f"/{i}" for i in range(5)], modality="image", space="same dimension")
    assert len(collection.search("x", k=50, to=["image"])) == 8
    assert len(collection.search(np.ones(512), k=50, space="wide")) == 5
    writer = Writer(collection.root, load_manifest(collection.root))
    one, two = (
        writer.manifest.shards_of(key, "image")[0] for key in (ours.key, collection._session.find_space("wide").key)
    )
    with pytest.raises(SpaceMismatchError) as error:
        writer.merge([one, two], np.empty(0, np.int64))
    assert names(error, one.space, two.space)

    # The same name with other weights: this machine's model is not the collection's.
    manifest = load_manifest(collection.root)
    renamed = tuple(replace(s, space=other.key) if s.space == ours.key else s for s in manifest.shards)
    save_manifest(
        collection.root,
        replace(
            manifest, primary_space=other.key, spaces={other.key: other}, shards=renamed, match_samples=(), indexes=()
        ),
    )
    altered = Collection.open(collection.root)
    for act in (lambda: altered.search("x"), lambda: altered.index([photos]), lambda: altered.evaluate(pairs)):
        with pytest.raises(SpaceMismatchError) as error:
            act()
        assert names(error, ours.key, other.key)


def test_rule_1_an_index_of_another_space_is_not_searched(quantized):
    (entry,) = quantized.manifest.indexes
    facts = quantized.root / f"{entry.path}.json"
    facts.write_text(facts.read_text().replace('"elsewhere"', '"somewhere"', 1))
    other = replace(entry, checksums={**entry.checksums, ".json": durable.file_checksum(facts)})
    with open_writer(quantized.root) as writer:
        writer.publish(replace(writer.manifest, indexes=(other,)))
    with pytest.raises(SpaceMismatchError):
        Collection.open(quantized.root).search(np.ones(16))


def test_rule_2_the_manifest_is_the_truth(tmp_path, monkeypatch):
    """A crash at any call that makes bytes or names durable leaves the last manifest, whole."""
    made = Collection.create(tmp_path / "c.mms", model=None)

    def rows() -> int:
        manifest = load_manifest(made.root)
        return sum(n for key in manifest.spaces for n in Snapshot(made.root, manifest).counts(key).values())

    def change() -> None:
        names = [f"/{made.manifest.next_id + i}" for i in range(4)]
        made.add(vectors(4, 8), paths=names, modality="image", space="s")
        made.compact()

    change()
    count = crashes = 0
    while True:
        calls = 0

        def crash_later(*arguments, call, at=count):
            nonlocal calls
            calls += 1
            if calls > at:
                raise KeyboardInterrupt
            return call(*arguments)

        before = load_manifest(made.root)
        held = rows()
        with monkeypatch.context() as patch:
            for name in ("fsync", "replace"):
                patch.setattr(
                    durable.os,
                    name,
                    lambda *a, call=getattr(os, name), crash_later=crash_later: crash_later(*a, call=call),
                )
            try:
                change()
                break
            except KeyboardInterrupt:
                crashes += 1
        after = load_manifest(made.root)
        assert after == before or after.generation > before.generation
        assert rows() in (held, held + 4), "all of an addition, or nothing"
        assert Collection.doctor(made.root) == []
        made.reopen()
        count += 1
    assert crashes > 10


def test_rule_3_indexes_are_disposable(quantized):
    query = vectors(1, 16, seed=7)[0]
    exact = [(hit.id, hit.score) for hit in quantized.search(query, k=10, exact=True)]
    for path in (quantized.root / "indexes").rglob("*.*"):
        path.unlink()
    assert Collection.doctor(quantized.root, repair=True)
    rebuilt = Collection.open(quantized.root)
    assert rebuilt.manifest.indexes
    assert [(hit.id, hit.score) for hit in rebuilt.search(query, k=10, exact=True)] == exact
    # The dead never answer, though the index still holds them.
    nearest = rebuilt.search(query, k=50)
    rebuilt.remove([hit.path for hit in nearest])
    assert rebuilt.manifest.indexes, "the index is the one from before"
    found = {hit.id for hit in rebuilt.search(query, k=550)}
    assert found
    assert not found & {hit.id for hit in nearest}


def test_rule_4_vectors_are_unit_and_scores_are_cosines_of_stored_vectors(quantized):
    rows = quantized.searcher().rows("image")
    stored = rows.vectors_at(np.arange(600))
    assert stored.dtype == np.float16
    np.testing.assert_allclose(np.linalg.norm(stored.astype(np.float32), axis=1), 1, atol=1e-3)
    query = vectors(1, 16, seed=7)[0]
    unit = query / np.linalg.norm(query)
    hits = quantized.search(query, k=20)
    assert len(hits) == 20
    for hit in hits:
        position = rows.positions(np.array([hit.id]))[0]
        assert hit.score == pytest.approx(float(unit @ stored[position].astype(np.float32)), abs=1e-6)


def test_rule_5_a_hit_explains_itself(photos, collection):
    (photos / "disc.png").unlink()
    (photos / "bread.md").write_text("Another text altogether.")
    hits = {Path(hit.path).name: hit for hit in collection.search("a red disc", k=20)}
    assert len(hits) == 10
    for hit in hits.values():
        assert hit.path.startswith(str(photos))
        assert hit.modality in ("image", "text")
        assert hit.evidence
        assert -1 <= hit.score <= 1
        if hit.modality == "text":
            assert hit.text
            assert hit.span is not None
    states = {name: hit.state for name, hit in hits.items() if hit.state != "current"}
    assert states == {"disc.png": "gone", "bread.md": "changed"}


_opened: list[str] | None = None


def _note_opened(event: str, arguments: tuple[object, ...]) -> None:
    if _opened is not None and event == "open" and isinstance(arguments[0], str | bytes):
        _opened.append(os.fsdecode(arguments[0]))


def test_rule_6_the_main_process_opens_no_file_of_a_stranger(photos, empty):
    global _opened
    sys.addaudithook(_note_opened)  # stays, but notes nothing after this test
    _opened = []
    try:
        assert empty.index([photos], workers=1).indexed == 10
        empty.search(photos / "disc.png")
        empty.search(photos / "bread.md")
        opened = _opened
    finally:
        _opened = None
    assert any(path.startswith(str(empty.root)) for path in opened), "the hook is at work"
    assert [path for path in opened if path.startswith(str(photos)) and not os.path.isdir(path)] == []


def test_rule_7_nothing_is_dropped_in_silence(photos, empty, paths_in):
    (photos / "void.txt").touch()
    (photos / "blank.txt").write_text(" ")
    (photos / "blank again.txt").write_text(" ")
    (photos / "source.py").write_text("print('not indexed unless named')")
    (photos / "data.bin").write_bytes(bytes(range(256)))
    (photos / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing more")
    (photos / "link.png").symlink_to(photos / "disc.png")
    (photos / "dangling").symlink_to(photos / "nowhere")
    (photos / "copy.png").write_bytes((photos / "disc.png").read_bytes())
    os.mkfifo(photos / "pipe")
    (photos / "below").mkdir()
    (photos / "below" / "words.md").write_text("Words below.")
    there = {os.path.join(top, name) for top, _, names in os.walk(photos) for name in names}
    for follow_links in (False, True):
        report = empty.index([photos], workers=1, follow_links=follow_links)
        assert report.found == report.indexed + report.unchanged + report.moved + len(report.skipped) == len(there)
        skipped = {note.path for note in report.skipped}
        assert skipped | paths_in(empty) == there
        assert all(note.reason for note in report.skipped)


LIGHT = """
import json, sys
from pathlib import Path
import mmsearch
after_import = set(sys.modules)
collection = mmsearch.Collection.open({root!r})
collection.status()
hits = collection.search("a red disc")
assert len(hits) == 10
print(json.dumps({{"import": sorted(after_import), "query": sorted(sys.modules)}}))
"""
HEAVY = {"torch", "torchvision", "open_clip", "transformers", "av", "soxr", "rawpy", "pypdfium2", "rapidocr", "cv2"}


def test_rule_8_a_person_never_waits_for_an_import(gallery, tmp_path):
    def modules(code: str) -> dict[str, list[str]]:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    loaded = modules(LIGHT.format(root=str(gallery.root)))
    assert not {"numpy", "pyarrow", "faiss"} & set(loaded["import"])
    # A text query on exact indexes needs neither FAISS nor ONNX Runtime nor Pillow.
    assert not (HEAVY | {"faiss", "onnxruntime", "PIL", "filelock", "huggingface_hub"}) & set(loaded["query"])
    for command in (["--help"], ["status", "-c", str(gallery.root)], ["query", "a disc", "-c", str(gallery.root)]):
        code = f"""
import contextlib, io, json, sys
from mmsearch.cli import main
sys.argv = ["mmsearch", *{command!r}]
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main()
print(json.dumps({{"command": sorted(sys.modules)}}))
"""
        assert not (HEAVY | {"faiss", "onnxruntime"}) & set(modules(code)["command"]), command


def test_rule_8_slow_work_tells_how_far_it_is(photos, empty):
    told = []
    empty.index([photos], workers=1, watch=told.append)
    assert told[0].stage == "scan"
    assert [(p.done, p.total) for p in told if p.stage == "encode"] == [(done, 10) for done in range(1, 11)]
    assert told[-1].stage == "index"


def test_rule_9_the_same_input_gives_the_same_vector(photos, tmp_path):
    """At any batch size, number of workers and order of files."""

    def by_path(paths: list[Path], **options) -> dict[bytes, np.ndarray]:
        made = Collection.create(tmp_path / f"{len(list(tmp_path.iterdir()))}.mms", model="mini")
        for path in paths:
            made.index([path], **options)
        found = {}
        for modality in made.searcher().modalities:
            rows = made.searcher().rows(modality)
            names = rows.facts(["path"])["path"].to_pylist()
            found |= dict(zip(names, rows.vectors_at(np.arange(len(rows))), strict=True))
        return found

    together = by_path([photos], workers=2, batch=64)
    assert len(together) == 10
    for other in (
        by_path([photos], workers=1, batch=1),
        by_path([photos], workers=2, batch=3),
        by_path(sorted(photos.iterdir(), reverse=True)[:4], workers=1),
    ):
        for path, vector in other.items():
            np.testing.assert_allclose(vector.astype(np.float32), together[path].astype(np.float32), atol=1e-3)
            assert float(vector.astype(np.float32) @ together[path].astype(np.float32)) > 1 - 1e-3


def command_line_words(source: str) -> list[str]:
    """String literals of a module, docstrings apart, that name the command line: an option, or a command."""
    tree = ast.parse(source)
    documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents
        if COMMAND_LINE.search(node.value)
    ]


COMMAND_LINE = re.compile(r"(^|[\s`'\"(])(--[a-z]|-[ckqv]\b)|\bmmsearch [a-z]+(?<!mmsearch reads)\b")
"""``--model``, ``-c DIR``, ``mmsearch index``; not "this mmsearch reads up to"."""


def test_what_names_the_command_line_is_found():
    assert command_line_words('raise E(f"{x}; `mmsearch index` adds it")\nraise E("gone: -c DIR, --force")')
    assert not command_line_words('"""``--model`` is a docstring."""\nraise E("made by a newer mmsearch: a -1")')


@pytest.mark.parametrize("module", [name for name in MODULES if not inside(name, "mmsearch.cli")])
def test_rule_10_the_library_speaks_to_everybody(module):
    assert command_line_words(MODULES[module].read_text()) == []


def test_rule_11_a_guess_gives_way_to_a_word(tmp_path, monkeypatch):
    """What is inferred from a term is one reading; ``text:``, ``file:`` and ``as_text`` take it literally."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lake.txt").write_text("a lake")

    def value(*terms: str, **how: bool) -> object:
        return read_query_line(terms, **how).query.terms[0].value

    assert value("lake.txt") == value("file:lake.txt") == Path("lake.txt")
    assert value("text:lake.txt") == value("lake.txt", as_text=True) == "lake.txt"
    assert [term.weight for term in read_query_line(["lake^2"]).query.terms] == [2]
    assert value("lake^2", as_text=True) == "lake^2"


# --- imports ---------------------------------------------------------------------------------------------------

NEVER_AT_THE_TOP = {
    "torch",
    "torchvision",
    "open_clip",
    "transformers",
    "faiss",
    "av",
    "soxr",
    "onnxruntime",
    "rawpy",
    "rapidocr",
    "cv2",
    "pypdfium2",
    "obstore",
    "fsspec",
}

R = "mmsearch.retrieval"
COMMON = {
    "mmsearch",
    *(
        f"mmsearch.{name}"
        for name in (
            "errors",
            "notices",
            "types",
            "own_facts",
            "hits",
            "extracts",
            "unit",
            "durable",
            "machine",
            "path_keys",
            "saved_files",
        )
    ),
}
SHARED = COMMON | {f"{R}.progress", f"{R}.paths", f"{R}.onnx_session"}
FACADE = {f"mmsearch.collection_{part}" for part in ("queries", "contents", "rows", "speech")}
MAY_IMPORT = {
    # room: the rooms and modules beside its own that it may import
    "mmsearch.errors": set(),
    "mmsearch.notices": {"mmsearch.errors"},
    "mmsearch.unit": set(),
    "mmsearch.own_facts": {"mmsearch.errors"},
    "mmsearch.types": {"mmsearch.errors", "mmsearch.notices", "mmsearch.own_facts"},
    "mmsearch.hits": {"mmsearch.errors", "mmsearch.notices", "mmsearch.own_facts", "mmsearch.types"},
    "mmsearch.extracts": {
        "mmsearch.errors",
        "mmsearch.notices",
        "mmsearch.own_facts",
        "mmsearch.types",
        "mmsearch.hits",
    },
    "mmsearch.indexes": COMMON,
    f"{R}.media": SHARED | {f"{R}.enrich"},
    f"{R}.storage": SHARED,
    f"{R}.store": SHARED | {f"{R}.storage"},
    f"{R}.enrich": SHARED | {f"{R}.encoders"},  # speech is read by models of the catalogue
    f"{R}.encoders": SHARED | {f"{R}.media"},
    f"{R}.places": SHARED,
    f"{R}.sources": SHARED | {f"{R}.{room}" for room in ("media", "storage")},
    f"{R}.ingest": SHARED
    | {f"{R}.{room}" for room in ("media", "encoders", "enrich", "store", "places", "sources", "storage")},
    f"{R}.upkeep": SHARED
    | {
        f"{R}.store",
        "mmsearch.indexes",
        f"{R}.encoders.level_fits",
        f"{R}.enrich.speech.load",
        f"{R}.enrich.ocr.installed",
        f"{R}.sources.addresses",
    },  # for the status
    f"{R}.search": SHARED
    | {f"{R}.{room}" for room in ("media", "encoders", "enrich", "store", "upkeep", "places", "sources", "storage")}
    | {"mmsearch.indexes"},
    f"{R}.evaluation": SHARED
    | {f"{R}.{room}" for room in ("search", "encoders", "store", "media")}
    | {f"{R}.upkeep.probe_texts"}  # queries for a collection that has no texts
    | {"mmsearch.indexes"},
    f"{R}.index_run": SHARED
    | {f"{R}.{room}" for room in ("ingest", "upkeep", "encoders", "enrich", "store", "sources")},
    f"{R}.listen_run": SHARED
    | {f"{R}.index_run"}
    | {f"{R}.{room}" for room in ("ingest", "upkeep", "encoders", "store", "media", "search")},
    "mmsearch.collection": SHARED | {R, "mmsearch.indexes", "mmsearch.models", *FACADE},
    "mmsearch.collection_queries": SHARED | {R, *FACADE},
    "mmsearch.collection_contents": SHARED | {R, *FACADE},
    "mmsearch.collection_rows": SHARED | {R, *FACADE},
    "mmsearch.collection_speech": SHARED | {R, *FACADE},
    "mmsearch.models": SHARED | {f"{R}.encoders"},
    "mmsearch.scale": SHARED | {R, "mmsearch.models", "mmsearch.collection", "mmsearch.indexes"},
    "mmsearch.library": COMMON | {"mmsearch.collection", "mmsearch.models"},
    "mmsearch.exchange": COMMON | {"mmsearch.collection", "mmsearch.indexes"},
    "mmsearch.scale.readers": SHARED
    | {f"{R}.{room}" for room in ("search", "store", "upkeep", "encoders")}
    | {"mmsearch.indexes", "mmsearch.collection"},
    "mmsearch.serve": COMMON | {"mmsearch.scale.readers"},
}


def imports(module: str, *, top_level: bool = False, types_too: bool = False) -> Iterator[str]:
    """Full names of what a module imports; ``top_level``: when it is imported itself; ``types_too``: also what it
    imports for type checkers alone."""
    path = MODULES[module]
    waiting: list[ast.AST] = [ast.parse(path.read_text())]
    while waiting:
        node = waiting.pop()
        if not types_too and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
            continue
        if top_level and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are written in full"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        waiting += ast.iter_child_nodes(node)


def module_of(name: str) -> str | None:
    """The module of ours that an imported name is, or is of; None for those of others."""
    while name and name not in MODULES:
        name = name.rpartition(".")[0]
    return name or None


def test_the_modules_were_found():
    some = {"mmsearch", "mmsearch.collection", "mmsearch.indexes.exact", f"{R}.media.pictures.image"}
    assert some <= set(MODULES)
    assert f"{R}.store.writer.open_writer" in set(imports("mmsearch.collection"))
    assert f"{R}.store.writer.open_writer" not in set(imports("mmsearch.collection", top_level=True))


def test_every_room_has_its_place_in_the_map():
    rooms = {*MAY_IMPORT, *SHARED, "mmsearch.cli", "mmsearch.__main__", R}
    assert [module for module in MODULES if not any(inside(module, room) for room in rooms - {"mmsearch", R})] == [
        "mmsearch",
        R,
    ]


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_point_one_way(room):
    """Also those for type checkers alone: a room that names a type of another knows that room."""
    ours = [module for module in MODULES if inside(module, room)]
    assert ours
    wrong = [
        f"{module} imports {name}"
        for module in ours
        for name in imports(module, types_too=True)
        if (other := module_of(name)) is not None and other not in COMMON & MAY_IMPORT[room]
        if not any(inside(other, allowed) for allowed in {room, *MAY_IMPORT[room]} - {"mmsearch"})
    ]
    assert wrong == []


@pytest.mark.parametrize("module", MODULES)
def test_heavy_modules_are_imported_only_when_they_are_used(module):
    assert not {name.split(".")[0] for name in imports(module, top_level=True)} & NEVER_AT_THE_TOP
