"""Items of archives as hits: their state, their bytes, their captions, and queries by them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from mmsearch import Collection, FileNotServedError, Moment, UsageError, read_query_line
from mmsearch.retrieval.search import item_paths


@pytest.fixture
def shard(tmp_path, archives, drawn) -> Path:
    return archives.write_shard(tmp_path / "shard-000.tar", drawn)


@pytest.fixture
def corpus(shard, tmp_path) -> Collection:
    """A collection over one shard, free to be changed."""
    made = Collection.create(tmp_path / "corpus.mms", model="mini")
    made.index([shard], workers=1)
    return made


def at(shard, name: str) -> str:
    return f"{shard}#{name}"


def touch(path: Path) -> None:
    found = path.stat()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 1_000_000_000))


def test_a_hit_names_the_archive_that_it_was_read_from(corpus, shard):
    hit = corpus.search("a red disc", to="image")[0]
    assert (hit.path, hit.source, hit.state) == (at(shard, "000000.png"), str(shard), "current")
    assert hit.to_json()["source"] == str(shard)


def test_an_item_is_as_its_archive_is(corpus, shard):
    touch(shard)
    assert {hit.state for hit in corpus.search("a red disc")} == {"changed"}
    shard.unlink()
    assert {hit.state for hit in corpus.search("a red disc")} == {"gone"}


def test_an_archive_is_looked_at_once_for_an_answer(corpus, monkeypatch):
    looked, stat = [], os.stat
    monkeypatch.setattr(item_paths.os, "stat", lambda path, **more: looked.append(path) or stat(path, **more))
    assert len(corpus.search("a red disc")) == 4
    monkeypatch.undo()
    assert len([path for path in looked if str(path).endswith(".tar")]) == 1


def test_a_picture_and_its_caption_are_one_hit(corpus, shard):
    hits = corpus.search("a red disc on white paper", k=10)
    assert [hit.path for hit in hits].count(at(shard, "000000.png")) == 1
    assert (hits[0].modality, hits[0].text) == ("image", "A red disc on white paper.")
    assert "caption" in hits[0].evidence


def test_captions_are_texts_and_no_pictures(corpus, shard):
    (hit, *_) = corpus.search("quilt", to="text")
    assert (hit.path, hit.evidence, hit.text) == (
        at(shard, "000002.png"),
        ("caption",),
        "Purple and golden stripes of a quilt.",
    )
    assert hit.modality == "image"  # what is shown is the picture
    assert all(hit.evidence == ("look",) for hit in corpus.search("quilt", to="image"))
    assert (corpus.count(to="image"), corpus.count(to="text")) == (4, 4)


def test_the_bytes_of_an_item_are_those_in_its_archive(corpus, archives, drawn):
    for hit in corpus.search("a red disc", k=10):
        with corpus.open_file(hit.id) as file:
            data = file.file.read()
            assert data == archives.samples(drawn)[hit.path.partition("#")[2]]
            assert (file.size, file.media_type) == (len(data), "image/png")


def test_an_item_of_an_archive_that_has_changed_is_not_opened(corpus, shard):
    row_id = corpus.search("a red disc")[0].id
    touch(shard)
    with pytest.raises(FileNotServedError, match="the archive has changed") as changed:
        corpus.open_file(row_id)
    assert changed.value.why == "changed"
    shard.unlink()
    with pytest.raises(FileNotServedError) as gone:
        corpus.open_file(row_id)
    assert gone.value.why == "gone"


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "parquet"])
def test_items_of_every_kind_of_archive_are_opened(kind, tmp_path, archives, drawn):
    path = tmp_path / f"a.{kind}"
    if kind == "parquet":
        archives.write_parquet(path, drawn)
    elif kind == "zip":
        archives.write_zip(path, archives.samples(drawn))
    else:
        archives.write_tar(path, archives.samples(drawn), "w:gz")
    made = Collection.create(tmp_path / "a.mms", model="mini")
    made.index([path], workers=1)
    hits = made.search("a red disc", k=10, to="image")
    assert len(hits) == 4
    expected = {archives.picture_bytes(drawn(name)) for name in archives.NAMES}
    for hit in hits:
        with made.open_file(hit.id) as file:
            expected.remove(file.file.read())


def test_an_archive_that_a_link_has_replaced_is_not_opened(corpus, shard, tmp_path, archives, drawn):
    row_id = corpus.search("a red disc")[0].id
    secret = archives.write_shard(tmp_path / "secret.tar", drawn)
    shard.unlink()
    shard.symlink_to(secret)
    with pytest.raises(FileNotServedError) as changed:
        corpus.open_file(row_id)
    assert changed.value.why == "changed"


def test_no_descriptor_is_left_open(corpus, shard):
    row_id = corpus.search("a red disc")[0].id
    before = len(os.listdir("/proc/self/fd"))
    with corpus.open_file(row_id) as file:
        content = os.fsdecode(file.content)
        assert Path(content).read_bytes() == file.file.read()
    touch(shard)
    with pytest.raises(FileNotServedError):
        corpus.open_file(row_id)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_bucket_is_asked_only_when_an_item_is_opened(s3, s3_server, tmp_path, archives, drawn):
    from mmsearch.retrieval.storage import storage_of

    shard = archives.write_shard(tmp_path / "shard.tar", drawn)
    address = f"{s3.address}/corpus/shard.tar"
    storage_of(address).put(address, shard)
    alone = f"{s3.address}/corpus/square.png"
    storage_of(alone).put(alone, archives.picture_bytes(drawn("square.jpg")))
    made = Collection.create(tmp_path / "bucket.mms", model="mini")
    made.index([f"{s3.address}/corpus/"], workers=1)
    s3_server.requests.clear()
    hits = made.search("an orange square", k=10, to="image", copies=True)
    assert {hit.path for hit in hits} >= {f"{address}#000001.png", alone}
    assert {hit.state for hit in hits} == {"current"}
    assert {hit.path for hit in made.search("a red disc", under=address)} <= {hit.path for hit in hits} - {alone}
    assert list(s3_server.requests) == []
    for hit in hits[:3]:
        with made.open_file(hit.id) as file:
            assert len(file.file.read()) == file.size
    storage_of(alone).put(alone, archives.picture_bytes(drawn("grid.png")))
    with pytest.raises(FileNotServedError, match="has changed"):
        made.open_file(next(hit.id for hit in hits if hit.path == alone))


def test_an_item_of_an_archive_that_is_no_source_is_not_opened(corpus, shard, tmp_path, monkeypatch):
    from mmsearch.retrieval.search import item_file

    row_id = corpus.search("a red disc")[0].id
    monkeypatch.setattr(item_file, "_sources_of", lambda _: {str(tmp_path / "other.tar")})
    with pytest.raises(FileNotServedError, match="no source of the collection") as outside:
        corpus.open_file(row_id)
    assert outside.value.why == "outside"


def test_a_link_that_takes_the_place_of_a_named_file_is_not_followed(tmp_path, archives, drawn):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pictures = tmp_path / "elsewhere"
    pictures.mkdir()
    drawn("disc.png").save(pictures / "disc.png")
    (tmp_path / "tables").mkdir()
    table = tmp_path / "tables" / "paths.parquet"
    pq.write_table(pa.table({"file_name": [str(pictures / "disc.png")], "caption": ["A red disc."]}), table)
    made = Collection.create(tmp_path / "paths.mms", model="mini")
    made.index([table], workers=1)
    row_id = made.search("a red disc", to="image")[0].id
    with made.open_file(row_id) as file:
        assert file.content is None
        assert file.file.read() == (pictures / "disc.png").read_bytes()
    secret = tmp_path / "secret.png"
    (pictures / "disc.png").rename(secret)
    (pictures / "disc.png").symlink_to(secret)  # of the same size and time
    with pytest.raises(FileNotServedError) as outside:
        made.open_file(row_id)
    assert outside.value.why == "outside"


def test_an_indexed_item_asks_by_its_stored_vector(corpus, shard, embedded):
    query = read_query_line([at(shard, "000001.png")]).query
    embedded.clear()
    hits = corpus.search(query, include_self=True)
    assert (hits[0].path, round(hits[0].score, 3)) == (at(shard, "000001.png"), 1.0)
    assert at(shard, "000001.png") not in {hit.path for hit in corpus.search(query)}
    assert embedded.pictures == 0


def test_an_item_that_is_not_indexed_is_embedded(corpus, tmp_path, archives, drawn):
    other = archives.write_zip(tmp_path / "other.zip", {"a/square.png": archives.picture_bytes(drawn("square.jpg"))})
    hit = corpus.search(read_query_line([f"{other}#a/square.png"]).query, to="image")[0]
    assert hit.path.endswith("#000001.png")
    assert hit.score > 0.99


def test_an_item_that_is_not_there_is_no_query(corpus, shard):
    with pytest.raises(UsageError, match="no 9.png"):
        corpus.search(read_query_line([at(shard, "9.png")]).query)


def test_a_search_may_be_narrowed_to_an_archive(corpus, tmp_path, archives, drawn):
    other = archives.write_zip(tmp_path / "other.zip", {"a.png": archives.picture_bytes(drawn("grid.png"))})
    corpus.index([other], workers=1)
    assert {hit.path for hit in corpus.search("a grid", under=other)} == {f"{other}#a.png"}
    assert {hit.source for hit in corpus.search("a grid", under=tmp_path / "shard-000.tar")} == {
        str(tmp_path / "shard-000.tar")
    }
    assert corpus.count(under=tmp_path) == 9


def test_thumbnails_are_drawn_of_items(corpus):
    hits = corpus.search("a red disc", to="image")
    drawn_of = list(Collection.thumbnails(hits, height=32, width=32))
    assert [one.reason for one in drawn_of] == [None] * 4
    assert drawn_of[0].pixels.shape == (21, 32, 3)


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_frame_and_a_clip_are_taken_from_a_film_in_a_tar(mode, tmp_path, archives, films):
    data = films.film([films.numbered(number) for number in range(75)], fps=25)
    tar = archives.write_tar(tmp_path / ("a.tar" if mode == "w" else "a.tar.gz"), {"x/film.mp4": data}, mode)
    moment = Moment(Path(f"{tar}#x/film.mp4"), 1.0)
    saved = Collection.save_frame(moment, tmp_path / "frame.png")
    assert films.number_in(Image.open(tmp_path / "frame.png").convert("RGB")) == 25
    assert saved.time_s == pytest.approx(1.0, abs=0.1)
    clip = Collection.save_clip(Moment(moment.path, 0.5, 1.5), tmp_path / "clip.mp4")
    assert clip.end_s == pytest.approx(1.5, abs=0.2)


def test_folders_above_an_archive_are_no_names_of_its_items(tmp_path, archives, drawn):
    folder = tmp_path / "zebras"
    folder.mkdir()
    shard = archives.write_shard(folder / "quagga.tar", drawn)
    made = Collection.create(tmp_path / "c.mms", model="mini")
    made.index([shard], workers=1)
    assert made.search("zebras", mode="lexical") == []
    assert {words.where for hit in made.search("quagga", mode="lexical") for words in hit.matched} == {"name"}
