"""What every source must do, those of an app's own included: parts that stay, items that come again as they were."""

from __future__ import annotations

import importlib.util
import sqlite3
from pathlib import Path

import pytest

from mmsearch import Source, SourceItem, SourceNote, SourcePart
from mmsearch.retrieval.ingest.parts.index_sources import open_source
from mmsearch.retrieval.storage import storage_of

SOURCES = ("folder", "tar", "tar.gz", "zip", "hugging face", "img2dataset", "paths", "bucket", "own")
EXAMPLE = Path(__file__).parents[2] / "examples" / "own_source.py"


def example():
    """The module of the example."""
    spec = importlib.util.spec_from_file_location("own_source", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def database(path: Path, pictures: dict[str, bytes]) -> Path:
    """A database of pictures for the example."""
    with sqlite3.connect(path) as made:
        made.execute("create table pictures (id integer, jpeg blob, caption text)")
        rows = [(number, jpeg, name) for number, (name, jpeg) in enumerate(pictures.items())]
        made.executemany("insert into pictures values (?, ?, ?)", rows)
    return path


@pytest.fixture(params=SOURCES)
def source(request, corpora, captions) -> Source:
    """One of the kinds of sources, each with the same eight pictures."""
    kind = request.param
    if kind == "folder":
        return open_source(str(corpora.files()))
    if kind in ("tar", "tar.gz"):
        return open_source(str(corpora.tar(f"a.{kind}", mode="w:gz" if kind == "tar.gz" else "w")))
    if kind == "zip":
        return open_source(str(corpora.zip("a.zip")))
    if kind == "hugging face":
        return open_source(str(corpora.hugging_face()))
    if kind == "img2dataset":
        return open_source(str(corpora.img2dataset()))
    if kind == "paths":
        names = [str(path) for path in sorted(corpora.files().iterdir())]
        return open_source(str(corpora.parquet("p.parquet", {"path": names, "caption": list(captions.values())})))
    if kind == "bucket":
        s3 = request.getfixturevalue("s3")
        for path in corpora.files().iterdir():
            storage_of(s3.address).put(f"{s3.address}/{path.name}", path)
        return open_source(s3.address)
    pictures = {name: corpora.jpeg(name) for name in captions}
    return example().SqliteSource(str(database(corpora.folder / "a.db", pictures)))


def read(source: Source, part: SourcePart) -> list[tuple]:
    """The items of a part, with their bytes; each is let go as soon as it was read."""
    found = []
    for item in source.items(part):
        if isinstance(item, SourceNote):
            continue
        data = Path(item.path).read_bytes() if item.content is None else item.content.file.read()
        found.append((item.path, data, item.size, item.mtime_ns, item.captions, dict(item.facts), item.problem))
        item.close()
    return found


def test_it_is_a_source(source):
    assert isinstance(source, Source)


def test_its_parts_are_the_same_each_time_and_differ(source):
    parts = list(source.parts())
    assert parts == list(source.parts())
    assert len(set(parts)) == len(parts)
    assert all(part.etag and part.size >= 0 for part in parts)


def test_its_items_are_the_same_each_time(source):
    for part in source.parts():
        assert read(source, part) == read(source, part)


def test_all_items_are_there_once_with_their_bytes(source, corpora, captions):
    items = [item for part in source.parts() for item in read(source, part)]
    paths = [path for path, *_ in items]
    assert len(set(paths)) == len(paths) == 8
    assert sorted(data for _, data, *_ in items) == sorted(corpora.jpeg(name) for name in captions)
    assert all(size == len(data) for _, data, size, *_ in items)
    assert all(problem is None for *_, problem in items)


def test_parts_are_read_in_any_order(source):
    parts = list(source.parts())
    forwards = {part: read(source, part) for part in parts}
    backwards = {part: read(source, part) for part in reversed(parts)}
    assert forwards == backwards


def test_a_reader_may_stop_anywhere(source):
    part = next(iter(source.parts()))
    items = source.items(part)
    first = next(items)
    assert isinstance(first, SourceItem)
    first.close()
    items.close()
    assert read(source, part)


def test_the_example_is_indexed_and_only_a_changed_part_again(corpora, captions, tmp_path, capsys):
    made = database(corpora.folder / "a.db", {name: corpora.jpeg(name) for name in captions})
    for said in ("8 indexed, 0 unchanged", "0 indexed, 8 unchanged"):
        example().main(str(made), str(tmp_path / "c.mms"))
        assert said in capsys.readouterr().out
