"""The folder that answers must lie in, as a person names it: in any normal form, over links, with a slip of the pen."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from mmsearch import Collection
from mmsearch.errors import UsageError
from mmsearch.retrieval.search.query_line import read_query_line

COMPOSED = unicodedata.normalize("NFC", "Été à Malmö")
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """A folder of files in folders whose names are stored in either form."""
    for folder in (f"{DECOMPOSED}/jour", "Straße", "Pictures/2023"):
        (tmp_path / "media" / folder).mkdir(parents=True)
        (tmp_path / "media" / folder / "a.txt").write_text(f"Boats in {folder}.")
    return tmp_path / "media"


@pytest.fixture
def made(media: Path, empty: Collection) -> Collection:
    empty.index([media], workers=1)
    return empty


def folders(collection: Collection, under: object, media: Path) -> list[str]:
    hits = collection.search("boats", under=under)
    return sorted(os.path.relpath(os.path.dirname(hit.path), media) for hit in hits)


@pytest.mark.parametrize("name", [COMPOSED, DECOMPOSED, f"{COMPOSED}/", f"{COMPOSED}/jour", f"{COMPOSED}/jour/a.txt"])
def test_a_name_in_another_normal_form_is_the_same_name(made, media, name, monkeypatch):
    assert folders(made, media / name, media) == [f"{DECOMPOSED}/jour"]
    assert folders(made, name, media) == [f"{DECOMPOSED}/jour"], "also below a root"
    monkeypatch.chdir(media)
    assert folders(made, f"./{name}", media) == [f"{DECOMPOSED}/jour"]


def test_a_file_to_search_by_and_a_folder_to_index_are_found_in_another_form_too(media, empty):
    (file,) = (media / DECOMPOSED).rglob("*.txt")
    assert empty.index([media / COMPOSED], workers=1).indexed == 1
    assert empty.manifest.roots == (str(media / DECOMPOSED),)
    (hit,) = empty.search(media / COMPOSED / "jour" / "a.txt", include_self=True)
    assert hit.path == str(file)
    assert read_query_line([str(media / COMPOSED / "jour" / "a.txt")]).query.terms[0].value == file


def test_two_folders_whose_names_differ_in_form_alone_both_answer(made, media):
    (media / COMPOSED).mkdir()
    (media / COMPOSED / "b.txt").write_text("Boats at noon.")
    made.index([media], workers=1)
    assert folders(made, media / COMPOSED, media) == [f"{DECOMPOSED}/jour", COMPOSED]


def test_a_link_to_an_indexed_folder_is_followed(made, media, tmp_path):
    (tmp_path / "way").symlink_to(media / "Pictures")
    assert folders(made, tmp_path / "way", media) == ["Pictures/2023"]
    assert folders(made, tmp_path / "way" / "2023" / ".." / "2023", media) == ["Pictures/2023"]
    assert folders(made, tmp_path / "way" / ".." / "Pictures", media) == ["Pictures/2023"], "as the system reads `..`"


def test_a_root_that_was_named_over_a_link_is_found_by_its_real_name(media, empty, tmp_path):
    (tmp_path / "way").symlink_to(media)
    empty.index([tmp_path / "way"], workers=1)
    assert [Path(hit.path).parent for hit in empty.search("boats", under=media / "Pictures")] == [
        tmp_path / "way" / "Pictures" / "2023"
    ]
    assert len(empty.search("boats", under=tmp_path)) == 3


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("Pictrues", "Pictures"),
        ("pictures", "Pictures"),
        ("Pictrues/2023", "Pictures/2023"),
        ("Pictures/2032", "Pictures/2023"),
        ("Strasse", "Straße"),
        ("nowhere/Picture", "Pictures"),
    ],
)
def test_a_folder_that_never_was_is_an_error_that_names_the_nearest(made, media, wrong, near):
    with pytest.raises(UsageError) as error:
        made.search("boats", under=media / wrong)
    assert f"there is no folder {media / wrong}" in str(error.value)
    assert f"did you mean {media / near}?" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_never_was_is_an_error_too(made, media):
    with pytest.raises(UsageError, match=r"no folder .*a\.tx, "):
        made.search("boats", under=media / "Pictures" / "2023" / "a.tx")


def test_an_empty_name_is_an_error_and_not_the_working_folder(made):
    with pytest.raises(UsageError, match="empty"):
        made.search("boats", under="")


def test_a_folder_that_is_there_and_holds_nothing_indexed_answers_nothing(made, tmp_path):
    (tmp_path / "other").mkdir()
    assert made.search("boats", under=tmp_path / "other") == []


def test_a_folder_that_is_gone_still_answers_for_what_is_stored_of_it(made, media):
    (media / "Pictures" / "2023" / "a.txt").unlink()
    (media / "Pictures" / "2023").rmdir()
    assert folders(made, media / "Pictures" / "2023", media) == ["Pictures/2023"]


def test_names_that_are_not_utf_8_are_found(empty, tmp_path):
    folder = os.fsencode(tmp_path) + b"/caf\xe9 \xff"
    os.mkdir(folder)
    with open(folder + b"/a.txt", "w") as file:
        file.write("Boats.")
    empty.index([tmp_path], workers=1)
    assert len(empty.search("boats", under=os.fsdecode(folder))) == 1


def test_a_name_in_another_case_counts_where_the_disk_takes_the_two_for_one(made, media, monkeypatch):
    # As on a disk that ignores case: the other name leads to the same folder.
    os.symlink("Pictures", media / "PICTURES")
    monkeypatch.setattr(os.path, "realpath", lambda path, **_: os.path.abspath(path))
    assert folders(made, media / "PICTURES", media) == ["Pictures/2023"]


def test_vectors_made_elsewhere_are_found_by_the_names_they_were_given(tmp_path):
    made = Collection.create(tmp_path / "own.mms", model=None)
    made.add(np.eye(3), paths=["/a/x/1", "/a/y/2", "/b/3"], modality="image", space="own")
    assert len(made.search(np.ones(3), under="/a")) == 2
    with pytest.raises(UsageError, match="did you mean /a/x"):
        made.search(np.ones(3), under="/a/xx")
