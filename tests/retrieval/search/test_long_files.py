"""A query by a long file: a bounded sample, spread evenly, and a notice that says so; a short file is taken whole."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch import Collection
from mmsearch.retrieval.encoders.mini.encoder import MiniEncoder
from mmsearch.retrieval.media.decode_spec import DecodeSpec
from mmsearch.retrieval.media.workers.decoder import Decoder
from mmsearch.retrieval.media.workers.jobs import Job
from mmsearch.retrieval.search import query_files
from mmsearch.retrieval.search.even_sample import EvenSample
from mmsearch.retrieval.search.listener import NO_LISTENER, QueryListener
from mmsearch.retrieval.search.query_files import FileEmbedder
from mmsearch.retrieval.search.query_spaces import EmbeddedQueries
from mmsearch.types import Moment

RATE = 16_000


@pytest.fixture(scope="module")
def mini() -> MiniEncoder:
    return MiniEncoder(threads=1)


@pytest.fixture(scope="module")
def place(tmp_path_factory, films, drawn) -> Path:
    """Files of 29 windows, 2 windows, 20 shots, 11 pages, 50 rows, 1 row, and some 40 passages."""
    folder = tmp_path_factory.mktemp("long")
    (folder / "book.wav").write_bytes(films.wav(changing(150)[None], RATE, kind="float32"))
    (folder / "short.wav").write_bytes(films.wav(changing(12)[None], RATE, kind="float32"))
    pictures = (drawn(("stripes", "disc", "grid", "cross")[i % 4]) for i in range(20) for _ in range(4))
    (folder / "film.mp4").write_bytes(films.film(pictures, fps=8))
    first, *others = (drawn("disc").rotate(30 * i) for i in range(11))
    first.save(folder / "scan.tif", save_all=True, append_images=others)
    rows = [f"The man of house {i} rides a horse of {i % 9} years." for i in range(50)]
    (folder / "rows.csv").write_text("\n".join(["text", *rows]))
    (folder / "one.csv").write_text("\n".join(["text", rows[0]]))
    (folder / "big.txt").write_text("\n\n".join(f"{i}. " + "Boats lie in the harbour. " * 10 for i in range(40)))
    return folder


def changing(seconds: int) -> np.ndarray:
    """A sound that is another every few seconds: tones, slides, noise, near silence. Float32 ``[n]``."""
    random = np.random.default_rng(3)
    moments = np.arange(7 * RATE) / RATE
    kinds = [
        lambda i: np.sin(2 * np.pi * (120 + 90 * (i % 11)) * moments),
        lambda i: np.sin(2 * np.pi * (200 * moments + (40 + 30 * (i % 5)) * moments**2)),
        lambda _: random.normal(0, 0.4, len(moments)),
        lambda _: random.normal(0, 0.01, len(moments)),
        lambda i: np.sign(np.sin(2 * np.pi * 100 * moments)) * (np.sin(2 * np.pi * (1 + i % 4) * moments) > 0),
    ]
    pieces = [0.4 * kinds[random.integers(len(kinds))](i) for i in range(math.ceil(seconds / 7))]
    return np.concatenate(pieces)[: seconds * RATE].clip(-1, 1).astype(np.float32)


@pytest.fixture
def heard(monkeypatch) -> list[int]:
    """How many windows each call of the sound tower embeds."""
    counts = []
    encode_sounds = MiniEncoder.encode_sounds

    def counting(encoder, sounds):
        counts.append(len(sounds))
        return encode_sounds(encoder, sounds)

    monkeypatch.setattr(MiniEncoder, "encode_sounds", counting)
    return counts


@pytest.fixture
def at_most(monkeypatch):
    """Lowers the bounds, so that short files are long ones."""

    def bound(parts: int = 8, passages: int = 16, waiting_bytes: int = query_files._WAITING_BYTES) -> None:
        monkeypatch.setattr(query_files, "_MOST_PARTS", parts)
        monkeypatch.setattr(query_files, "_MOST_PASSAGES", passages)
        monkeypatch.setattr(query_files, "_WAITING_BYTES", waiting_bytes)

    return bound


def embed_file(path, encoder, moment=None, listener=NO_LISTENER) -> np.ndarray:
    with FileEmbedder(encoder) as files:
        return files.of_file(path, moment, listener)


def notices_on(path: Path, encoder: MiniEncoder) -> list[str]:
    told: list[str] = []
    embed_file(path, encoder, listener=QueryListener(lambda notice: told.append(str(notice))))
    return told


# --- the sample ------------------------------------------------------------------------------------------------


@given(st.integers(0, 20_000), st.sampled_from([2, 16, 128]))
def test_what_is_held_is_spread_evenly_and_of_bounded_number(count, most):
    spread = EvenSample[int](most)
    ever = set()
    for i in range(count):
        spread.offer(i)
        ever.update(spread.held[-1:])
    assert spread.offered == count
    assert spread.is_whole == (count <= most)
    assert spread.held == list(range(0, count, spread.stride))
    if count > most:
        assert most / 2 < len(spread.held) <= most
        assert len(ever) <= most * (1 + math.log2(count / most))


def test_the_bounds_are_even_so_that_halving_keeps_the_gaps_equal():
    assert query_files._MOST_PARTS % 2 == query_files._MOST_PASSAGES % 2 == 0


# --- sounds ----------------------------------------------------------------------------------------------------


def test_of_a_long_sound_no_more_windows_are_embedded_than_are_held(place, mini, heard, at_most):
    at_most(8)
    assert notices_on(place / "book.wav", mini) == [
        f"{place / 'book.wav'}: searched by 8 windows spread over its 00:02:30"
    ]
    assert sum(heard) == 8


def test_where_few_may_wait_the_windows_embedded_are_still_bounded(place, mini, heard, at_most):
    at_most(8)
    whole = embed_file(place / "book.wav", mini)
    heard.clear()
    at_most(8, waiting_bytes=1)
    np.testing.assert_array_equal(embed_file(place / "book.wav", mini), whole)
    assert 8 < sum(heard) <= 8 * (1 + math.log2(29 / 8))


def test_the_sample_says_what_the_whole_sound_says(place, mini, at_most):
    whole = embed_file(place / "book.wav", mini)
    at_most(8)
    sample = embed_file(place / "book.wav", mini)
    assert not np.array_equal(sample, whole)
    assert sample @ whole / np.linalg.norm(sample) / np.linalg.norm(whole) > 0.95


def test_a_short_sound_is_the_mean_of_all_its_windows_to_the_bit(place, mini):
    with Decoder(1, DecodeSpec(sample_rate=RATE), slots=1) as decoder:
        _, windows = decoder.decode_one(Job(os.fsencode(place / "short.wav")))
    vectors = mini.encode_sounds([window.array for window in windows])
    assert len(vectors) == 2
    expected = ((vectors[0].astype(np.float64) + vectors[1].astype(np.float64)) / 2).astype(np.float32)
    np.testing.assert_array_equal(embed_file(place / "short.wav", mini), expected)
    assert notices_on(place / "short.wav", mini) == []


def test_a_moment_of_a_long_file_says_nothing(place, mini, at_most):
    at_most(32)  # a moment of a film is at most so many frames
    told: list[str] = []
    embed_file(place / "film.mp4", mini, (0.0, 10.0), QueryListener(told.append))
    embed_file(place / "book.wav", mini, (100.0, 110.0), QueryListener(told.append))
    assert told == []


# --- films, pages, texts, tables ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "sample"),
    [
        ("film.mp4", "5 shots spread over its 00:00:10"),
        ("scan.tif", "6 of its 11 pages"),
        ("rows.csv", "13 of its 50 rows"),
        ("big.txt", "10 of its 40 passages"),
    ],
)
def test_any_long_file_is_sampled_and_says_so(place, mini, at_most, name, sample):
    assert notices_on(place / name, mini) == []
    at_most(8, 16)
    assert notices_on(place / name, mini) == [f"{place / name}: searched by {sample}"]


def test_of_a_table_the_rows_of_the_sample_alone_are_embedded(place, mini, at_most, embedded):
    at_most(passages=16)
    embed_file(place / "rows.csv", mini)
    assert embedded.texts == [f"The man of house {i} rides a horse of {i % 9} years." for i in range(0, 50, 4)]


def test_rows_that_are_long_are_cut_into_no_more_passages_than_any_text(tmp_path, mini, at_most):
    cell = " ".join(["Boats lie in the harbour."] * 60)
    (tmp_path / "long.csv").write_text("\n".join(["text", *(f"{i} {cell}" for i in range(20))]))
    at_most(passages=16)
    (told,) = notices_on(tmp_path / "long.csv", mini)
    assert told.endswith(": searched by 15 passages from 10 of its 20 rows")


# --- who is told -----------------------------------------------------------------------------------------------


def test_the_notice_stands_with_the_query_that_it_is_about(place, gallery, at_most):
    at_most(passages=16)
    notice = f"{place / 'big.txt'}: searched by 10 of its 40 passages"
    words, big, one = gallery.ask_many(["a disc", place / "big.txt", place / "one.csv"], k=2)
    assert (words.notices, tuple(map(str, big.notices)), one.notices) == ((), (notice,), ())
    assert big.to_json()["notices"] == [notice]
    assert gallery.search_many([place / "big.txt"], k=2, under=place) == [[]]


def test_an_indexed_file_is_searched_by_all_of_its_rows(place, tmp_path, at_most):
    made = Collection.create(tmp_path / "c.mms", model="mini")
    made.index([place / "big.txt"], workers=1)
    at_most(passages=16)
    assert made.ask(place / "big.txt", include_self=True).notices == ()
    (notice,) = map(str, made.ask((place / "big.txt").read_bytes()).notices)
    assert notice == "the bytes given: searched by 10 of its 40 passages"


def test_what_several_models_say_of_a_file_is_said_once():
    embedded = EmbeddedQueries()
    for notice in ("by 97 windows", "by 97 windows", "by 90 shots"):
        embedded.add_notice(3, notice)
    assert embedded.notices_of == {3: ["by 97 windows", "by 90 shots"]}


def test_who_watches_hears_how_far_a_sound_has_been_read(place, gallery):
    told = []
    gallery.ask(place / "short.wav", watch=told.append)
    assert [(p.stage, p.path, p.at_s) for p in told] == [("decode", str(place / "short.wav"), s) for s in (10.0, 12.0)]
    told.clear()
    gallery.ask(Moment(place / "short.wav", 1.0, 3.0), watch=told.append)
    assert [p.at_s for p in told] == [3.0]
    told.clear()
    gallery.ask("a disc", watch=told.append)
    assert told == []
