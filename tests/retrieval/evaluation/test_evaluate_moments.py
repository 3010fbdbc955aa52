"""Scores of films and sounds: by file, and by moment where the pairs say when."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mmsearch import Collection
from mmsearch.errors import UsageError
from mmsearch.retrieval.evaluation.scores import DirectionScores, Scores


def write_pairs(path: Path, *lines: dict) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def lines_of(scores: Scores, via: str = "brute force") -> dict[tuple[str, str], DirectionScores]:
    """By direction and the first letters of the model's name."""
    return {(s.direction, s.model.partition("@")[0]): s for s in scores.directions if s.via == via}


# --- two films by hand -----------------------------------------------------------------------------------------


def direction(degrees) -> np.ndarray:
    angles = np.radians(np.atleast_1d(degrees))
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


MOMENTS = [  # file, from, to, degrees: a query at 0 degrees ranks them by how near they are
    ("a.mp4", 0, 30, 2),  # the whole film, too long to be a moment
    ("a.mp4", 0, 10, 10),
    ("a.mp4", 10, 20, 20),
    ("a.mp4", 20, 30, 30),
    ("b.mp4", 0, 8, 15),
    ("b.mp4", 8, 12, 40),
    ("b.mp4", 12, 14, 40),  # as near as the one before
]


@pytest.fixture(scope="module")
def reel(tmp_path_factory) -> Collection:
    """Rows of two films at known angles, and a picture ``q.png`` at 0 degrees to ask by."""
    folder = tmp_path_factory.mktemp("reel")
    made = Collection.create(folder / "c.mms", model=None)
    made.add(direction(0), paths=[folder / "q.png"], modality="image", space="reel")
    made.add(
        direction([row[3] for row in MOMENTS]),
        paths=[folder / row[0] for row in MOMENTS],
        modality="video",
        space="reel",
        facts={
            "span_start": [float(row[1]) for row in MOMENTS],
            "span_end": [float(row[2]) for row in MOMENTS],
            "span_unit": ["s"] * len(MOMENTS),
        },
    )
    return made


def score_of(reel: Collection, *pairs: dict) -> DirectionScores:
    path = write_pairs(reel.root.parent / "pairs.jsonl", *[{"query_file": "q.png", **pair} for pair in pairs])
    return lines_of(reel.evaluate(path))["file → moment", "reel"]


def test_moments_of_a_case_done_by_hand(reel):
    """Order of the moments: a 0-10, b 0-8, a 10-20, a 20-30, then b 8-12 and b 12-14, which tie."""
    found = score_of(
        reel,
        {"relevant": ["a.mp4"], "spans": [[1, 9]]},  # overlaps 0-10 by 8 of 10: rank 1
        {"relevant": ["b.mp4"], "spans": [[0, 8]]},  # rank 2
        {"relevant": ["a.mp4"], "spans": [[22, 27.5]]},  # 5.5 of 10: rank 4
        {"relevant": ["b.mp4"], "spans": [[12, 14]]},  # ties with 8-12: rank 6
    )
    assert (found.queries, found.pool) == (4, 6)  # the row of the whole film is none of them
    assert found.recall == {1: 0.25, 5: 0.75, 10: 1.0}
    assert found.mrr == pytest.approx((1 + 1 / 2 + 1 / 4 + 1 / 6) / 4)


@pytest.mark.parametrize(
    ("span", "found"),
    [([0, 5], True), ([0, 4.9], False), ([0, 20], True), ([0, 20.1], False), ([3, 13], True), ([4, 14], False)],
)
def test_a_moment_is_found_if_it_shares_half_of_all_that_the_two_cover(reel, span, found):
    """Against the moment 0-10 of a.mp4: intersection over union of 0.5 at least."""
    score = score_of(reel, {"relevant": ["a.mp4"], "spans": [span]})
    assert score.recall[1] == float(found)
    assert score.mrr == float(found)


