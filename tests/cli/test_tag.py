"""``mmsearch tag``: what it prints."""

from __future__ import annotations

import numpy as np
import pytest

from mmsearch import Collection
from mmsearch.library.tagging import run as tagging_run
from mmsearch.retrieval.encoders.mini.encoder import MiniEncoder
from mmsearch.unit import normalize_rows


@pytest.fixture(autouse=True)
def _a_small_background(monkeypatch):
    """A thousand words are embedded in each process; here fewer are enough."""
    monkeypatch.setattr(tagging_run, "_BACKGROUND", 100)


@pytest.fixture
def things(tmp_path):
    root = tmp_path / "c.mms"
    vectors = MiniEncoder().encode_texts(["a photo of a dog", "a photo of a beach"])
    noise = np.random.default_rng(0).standard_normal((40, 256)).astype(np.float32)
    with Collection.create(root, model="mini") as made:
        vectors = 0.6 * vectors + 0.8 * normalize_rows(noise[-2:])
        made.add(vectors, paths=["/p/rex.jpg", "/p/sea.jpg"], modality="image")
        made.add(noise, paths=[f"/n/{i}" for i in range(40)], modality="image")
    return root


def test_labels_are_a_line_each_and_what_has_none_is_said(things, run):
    done = run("tag", "dog", "beach", "unicorn", "-c", things)
    assert done.lines[2].split() == ["unicorn", "0"]
    assert "rex.jpg" in done.out
    assert "none of these: 40 of 42 pictures, shots and windows. All are guesses of mini." in done.out
    assert run("query", "a photo", "--where", "tag = 'dog'", "-q", "-c", things).out.count("\n") == 1
    assert run("tag", "-q", "-c", things).out == "beach\t1\ndog\t1\n"


def test_a_vocabulary_shows_what_it_found_and_counts_the_rest(things, run, tmp_path):
    many = tmp_path / "many.txt"
    many.write_text("\n".join(["dog", *(f"thing {i}" for i in range(30))]))
    shown = run("tag", "--labels", many, "--min", "0.2", "-c", things).lines
    assert shown[0].startswith("dog")
    assert shown[1] == "30 labels of 31 probably fit nothing here"
    run("tag", "--drop", "many.txt", "-c", things)
    shown = run("tag", "--labels", "moderation", "-c", things).lines
    assert [line.split()[-1] for line in shown[:-1]] == ["0"] * 8
    assert any(line.startswith("nudity ") for line in shown)
    found = run("tag", "--list", "--json", "-c", things).json
    assert (found["rows"], found["looked_at"], found["untagged"]) == (42, 0, 42)
    assert {label["vocabulary"] for label in found["labels"]} == {"moderation"}


def test_a_label_of_two_vocabularies_is_one_line_with_both(things, run, tmp_path):
    run("tag", "dog", "unicorn", "-c", things)
    (tmp_path / "pets.txt").write_text("dog\ncat\n")
    run("tag", "--labels", tmp_path / "pets.txt", "-c", things)
    shown = run("tag", "--list", "-c", things)
    dogs = [line for line in shown.lines if line.startswith("dog ")]
    assert len(dogs) == 1
    assert dogs[0].split()[1] == "1"
    assert dogs[0].endswith("rex.jpg  (words, pets.txt)")
    assert [line.split()[-1] for line in shown.lines[1:3]] == ["(pets.txt)", "(words)"]
    assert run("tag", "--list", "-q", "-c", things).out == "dog\t1\n"
    labels = run("tag", "--list", "--json", "-c", things).json["labels"]
    assert sorted(label["vocabulary"] for label in labels if label["label"] == "dog") == ["pets.txt", "words"]


def test_labels_are_dropped(things, run):
    run("tag", "dog", "-c", things)
    assert run("tag", "--drop", "dog", "-c", things).out == "took 1 label away from rows\n"
    assert "no labels were given yet" in run("tag", "--list", "-c", things).out
    assert run("tag", "--drop", "all", "--json", "-c", things).json == {"dropped": 0}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--list", "dog"), "--list and --drop stand alone"),
        (("--drop", "sheep"), "there is no label and no vocabulary 'sheep'; vocabularies: none"),
        (("--labels", "none.txt"), "there is no file of labels none.txt"),
        (("--min", "3", "dog"), "3.0 is no probability"),
        (("",), "a label is a text of some letters"),
    ],
)
def test_wrong_use_is_one_line(things, run, arguments, said):
    done = run("tag", *arguments, "-c", things)
    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1


def test_a_condition_on_labels_that_nobody_gave_says_how_to_give_some(things, run):
    done = run("query", "x", "--where", "tag = 'dog'", "-c", things)
    assert "no labels were given yet; `mmsearch tag LABEL` gives some" in done.err
    run("tag", "dog", "-c", things)
    done = run("query", "x", "--where", "tag = 'dof'", "-c", things)
    assert "there is no label 'dof'; did you mean 'dog'?; `mmsearch tag 'dof'` looks for it" in done.err
