"""A file that takes long is no matter of all or nothing: what is embedded of it is kept, and the next run goes on."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmsearch import Collection
from mmsearch.retrieval.encoders.mini.encoder import MiniEncoder
from mmsearch.retrieval.ingest import embedder, unfinished
from mmsearch.retrieval.media.workers.decoder import Decoder
from mmsearch.retrieval.store import partial_files

RATE = 8_000


@pytest.fixture
def at_once(monkeypatch):
    """Pieces are kept as soon as they are embedded, in batches of four at most."""
    monkeypatch.setattr(embedder, "KEEP_AFTER_S", 0.0)
    monkeypatch.setattr(embedder, "_LOOK_EVERY_S", 0.0)
    for name in ("MAX_BATCH", "TEXT_BATCH", "_MOST_SOUNDS", "_FIRST_BATCH"):
        monkeypatch.setattr(embedder, name, 4)


def climbing(seconds: float) -> np.ndarray:
    moments = np.arange(round(seconds * RATE)) / RATE
    return (0.5 * np.sin(2 * np.pi * (100 + 5 * moments) * moments)).astype(np.float32)[None]


@pytest.fixture(scope="module")
def long_files(tmp_path_factory, films, drawn) -> Path:
    """A sound of 15 windows, a film of 11 shots and pieces with 15 windows, a table, a text, a picture of 16 pages."""
    folder = tmp_path_factory.mktemp("long")
    (folder / "book.wav").write_bytes(films.wav((climbing(80) * 32_000).astype(np.int16), RATE))
    shots = [("disc", 3), ("rings", 2), ("cross", 30), ("grid", 4), ("stripes", 15), ("ramp", 4), ("disc", 22)]
    pictures = [drawn(name, (96, 64)) for name, seconds in shots for _ in range(8 * seconds)]
    (folder / "film.mp4").write_bytes(films.film(pictures, fps=8, sound=climbing(80), rate=RATE))
    lines = [f"{number},a note about animal number {number}" for number in range(40)]
    (folder / "table.csv").write_text("id,text\n" + "\n".join(lines))
    (folder / "notes.txt").write_text("\n\n".join(f"Paragraph {n} is about {'rivers ' * 40}{n}." for n in range(20)))
    pages = [Image.fromarray(np.full((40, 40, 3), 6 * page, np.uint8)) for page in range(16)]
    pages[0].save(folder / "scan.tif", save_all=True, append_images=pages[1:])
    return folder


NAMES = ["book.wav", "film.mp4", "table.csv", "notes.txt", "scan.tif"]


def rows_of(collection: Collection) -> dict[tuple, np.ndarray]:
    """Every live row's vector by modality, span and passage."""
    rows = {}
    (space,) = collection.spaces
    for modality in collection.manifest.modalities(space.key):
        part = collection.searcher(space).rows(modality)
        facts = part.facts(["span_start", "span_end", "passage", "made", "note"]).to_pylist()
        vectors = np.concatenate(part.vector_blocks)
        alive = part.live if part.live is not None else np.ones(len(part), bool)
        for fact, vector, live in zip(facts, vectors, alive, strict=True):
            if live:
                span = tuple(None if v is None else round(v, 2) for v in (fact["span_start"], fact["span_end"]))
                rows[(modality, span, fact["passage"], fact["made"], fact["note"])] = vector.astype(np.float32)
    return rows


def assert_same_rows(collection: Collection, other: Collection) -> None:
    one, two = rows_of(collection), rows_of(other)
    assert one.keys() == two.keys()
    for key, vector in one.items():
        assert float(vector @ two[key]) > 0.999, key


@pytest.fixture
def interrupted(monkeypatch, embedded):
    """Indexes and presses Ctrl-C amid a batch, once so many stretches of pieces are kept; counts what was embedded."""

    def index(collection: Collection, paths: list[Path], stretches: int) -> int:
        def pressed(encode):
            def encode_or_end(encoder, given):
                time.sleep(0.1)  # meanwhile what was embedded before is kept
                if len(list(collection.root.glob(f"{partial_files.PARTIAL_FOLDER}/*/*"))) >= stretches:
                    raise KeyboardInterrupt
                return encode(encoder, given)

            return encode_or_end

        embedded.clear()
        with monkeypatch.context() as patch:
            for name in ("encode_texts", "encode_images", "encode_sounds"):
                patch.setattr(MiniEncoder, name, pressed(getattr(MiniEncoder, name)))
            assert collection.index(paths, workers=1).interrupted
        done = len(embedded)
        embedded.clear()
        return done

    return index


@pytest.mark.parametrize("name", NAMES)
def test_ctrl_c_keeps_what_is_embedded_and_the_next_run_goes_on(
    name, long_files, empty, at_once, embedded, interrupted, tmp_path
):
    path = long_files / name
    clean = Collection.create(tmp_path / "clean.mms", model="mini")
    clean.index([path], workers=1)
    whole = len(embedded)
    first = interrupted(empty, [path], 2)
    assert 8 <= first < whole
    assert not rows_of(Collection.open(empty.root))
    assert not Collection.doctor(empty.root)
    report = empty.index([path], workers=1)
    assert (report.indexed, report.interrupted) == (1, False)
    assert len(embedded) <= whole - first + 4
    assert_same_rows(empty, clean)
    assert not (empty.root / partial_files.PARTIAL_FOLDER).exists()
    assert empty.index([path]).unchanged == 1