def test_a_moment_of_the_right_time_in_another_film_is_wrong(reel):
    assert score_of(reel, {"relevant": ["b.mp4"], "spans": [[20, 30]]}).recall[10] == 0


def test_any_of_several_moments_answers(reel):
    found = score_of(reel, {"relevant": ["a.mp4"], "spans": [[20, 30], [10, 20]]})
    assert found.mrr == pytest.approx(1 / 3)
    assert found.map == pytest.approx((1 / 3 + 2 / 4) / 2)


def test_a_film_that_is_not_in_the_collection_is_missed_and_that_is_said(reel):
    pairs = write_pairs(
        reel.root.parent / "missing.jsonl",
        {"query_file": "q.png", "relevant": ["a.mp4"], "spans": [[0, 10]]},
        {"query_file": "q.png", "relevant": ["gone.mp4"], "spans": [[0, 10]]},
    )
    scores = reel.evaluate(pairs)
    assert "not in the collection: 1 file of the pairs" in str(scores.notices[0])
    assert lines_of(scores)["file → moment", "reel"].recall == {1: 0.5, 5: 0.5, 10: 0.5}
    assert lines_of(scores)["image → video", "reel"].recall[1] == 0.5


def test_pairs_without_spans_are_scored_by_file_alone(reel):
    pairs = write_pairs(
        reel.root.parent / "mixed.jsonl",
        {"query_file": "q.png", "relevant": ["a.mp4"]},
        {"query_file": "q.png", "relevant": ["b.mp4"], "spans": [[0, 8]]},
    )
    scores = lines_of(reel.evaluate(pairs))
    assert scores["image → video", "reel"].queries == 2
    assert scores["image → video", "reel"].pool == 2
    assert scores["file → moment", "reel"].queries == 1
    only = write_pairs(reel.root.parent / "files.jsonl", {"query_file": "q.png", "relevant": ["a.mp4"]})
    assert set(lines_of(reel.evaluate(only))) == {("image → video", "reel")}


def test_a_film_is_ranked_by_its_best_row_of_any_length(reel):
    pairs = write_pairs(reel.root.parent / "film.jsonl", {"query_file": "q.png", "relevant": ["a.mp4"]})
    assert lines_of(reel.evaluate(pairs))["image → video", "reel"].recall[1] == 1.0


def test_the_index_is_scored_beside_brute_force(reel):
    pairs = write_pairs(
        reel.root.parent / "both.jsonl", {"query_file": "q.png", "relevant": ["a.mp4"], "spans": [[0, 10]]}
    )
    scores = reel.evaluate(pairs)
    assert lines_of(scores, "index").keys() == lines_of(scores).keys()


# --- real films and sounds, two models beside each other --------------------------------------------------------


@pytest.fixture(scope="module")
def clap(make_clap_checkpoint) -> str:
    return f"clap@{make_clap_checkpoint()}"


@pytest.fixture(scope="module")
def home(tmp_path_factory, films, drawn) -> Path:
    """A film with sound, one without, two sounds, in a folder ``files``."""
    folder = tmp_path_factory.mktemp("pairs")
    place = folder / "files"
    place.mkdir()
    rate = 16_000
    noise = np.random.default_rng(0).normal(0, 0.2, (1, 4 * rate)).clip(-1, 1).astype(np.float32)
    pictures = [drawn(name) for name in ("disc", "stripes") for _ in range(16)]
    (place / "loud.mp4").write_bytes(films.film(pictures, fps=8, sound=noise, rate=rate))
    (place / "still.mp4").write_bytes(films.film([drawn("grid")] * 16, fps=8))
    (place / "noise.wav").write_bytes(films.wav((noise * 32000).astype(np.int16), rate))
    (place / "tone.wav").write_bytes(films.wav((films.tone(3, rate) * 32000).astype(np.int16), rate))
    drawn("disc").save(place / "disc.png")
    return folder


