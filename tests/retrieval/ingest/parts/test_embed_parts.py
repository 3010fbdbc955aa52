"""Parts of sources become rows: several at once, each for itself, the same however they are read."""

from __future__ import annotations

import numpy as np
import pytest

from mmsearch import Collection, SourceItem, SourceNote, SourcePart
from mmsearch.retrieval.encoders.loaded import LoadedEncoders
from mmsearch.retrieval.encoders.routing import ModelRouting
from mmsearch.retrieval.encoders.runtime import Runtime
from mmsearch.retrieval.ingest.decoding import open_decoder
from mmsearch.retrieval.ingest.options import IngestOptions
from mmsearch.retrieval.ingest.parts.embed_parts import PartEmbedder
from mmsearch.retrieval.ingest.parts.index_sources import open_source
from mmsearch.retrieval.ingest.run import cut_options, decode_spec
from mmsearch.retrieval.progress import Stopwatch, no_progress


@pytest.fixture(scope="module")
def routing() -> ModelRouting:
    return ModelRouting.single(LoadedEncoders(Runtime("cpu", "auto")).named("mini"))


@pytest.fixture
def embed(routing):
    """Embeds the parts of sources, and gives their results by address and number."""

    def run(*sources, **options):
        given = IngestOptions(workers=1, **options)
        with open_decoder(decode_spec(routing, given), given) as decoder:
            embedder = PartEmbedder(routing, cut_options(routing, given), decoder, Stopwatch(), no_progress)
            parts = [(source, part) for source in sources for part in source.parts()]
            return [(result.part, result) for result in embedder.embed(parts)]

    return run


class Listed:
    """A source of the app's own: items that it is given, all in one part."""

    def __init__(self, *items, name="listed"):
        self._items, self._name = items, name

    def parts(self):
        yield SourcePart(self._name, 1, "1")

    def items(self, part):
        for item in self._items:
            if isinstance(item, Exception):
                raise item
            yield item


def rows_of(result):
    return [
        (stored.modality, item.path.decode(), item.passage)
        for number in sorted(result.rows)
        for stored in result.rows[number]
        for item in stored.items
    ]


def test_a_picture_and_its_caption_are_two_rows_of_one_path(embed, corpora, captions):
    path = corpora.tar("a.tar")
    ((_, result),) = embed(open_source(str(path)))
    assert (result.items, len(result.rows), result.row_count, result.skipped) == (8, 8, 16, [])
    assert rows_of(result)[:2] == [
        ("image", f"{path}#000000.jpg", None),
        ("text", f"{path}#000000.jpg", "a red disc on white"),
    ]
    image, text = result.rows[0]
    (item,) = image.items
    assert item.source == str(path).encode()
    assert item.own_facts == {"stars": 0, "name": "disc"}  # width is a column of the format, and has its own value
    assert item.facts.width == 96
    assert text.items[0].evidence == "caption"
    assert item.size == len(corpora.jpeg("disc"))
    assert item.ctime_ns is None


def test_the_rows_are_the_same_from_a_tar_a_zip_a_table_and_files(embed, corpora, captions):
    sources = [
        open_source(str(path))
        for path in (corpora.tar("a.tar"), corpora.zip("a.zip"), corpora.img2dataset(), corpora.files())
    ]
    vectors: dict[str, dict[bytes, np.ndarray]] = {}
    for part, result in embed(*sources):
        for rows in result.rows.values():
            for stored in rows:
                if stored.modality == "image":
                    vectors.setdefault(part.address, {})[stored.items[0].content_hash] = stored.vectors[0]
    one, *others = vectors.values()
    assert len(one) == 8
    for other in others:
        assert one.keys() == other.keys()
        assert all(np.array_equal(one[digest], other[digest]) for digest in one)


def test_parts_come_out_complete_whatever_runs_beside_them(embed, corpora):
    results = embed(*(open_source(str(corpora.tar(f"{number}.tar"))) for number in range(4)))
    assert sorted(part.address[-5:] for part, _ in results) == ["0.tar", "1.tar", "2.tar", "3.tar"]
    assert all(len(result.rows) == 8 for _, result in results)


def test_what_is_no_picture_is_skipped_with_the_reason(embed, corpora):
    files = {**corpora.samples(["disc"]), "b.jpg": b"no picture", "c.npy": b"\x93NUMPY", "d.jpg": b""}
    ((_, result),) = embed(open_source(str(corpora.tar("a.tar", files))))
    assert (result.items, len(result.rows), len(result.skipped)) == (4, 1, 3)
    assert [note.path.rpartition("#")[2] for note in sorted(result.skipped, key=lambda note: note.path)] == [
        "b.jpg",
        "c.npy",
        "d.jpg",
    ]


def test_a_source_that_fails_halfway_fails_its_part_alone(embed, corpora):
    from mmsearch.errors import MMSearchError

    good = SourceItem.of_bytes("a.jpg", corpora.jpeg("disc"))
    results = {
        part.address: result
        for part, result in embed(
            Listed(good, MMSearchError("the disk is gone"), name="bad"),
            Listed(SourceItem.of_bytes("b.jpg", corpora.jpeg("cross")), name="good"),
        )
    }
    assert results["bad"].failure == "the disk is gone"
    assert results["good"].failure is None
    assert len(results["good"].rows) == 1


def test_items_of_one_path_are_one_item(embed, corpora):
    twice = [SourceItem.of_bytes("a.jpg", corpora.jpeg(name)) for name in ("disc", "cross")]
    ((_, result),) = embed(Listed(*twice))
    assert (result.items, len(result.rows)) == (2, 1)
    assert [note.reason for note in result.skipped] == ["it is there twice: the first counts"]


def test_two_parts_may_name_the_same_file(embed, corpora):
    folder = corpora.files()
    results = embed(open_source(str(folder)), open_source(str(folder)))
    assert [len(result.rows) for _, result in results] == [8, 8]


def test_notes_count_as_items_and_what_is_passed_over_does_not(embed, corpora):
    ((_, result),) = embed(
        Listed(SourceNote("x", "damaged"), SourceNote("y", "hidden", passed_over="y"), SourceNote("z", "hidden", "z"))
    )
    assert result.items == 1
    assert result.passed_over == {"hidden": ["y", "z"]}


def test_the_bytes_of_items_are_let_go(embed, corpora):
    items = [SourceItem.of_bytes(f"{name}.jpg", corpora.jpeg(name)) for name in ("disc", "cross")]
    embed(Listed(*items))
    assert all(item.content.file.closed for item in items)


def test_a_long_caption_gives_several_rows(embed, corpora):
    item = SourceItem.of_bytes("a.jpg", corpora.jpeg("disc"), captions=("a red disc on white paper. " * 40,))
    ((_, result),) = embed(Listed(item))
    assert sum(modality == "text" for modality, _, _ in rows_of(result)) > 1


def test_a_source_of_the_apps_own_is_indexed(corpora, tmp_path):
    made = Collection.create(tmp_path / "c.mms", model="mini")
    source = Listed(SourceItem.of_bytes("db:17.jpg", corpora.jpeg("disc"), captions=("a disc",), facts={"id17": 17}))
    assert made.index(source).indexed == 1
    assert made.index([source]).unchanged == 1
    hit = made.search("a disc", k=1)[0]
    assert hit.path == "db:17.jpg"
    assert hit.facts["id17"] == 17
