"""Several models in one collection: a model for sounds stands beside one for pictures, each in a space of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmsearch import Collection
from mmsearch.errors import SpaceMismatchError

pytestmark = pytest.mark.clip

SIZE = (96, 64)


@pytest.fixture(scope="module")
def clap(make_clap_checkpoint) -> str:
    return f"clap@{make_clap_checkpoint()}"


def fill(folder: Path, films, drawn) -> Path:
    """A picture, a text, a sound, a film with sound, and a silent one."""
    folder.mkdir(parents=True)
    drawn("disc", SIZE).save(folder / "disc.png")
    (folder / "words.txt").write_text("Fishing boats lie in the harbour.")
    (folder / "tone.wav").write_bytes(films.wav((films.tone(12, 8000) * 32000).astype(np.int16), 8000))
    shots = [drawn("rings", SIZE)] * 16 + [drawn("grid", SIZE)] * 16
    (folder / "loud.mp4").write_bytes(films.film(shots, fps=8, sound=films.tone(4, 8000, 880.0), rate=8000))
    (folder / "silent.mp4").write_bytes(films.film(shots[8:], fps=8))
    return folder


@pytest.fixture
def media(tmp_path, films, drawn) -> Path:
    return fill(tmp_path / "media", films, drawn)


@pytest.fixture
def made(media, tmp_path) -> Collection:
    """A collection over `media` with `mini` alone."""
    made = Collection.create(tmp_path / "c.mms", model="mini")
    assert made.index([media], workers=1).indexed == 5
    return made


def rows_of(collection: Collection) -> dict[tuple[str, str], int]:
    """How many live rows there are, by model and modality."""
    return {
        (collection.manifest.spaces[part.space].model.split("@")[0], part.modality): part.rows
        for part in collection.status().modalities
    }


def test_a_model_for_sounds_joins_the_one_for_pictures_and_takes_sounds_over(made, media, clap):
    before = rows_of(made)
    del before["mini", "audio"]
    report = made.index([media], model=clap, workers=1)
    assert [space.model for space in made.spaces] == ["mini", clap]
    assert rows_of(made) == {**before, ("clap", "audio"): 3}, "two windows of the tone, one of the loud film"
    assert report.skipped == (), "what the other model serves is not called skipped"
    assert report.found == report.indexed + report.unchanged == 5
    assert any("with mini for the rest" in str(notice) for notice in report.notices)


def test_from_then_on_every_run_embeds_with_both(made, media, clap, films, drawn):
    made.index([media], model=clap, workers=1)
    assert made.index([media], workers=1).unchanged == 5
    fill(media / "more", films, drawn)
    (media / "more" / "tone.wav").write_bytes(films.wav((films.tone(3, 8000, 220.0) * 32000).astype(np.int16), 8000))
    report = made.index([media], workers=1)
    assert (report.indexed, report.skipped) == (5, ())
    counts = rows_of(made)
    assert counts["clap", "audio"] == 3 + 2
    assert counts["mini", "video"] == 2 * (3 + 3)


def test_new_files_under_the_path_go_to_the_models_in_use_too(made, media, clap, films, drawn):
    fill(media / "more", films, drawn)
    made.index([media / "more"], model=clap, workers=1)
    counts = rows_of(made)
    assert counts["mini", "image"] == 2
    assert counts["clap", "audio"] == 6, "the sounds of all roots"


def test_words_are_asked_of_every_space_and_merged(made, media, clap):
    made.index([media], model=clap, workers=1)
    hits = made.search("a dog barks", k=10)
    assert {Path(hit.path).name for hit in hits} == {p.name for p in media.iterdir()}
    assert [hit.match for hit in hits] == sorted((hit.match for hit in hits), reverse=True)
    assert made.search("a dog barks", to=["audio"], k=5)[0].evidence == ("sound",)


def test_a_vector_belongs_to_the_space_it_is_asked_in(made, media, clap):
    made.index([media], model=clap, workers=1)
    with pytest.raises(SpaceMismatchError):
        made.search(np.ones(32, np.float32))
    assert made.search(np.ones(32, np.float32), space=clap)


def test_a_model_that_embeds_all_that_another_does_takes_its_place_and_leaves_the_rest(
    made, media, clap, make_checkpoint
):
    made.index([media], model=clap, workers=1)
    sounds = rows_of(made)["clap", "audio"]
    other = f"open_clip:tiny@{make_checkpoint()}"
    report = made.index([media], model=other, workers=1)
    assert [space.model for space in made.spaces] == [other, clap]
    assert made.space.model == other, "texts belong to the model that embeds pictures"
    counts = rows_of(made)
    assert counts["clap", "audio"] == sounds
    assert not any(model == "mini" for model, _ in counts)
    assert report.skipped == ()


def test_a_collection_that_began_with_sounds_gives_texts_to_the_model_that_embeds_pictures(
    media, tmp_path, clap, make_checkpoint
):
    made = Collection.create(tmp_path / "c.mms", model=clap)
    made.index([media], workers=1)
    assert rows_of(made) == {("clap", "text"): 1, ("clap", "audio"): 3}
    seeing = f"open_clip:tiny@{make_checkpoint()}"
    made.index([media], model=seeing, workers=1)
    assert [space.model for space in made.spaces] == [seeing, clap]
    assert rows_of(made) == {
        ("clap", "audio"): 3,
        ("open_clip:tiny", "image"): 1,
        ("open_clip:tiny", "text"): 1,
        ("open_clip:tiny", "video"): 6,
    }


def test_a_model_that_embeds_everything_is_alone_again(made, media, clap):
    made.index([media], model=clap, workers=1)
    other = Collection.create(made.root.parent / "clap.mms", model=clap)
    other.index([media], workers=1)
    other.index([media], model="mini", workers=1)
    assert [space.model for space in other.spaces] == ["mini"]
    assert {modality for _, modality in rows_of(other)} == {"image", "text", "audio", "video"}


def test_a_model_for_pictures_leaves_sounds_to_the_one_that_was_there(made, media, make_checkpoint):
    other = f"open_clip:tiny@{make_checkpoint()}"
    made.index([media], model=other, workers=1)
    assert [space.model for space in made.spaces] == [other, "mini"]
    assert {key for key in rows_of(made) if key[0] == "mini"} == {("mini", "audio")}
    assert made.index([media], workers=1).unchanged == 5
    assert made.search("a tone", to=["audio"], k=3)


def test_a_model_for_films_takes_them_over_and_leaves_pictures(made, media, make_pe_av_checkpoint):
    model = f"pe-av-video@{make_pe_av_checkpoint()}"
    made.index([media], model=model, workers=1)
    counts = rows_of(made)
    assert counts["pe-av-video", "video"] == 6
    assert ("mini", "video") not in counts
    assert counts["mini", "image"] == 1
    hits = made.search("rings", k=10, to=["video"])
    assert {Path(hit.path).name for hit in hits} == {"loud.mp4", "silent.mp4"}


def test_an_interrupted_run_lets_no_half_filled_space_answer(made, media, clap, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("mmsearch.retrieval.ingest.embedder.Embedder.add_part", stop)
        report = made.index([media], model=clap, workers=1)
    assert report.interrupted
    assert [space.model for space in made.spaces] == ["mini"]
    assert made.search("x", k=3)
    made.index([media], model=clap, workers=1)
    assert [space.model for space in made.spaces] == ["mini", clap]


def test_removing_a_film_forgets_it_in_every_space(made, media, clap):
    made.index([media], model=clap, workers=1)
    assert made.remove([media / "loud.mp4"]) == 1
    counts = rows_of(made)
    assert counts["clap", "audio"] == 2
    assert counts["mini", "video"] == 3
    assert Collection.doctor(made.root) == []


def test_a_model_whose_packages_are_missing_is_said_and_the_others_answer(made, media, clap, monkeypatch):
    from mmsearch.errors import ModelUnavailableError
    from mmsearch.retrieval.encoders import load

    made.index([media], model=clap, workers=1)
    opened = Collection.open(made.root)
    real = load.load_encoder

    def without_torch(name, *rest, **options):
        if name == clap:
            raise ModelUnavailableError("clap needs torch")
        return real(name, *rest, **options)

    monkeypatch.setattr("mmsearch.retrieval.encoders.load.load_encoder", without_torch)
    answer = opened.ask("a disc", k=5)
    assert answer.hits
    assert "clap needs torch" in str(answer.notices[0])


def test_a_lost_manifest_is_rebuilt_with_both_models(made, media, clap):
    made.index([media], model=clap, workers=1)
    before = made.manifest
    (made.root / "MANIFEST.json").write_text("gone")
    assert Collection.doctor(made.root, repair=True)
    mended = Collection.open(made.root)
    assert (mended.manifest.primary_space, mended.manifest.secondary_spaces) == (
        before.primary_space,
        before.secondary_spaces,
    )
    assert mended.search("a dog barks", to=["audio"])


@pytest.mark.shared
def test_every_sound_and_film_of_the_evaluation_data_is_indexed_without_a_skip(shared, tmp_path, clap):
    data = shared / "data" / "dev"
    collection = Collection.create(tmp_path / "c.mms", model="mini")
    report = collection.index([data / "video20" / "video", data / "esc10_fold1" / "audio"], model=clap, workers=2)
    assert report.found == 27 + 80
    assert report.skipped == ()
    with_sound = {hit.path for hit in collection.search("x", to=["audio"], k=200)}
    assert len(with_sound) == 80 + 6, "six of the films have a sound track"
