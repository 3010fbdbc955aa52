"""Labels of a collection: given, kept, brought up to date, taken away; as conditions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest

from mmsearch import CannotEmbedError, Collection, UsageError
from mmsearch.library import drop_tags, tag, tags
from mmsearch.library.tagging import run
from mmsearch.retrieval.encoders.mini.encoder import MiniEncoder
from mmsearch.unit import normalize_rows

THINGS = ["dog", "dog", "beach", "car", "piano"]


def vectors_of(things):
    """As if pictures of things lay near their names."""
    names = MiniEncoder().encode_texts([f"a photo of a {thing}" for thing in things])
    return 0.6 * names + 0.8 * normalize_rows(noise(len(things), len(things)))


def noise(count, seed=0):
    return np.random.default_rng(seed).standard_normal((count, 256)).astype(np.float32)


def add(collection, things, modality="image", folder="/p"):
    paths = [f"{folder}/{i}-{thing}" for i, thing in enumerate(things)]
    return collection.add(vectors_of(things), paths=paths, modality=modality).tolist()


@pytest.fixture(autouse=True)
def _a_small_background(monkeypatch):
    """A thousand words are embedded in each call; here fewer are enough."""
    monkeypatch.setattr(run, "_BACKGROUND", 100)


@pytest.fixture
def things(tmp_path):
    """Five pictures of things, and forty of nothing."""
    with Collection.create(tmp_path / "c.mms", model="mini") as made:
        add(made, THINGS)
        made.add(noise(40), paths=[f"/n/{i}" for i in range(40)], modality="image")
        yield made


def counts(tagged):
    return {label.label: label.rows for label in tagged.labels}


def paths(collection, where):
    return sorted(Path(path).name for batch in collection.items(where=where) for path in batch["path"].to_pylist())


def test_labels_are_given_to_what_they_fit_and_to_nothing_else(things):
    found = tag(things, ["dog", "beach", "unicorn"])
    assert counts(found) == {"dog": 2, "beach": 1, "unicorn": 0}
    assert (found.rows, found.looked_at, found.untagged, found.waiting) == (45, 45, 42, 0)
    assert found.models == ("mini",)
    assert [Path(path).name for path in found.labels[0].examples] == ["0-dog", "1-dog"]
    assert 0.5 < found.labels[0].highest <= 1
    assert found.labels[2].highest is None


def test_a_label_that_nothing_has_is_known_all_the_same(things):
    assert counts(tag(things, "unicorn")) == {"unicorn": 0}
    assert things.count(where="tag = 'unicorn'") == 0
    assert things.count(where="tag is None") == 45
    assert counts(tag(things)) == {"unicorn": 0}
    assert counts(tag(things, "dog")) == {"dog": 2}


def test_labels_are_conditions(things):
    tag(things, ["dog", "beach", "unicorn"])
    assert paths(things, "tag = 'dog'") == ["0-dog", "1-dog"]
    assert paths(things, "tag in ('beach', 'unicorn')") == ["2-beach"]
    assert things.count(where="tag != 'dog'") == 43
    assert things.count(where="tag is None") == 42
    assert things.count(where="'dog' in tag and id > 1") == 1
    assert [Path(hit.path).name for hit in things.search("music", where="tag = 'beach'", min_level=None)] == ["2-beach"]


def test_new_rows_have_no_labels_until_they_are_looked_at(things):
    tag(things, ["dog", "car"])
    add(things, ["car", "dog"], folder="/later")
    assert tags(things).waiting == 2
    assert things.count(where="tag = 'car'") == 1
    found = tag(things)
    assert (found.looked_at, found.waiting) == (2, 0)
    assert counts(found) == {"dog": 3, "car": 2}
    assert tag(things).looked_at == 0


def test_new_words_join_the_old_ones_and_only_they_are_looked_for(things, monkeypatch):
    tag(things, "dog")
    asked = []
    real = run.label_vectors
    monkeypatch.setattr(run, "label_vectors", lambda labels, *a: asked.append(labels) or real(labels, *a))
    found = tag(things, "beach")
    assert [[label.name for label in labels] for labels in asked if len(labels) < 64] == [["beach"]]
    assert counts(found) == {"beach": 1}
    assert counts(tags(things)) == {"dog": 2, "beach": 1}


def test_another_probability_gives_the_label_anew(things):
    assert counts(tag(things, "dog")) == {"dog": 2}
    assert counts(tag(things, "dog", min_probability=1)) == {"dog": 0}
    assert counts(tag(things, "dog", min_probability=0.3))["dog"] >= 2
    assert tags(things).labels[0].min_probability == 0.3


def test_twice_as_many_rows_are_measured_anew(things):
    tag(things, "dog")
    before = json.loads(things.side_table("tags").schema.metadata[b"mmsearch.tags"])
    things.add(noise(50, 1), paths=[f"/m/{i}" for i in range(50)], modality="image")
    assert tag(things).looked_at == 95
    after = json.loads(things.side_table("tags").schema.metadata[b"mmsearch.tags"])
    rows = [next(iter(data["vocabularies"]["words"]["spaces"].values()))["rows"] for data in (before, after)]
    assert rows == [{"image": 45}, {"image": 95}]


def test_a_label_that_is_computed_later_is_the_same_as_at_once(things, tmp_path):
    """In blocks or not, together with others or not."""
    tag(things, ["dog", "car"])
    one = things.side_table("tags").to_pydict()
    run._BLOCK, before = 7, run._BLOCK
    try:
        drop_tags(things)
        tag(things, "car")
        tag(things, "dog")
    finally:
        run._BLOCK = before
    other = things.side_table("tags").to_pydict()

    def lines(table):
        return sorted(zip(table["id"], table["label"], np.round(table["probability"], 4), strict=True))

    assert lines(one) == lines(other)


def test_a_vocabulary_gives_a_row_the_best_eight(things, tmp_path):
    (tmp_path / "mine.txt").write_text("\n".join([*THINGS, *(f"thing {i}" for i in range(100))]))
    found = tag(things, vocabulary=tmp_path / "mine.txt", min_probability=0)
    table = things.side_table("tags")
    assert set(np.unique(table["id"].to_numpy(), return_counts=True)[1].tolist()) == {8}
    assert len(table) == 45 * 8
    for row_id, label in enumerate(THINGS[2:], 3):
        assert label in table.filter(pc.equal(table["id"], row_id))["label"].to_pylist()
    assert found.untagged == 0


def test_without_words_everyday_words_are_given(things):
    found = tag(things)
    assert {label.vocabulary for label in found.labels} == {"everyday"}
    assert counts(found)["dog"] == 2
    assert len(found.labels) > 3000  # pictures alone: no sounds are here


def test_a_file_and_words_live_together(things, tmp_path):
    (tmp_path / "mine.txt").write_text("sea\ta photo of a beach|a beach\ngrand piano\ta piano|a photo of a piano\n")
    tag(things, "dog")
    assert counts(tag(things, vocabulary=tmp_path / "mine.txt")) == {"sea": 1, "grand piano": 1}
    assert {(label.label, label.vocabulary) for label in tags(things).labels} == {
        ("dog", "words"),
        ("sea", "mine.txt"),
        ("grand piano", "mine.txt"),
    }
    (tmp_path / "mine.txt").write_text("sea\ta photo of a beach|a beach\n")
    tag(things, vocabulary=tmp_path / "mine.txt")
    assert counts(tags(things)) == {"dog": 2, "sea": 1}
    (tmp_path / "mine.txt").unlink()
    assert counts(tag(things)) == {"dog": 2, "sea": 1}


def test_labels_are_taken_away_by_name_by_vocabulary_or_all(things, tmp_path):
    (tmp_path / "mine.txt").write_text("sea\ta photo of a beach|a beach\ndog\n")
    tag(things, ["dog", "car"], vocabulary=tmp_path / "mine.txt")
    with pytest.raises(UsageError, match=r"no label and no vocabulary 'sheep'; vocabularies: words, mine\.txt"):
        drop_tags(things, ["dog", "sheep"])
    assert drop_tags(things, "dog") == 4
    assert counts(tags(things)) == {"car": 1, "sea": 1}
    assert drop_tags(things, "mine.txt") == 1
    assert counts(tags(things)) == {"car": 1}
    assert drop_tags(things) == 1
    assert things.side_table("tags") is None
    assert tags(things).labels == ()


def test_rows_that_are_gone_have_no_labels(things):
    tag(things, "dog")
    things.remove("/p/0-dog")
    assert counts(tags(things)) == {"dog": 1}
    assert things.count(where="tag = 'dog'") == 1
    tag(things)
    assert len(things.side_table("tags")) == 1


def test_labels_stay_when_shards_are_merged(things):
    tag(things, "dog")
    add(things, ["car"], folder="/later")
    things.compact()
    assert paths(things, "tag = 'dog'") == ["0-dog", "1-dog"]


def test_films_and_sounds_are_labelled_if_they_are_asked_for(things):
    add(things, ["dog"], "video", "/v")
    assert counts(tag(things, "dog", to="video")) == {"dog": 1}
    assert paths(things, "tag = 'dog'") == ["0-dog"]
    with pytest.raises(UsageError, match="'text' cannot be labelled; image, video, audio can"):
        tag(things, "dog", to="text")


def test_what_cannot_be_labelled_is_said(tmp_path):
    with Collection.create(tmp_path / "t.mms", model="mini") as empty:
        with pytest.raises(UsageError, match="no pictures, films or sounds"):
            tag(empty, "dog")
        assert tags(empty).rows == 0
    with Collection.create(tmp_path / "e.mms", model=None) as elsewhere:
        elsewhere.add(noise(3), paths=["/1", "/2", "/3"], modality="image", space="mine")
        with pytest.raises(CannotEmbedError, match="no model of the collection embeds words: mine"):
            tag(elsewhere, "dog")


def test_spreads_are_measured_on_an_even_sample(things, monkeypatch):
    seen = []
    real = run.Spreads.add
    monkeypatch.setattr(run.Spreads, "add", lambda self, rows: seen.append(len(rows)) or real(self, rows))
    monkeypatch.setattr(run, "_MEASURED", 10)
    monkeypatch.setattr(run, "_BLOCK", 7)
    tag(things, "dog")
    assert sum(seen) == 9  # every fifth of 45, though blocks have seven rows
    assert seen == [2, 1, 2, 1, 1, 2, 0]
    state = json.loads(things.side_table("tags").schema.metadata[b"mmsearch.tags"])["vocabularies"]["words"]["spaces"]
    assert next(iter(state.values()))["rows"] == {"image": 45}


def test_the_work_is_watched(things):
    seen = []
    tag(things, "dog", watch=lambda done, of: seen.append((done, of)))
    assert seen[-1] == (45, 45)


def test_a_label_of_two_vocabularies_counts_its_rows_once(things, tmp_path):
    (tmp_path / "pets.txt").write_text("dog\t\t0.05\n")
    tag(things, "dog", min_probability=0.9)
    tag(things, vocabulary=tmp_path / "pets.txt")
    found = tags(things)
    own, other = sorted(found.labels, key=lambda label: label.vocabulary == "pets.txt")
    assert own.rows < other.rows
    (merged,) = found.merged
    assert (merged.label, merged.vocabulary, merged.rows) == ("dog", "words, pets.txt", other.rows)
    assert merged.rows == len(paths(things, "tag = 'dog'"))
    assert (merged.min_probability, merged.highest) == (0.05, max(own.highest or 0, other.highest))
    assert 0 < len(set(merged.examples)) == len(merged.examples) <= 3