@pytest.fixture(scope="module")
def both(home, clap) -> Collection:
    """`home` by `mini`, and by a model of sounds that joined it."""
    made = Collection.create(home / "both.mms", model="mini")
    made.index([home / "files"], workers=1)
    made.index([home / "files"], model=clap, workers=1)
    return made


def test_pairs_of_films_and_sounds_are_scored_each_by_the_models_that_know_them(both, home):
    pairs = write_pairs(
        home / "pairs.jsonl",
        {"query": "a red disc", "relevant": ["files/loud.mp4"], "spans": [[0, 2]]},
        {"query": "a grid of lines", "relevant": ["files/still.mp4"]},
        {"query": "noise", "relevant": ["files/noise.wav"]},
        {"query": "a tone", "relevant": ["files/tone.wav"]},
    )
    scores = lines_of(both.evaluate(pairs))
    assert {key: (s.queries, s.pool) for key, s in scores.items()} == {
        ("text → video", "mini"): (2, 2),
        ("text → moment", "mini"): (1, 4),
        ("video → text", "mini"): (2, 2),
        ("text → audio", "clap"): (3, 3),  # the film that is heard is one of them
        ("text → moment", "clap"): (1, 3),
        ("audio → text", "clap"): (3, 3),
    }


def test_a_moment_by_words_is_found_at_its_time(both, home):
    pairs = write_pairs(
        home / "moments.jsonl", {"query": "a red disc on white", "relevant": ["files/loud.mp4"], "spans": [[0, 2]]}
    )
    found = lines_of(both.evaluate(pairs))["text → moment", "mini"]
    assert found.recall[5] == 1.0
    assert found.mrr >= 0.5


@pytest.fixture
def deaf(home, tmp_path, make_checkpoint) -> Collection:
    """`home` by a model of pictures and texts that takes no sounds."""
    made = Collection.create(tmp_path / "deaf.mms", model=f"open_clip:tiny@{make_checkpoint()}")
    made.index([home / "files"], workers=1)
    return made


@pytest.mark.clip
def test_pairs_of_files_are_asked_of_the_models_that_can_embed_them(deaf, clap, home):
    """A sound asked for the film that sounds so: no question for a model that only sees the film."""
    deaf.index([home / "files"], model=clap, workers=1)
    pairs = write_pairs(home / "sounds.jsonl", {"query_file": "files/noise.wav", "relevant": ["files/loud.mp4"]})
    scores = deaf.evaluate(pairs)
    (key,) = lines_of(scores)
    assert key == ("audio → audio", "clap")
    assert lines_of(scores)[key].recall[1] == 1.0  # the query itself does not answer
    assert any("noise.wav" in told and "does not embed sounds" in told for told in map(str, scores.notices))
    assert any("open_clip:tiny@" in told for told in map(str, scores.notices))


def test_a_sound_is_asked_of_every_model_that_hears(both, home):
    """One knows the film by its sound, the other by its frames, in a space that sounds are embedded into too."""
    pairs = write_pairs(home / "heard.jsonl", {"query_file": "files/noise.wav", "relevant": ["files/loud.mp4"]})
    scores = both.evaluate(pairs)
    assert lines_of(scores).keys() == {("audio → audio", "clap"), ("file → video", "mini")}
    assert lines_of(scores)["audio → audio", "clap"].recall[1] == 1.0
    assert scores.notices == ()


@pytest.mark.clip
def test_pairs_that_no_model_can_be_asked_are_wrong_use(deaf, home):
    pairs = write_pairs(home / "unheard.jsonl", {"query_file": "files/noise.wav", "relevant": ["files/loud.mp4"]})
    with pytest.raises(UsageError, match=r"noise\.wav: model open_clip:tiny@.* does not embed sounds"):
        deaf.evaluate(pairs)


def test_a_picture_asks_for_the_film_that_shows_it(both, home):
    pairs = write_pairs(home / "pictures.jsonl", {"query_file": "files/disc.png", "relevant": ["files/loud.mp4"]})
    scores = lines_of(both.evaluate(pairs))
    assert scores["image → video", "mini"].recall[1] == 1.0
