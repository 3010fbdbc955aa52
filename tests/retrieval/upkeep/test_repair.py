"""Whatever file of a collection is lost: repaired and indexed again, it holds what a clean run makes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from mmsearch import Collection
from mmsearch.retrieval.store.manifest import Manifest, load_manifest, save_manifest

SIZE = (96, 64)


@pytest.fixture(scope="module")
def media(tmp_path_factory, films, drawn) -> Path:
    """One of each kind: a film with sound and one without, a sound, a picture, a text, subtitles, and a sidecar."""
    folder = tmp_path_factory.mktemp("media")
    drawn("disc", SIZE).save(folder / "disc.png")
    drawn("grid", SIZE).save(folder / "grid.png")
    (folder / "words.txt").write_text("Fishing boats lie in the harbour.")
    (folder / "timed.srt").write_text("1\n00:00:01,000 --> 00:00:03,000\nThe ship leaves the harbour.\n")
    (folder / "side.xmp").write_text("<x:xmpmeta xmlns:x='adobe:ns:meta/'/>")
    (folder / "tone.wav").write_bytes(films.wav((films.tone(12, 8000) * 32000).astype(np.int16), 8000))
    shots = [drawn("rings", SIZE)] * 16 + [drawn("grid", SIZE)] * 16
    (folder / "loud.mp4").write_bytes(films.film(shots, fps=8, sound=films.tone(4, 8000, 880.0), rate=8000))
    (folder / "silent.mp4").write_bytes(films.film(shots[8:], fps=8))
    return folder


@pytest.fixture(scope="module")
def clean(media, tmp_path_factory) -> Path:
    """A collection over `media` in which a file was removed, so that there are tombstones."""
    root = tmp_path_factory.mktemp("clean") / "c.mms"
    made = Collection.create(root, model="mini")
    (media / "gone.txt").write_text("It is removed later.")
    made.index([media], workers=1)
    (media / "gone.txt").unlink()
    made.index([media], workers=1)
    return root


def rows_of(root: Path) -> list[tuple]:
    """All live rows but for their ids: path, modality, span, passage and vector."""
    made = Collection.open(root)
    found = []
    for space in made.spaces:
        for modality in made.manifest.modalities(space.key):
            rows = made.searcher(space).rows(modality)
            table = rows.facts(["path", "span_start", "span_end", "passage", "content_hash"]).to_pylist()
            vectors = np.concatenate([np.asarray(block) for block in rows.vector_blocks])
            live = rows.live if rows.live is not None else np.ones(len(rows), bool)
            found += [
                (space.key, modality, *row.values(), vector.tobytes())
                for row, vector, alive in zip(table, vectors, live, strict=True)
                if alive
            ]
    return sorted(found, key=repr)


def files_of(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


KINDS = ("MANIFEST.json", "lock", "dead", "dead-copies", "image", "text", "audio", "video", "skipped", "sample")


def kind_of(name: str) -> str:
    if name.endswith(".npy"):
        return "sample"
    return next(kind for kind in KINDS if kind in name.split("/"))


@pytest.mark.parametrize("kind", KINDS)
def test_after_the_loss_of_any_file_repair_and_index_restore_the_same_rows(clean, media, tmp_path, kind):
    lost = [name for name in files_of(clean) if kind_of(name) == kind]
    assert lost
    for number, name in enumerate(lost):
        root = shutil.copytree(clean, tmp_path / str(number))
        (root / name).unlink()
        Collection.doctor(root, repair=True)
        made = Collection.open(root)
        made.index([media], workers=1)
        assert rows_of(root) == rows_of(clean), name
        assert Collection.doctor(root) == []
        report = made.index([media], workers=1)
        assert report.unchanged == report.found - len(report.skipped), "nothing is read again and again"
        assert all(note.known for note in report.skipped)


def without_later_columns(root: Path) -> Manifest:
    """Make the rows those of an earlier version, which do not say what was made of their file."""
    import pyarrow.parquet as pq

    from mmsearch.durable import file_checksum

    manifest = load_manifest(root)
    entries = []
    for entry in manifest.shards:
        from dataclasses import replace

        from mmsearch.retrieval.store import shards

        path = root / entry.path
        shard = shards.Shard(path)
        table = shard.facts(shards.FACT_NAMES)
        nulls = table.set_column(table.column_names.index("made"), "made", [[None] * table.num_rows])
        nulls = nulls.cast(table.schema.remove_metadata())
        vectors = np.concatenate([np.asarray(block) for block in shard.vector_blocks])
        written = path.with_name("1-old.parquet")
        shards.write_shard(written, shard.space, [(shard.ids, nulls, vectors)])
        written.replace(path)
        assert pq.ParquetFile(path).metadata.num_rows == entry.rows
        entries.append(replace(entry, bytes=path.stat().st_size, checksum=file_checksum(path)))
    manifest = replace(manifest, shards=tuple(entries))
    save_manifest(root, manifest)
    return manifest


@pytest.mark.parametrize("modality", ["video", "audio", "text"])
def test_rows_of_an_earlier_version_are_missed_too(clean, media, tmp_path, modality):
    root = shutil.copytree(clean, tmp_path / "c.mms")
    manifest = without_later_columns(root)
    (entry,) = [entry for entry in manifest.shards if entry.modality == modality]
    (root / entry.path).unlink()
    Collection.doctor(root, repair=True)
    made = Collection.open(root)
    made.index([media], workers=1)
    assert rows_of(root) == rows_of(clean)
    again = made.index([media], workers=1)
    assert again.unchanged == again.found - len(again.skipped), "films without sound are read once more, not always"


def test_a_film_of_which_rows_are_lost_is_no_source_for_its_copy(clean, media, tmp_path):
    root = shutil.copytree(clean, tmp_path / "c.mms")
    (entry,) = [entry for entry in load_manifest(root).shards if entry.modality == "audio"]
    (root / entry.path).unlink()
    Collection.doctor(root, repair=True)
    copies = tmp_path / "copies"
    copies.mkdir()
    shutil.copy(media / "loud.mp4", copies / "copy.mp4")
    made = Collection.open(root)
    made.index([copies], workers=1)
    kinds = {modality for _, modality, path, *_ in rows_of(root) if path.endswith(b"copy.mp4")}
    assert kinds == {"audio", "video"}


def test_dead_rows_of_a_film_count_only_if_all_of_them_are_there(clean, media, tmp_path):
    root = shutil.copytree(clean, tmp_path / "c.mms")
    films = shutil.copytree(media, tmp_path / "films")
    made = Collection.open(root)
    made.index([films], workers=1)
    (films / "loud.mp4").rename(tmp_path / "loud.mp4")
    (media / "loud.mp4").rename(tmp_path / "first.mp4")
    try:
        made.index([films, media], workers=1)
        from mmsearch.retrieval.store.snapshot import Snapshot
        from mmsearch.retrieval.store.writer import open_writer

        with open_writer(root) as writer:
            dead = Snapshot(root, writer.manifest).deleted_ids
            writer.merge(writer.manifest.shards_of(made.space.key, "audio"), dead)
        (tmp_path / "loud.mp4").rename(films / "loud.mp4")
        made.reopen()
        made.index([films], workers=1)
        kinds = {modality for _, modality, path, *_ in rows_of(root) if path == bytes(films / "loud.mp4")}
        assert kinds == {"audio", "video"}
    finally:
        (tmp_path / "first.mp4").rename(media / "loud.mp4")