@pytest.mark.parametrize("name", ["book.wav", "film.mp4"])
def test_a_killed_run_goes_on_where_it_was_also_in_decoding(name, long_files, empty, killed_once, tmp_path):
    code = f"""
import time
from pathlib import Path
import mmsearch
from mmsearch.retrieval.ingest import embedder
embedder.KEEP_AFTER_S = embedder._LOOK_EVERY_S = 0.0
embedder._FIRST_BATCH = embedder._MOST_SOUNDS = embedder.MAX_BATCH = 1
def watch(progress):
    if len(list(Path({str(empty.root)!r}).glob("partial/*/*"))) >= 9:
        print("kept", flush=True)
        time.sleep(600)
mmsearch.Collection.open({str(empty.root)!r}).index([{str(long_files / name)!r}], workers=1, watch=watch, ocr="off")
"""
    killed_once("kept", code)
    assert not Collection.doctor(empty.root)
    seen: list[float] = []
    Collection.open(empty.root).index(
        [long_files / name], workers=1, watch=lambda progress: seen.append(progress.at_s or 0.0)
    )
    first = next(at_s for at_s in seen if at_s)
    assert first > 20
    clean = Collection.create(tmp_path / "clean.mms", model="mini")
    clean.index([long_files / name], workers=1)
    assert_same_rows(Collection.open(empty.root), clean)


def test_what_is_kept_is_of_a_content_and_not_of_a_name(
    long_files, empty, at_once, embedded, interrupted, films, tmp_path
):
    folder = tmp_path / "sounds"
    folder.mkdir()
    path = folder / "book.wav"
    path.write_bytes((long_files / "book.wav").read_bytes())
    interrupted(empty, [folder], 1)
    path.rename(folder / "moved.wav")
    path.write_bytes(films.wav((climbing(80)[:, ::-1] * 32_000).astype(np.int16), RATE))
    embedded.clear()
    report = empty.index([folder], workers=1)
    assert report.indexed == 2
    assert 15 < len(embedded) <= 15 + 15 - 4
    clean = Collection.create(tmp_path / "clean.mms", model="mini")
    clean.index([path], workers=1)
    empty.remove([folder / "moved.wav"])
    assert_same_rows(empty, clean)


def test_other_windows_are_made_anew(long_files, empty, at_once, embedded, interrupted):
    path = long_files / "book.wav"
    interrupted(empty, [path], 1)
    empty.index([path], workers=1, window=8, hop=8)
    assert len(embedded) == 10


def test_what_is_kept_may_be_damaged(long_files, empty, at_once, embedded, interrupted, tmp_path):
    path = long_files / "book.wav"
    interrupted(empty, [path], 2)
    _, second = sorted(empty.root.glob(f"{partial_files.PARTIAL_FOLDER}/*/*"))
    data = bytearray(second.read_bytes())
    data[len(data) // 2] ^= 0xFF
    second.write_bytes(data)
    empty.index([path], workers=1)
    assert len(embedded) == 15 - 4
    clean = Collection.create(tmp_path / "clean.mms", model="mini")
    clean.index([path], workers=1)
    assert_same_rows(empty, clean)


def test_short_files_leave_nothing(photos, empty, monkeypatch):
    kept = []
    monkeypatch.setattr(partial_files, "append_pieces", lambda *given: kept.append(given))
    monkeypatch.setattr(unfinished, "append_pieces", lambda *given: kept.append(given))
    empty.index([photos])
    assert not kept
    assert not (empty.root / partial_files.PARTIAL_FOLDER).exists()


def test_pictures_that_wait_long_for_their_batch_are_not_kept(photos, empty, at_once, monkeypatch):
    kept = []
    monkeypatch.setattr(unfinished, "append_pieces", lambda root, name, modality, *rest: kept.append(modality))
    assert empty.index([photos]).indexed == 10
    assert "image" not in kept


def test_a_minute_is_the_most_that_is_lost():
    assert embedder.KEEP_AFTER_S + embedder._LOOK_EVERY_S <= 30


def test_what_nobody_goes_on_with_is_swept_in_the_end(long_files, empty, at_once, interrupted, photos):
    interrupted(empty, [long_files / "book.wav"], 1)
    empty.index([photos])
    empty.compact()
    assert partial_files.partial_names(empty.root)
    old = time.time() - partial_files.SWEEP_PARTIAL_AFTER_S - 60
    for path in empty.root.glob(f"{partial_files.PARTIAL_FOLDER}/*/*"):
        os.utime(path, (old, old))
    empty.index([photos])
    assert not partial_files.partial_names(empty.root)


def test_a_decoder_that_dies_amid_a_long_file_leaves_its_pieces(long_files, empty, at_once, embedded, monkeypatch):
    path = long_files / "book.wav"

    def kill(progress):
        if progress.at_s and progress.at_s > 50:
            for worker in workers:
                worker.kill()

    workers = []
    decode = Decoder.map
    monkeypatch.setattr(Decoder, "map", lambda self, jobs: workers.extend(self._workers) or decode(self, jobs))
    report = empty.index([path], workers=1, watch=kill)
    assert [note.path for note in report.skipped] == [str(path)]
    first = len(embedded)
    embedded.clear()
    assert empty.index([path], workers=1).indexed == 1
    assert first + len(embedded) <= 15 + 4
