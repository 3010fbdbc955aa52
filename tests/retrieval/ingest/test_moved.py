"""A content whose old path is gone has moved, wherever it lay; nothing of it is embedded again and it answers once."""

from __future__ import annotations

import shutil


def test_a_renamed_root_is_moved_as_a_whole(photos, collection, embedded, paths_in):
    renamed = photos.rename(photos.parent / "pictures")
    report = collection.index([renamed], workers=1)
    assert (report.found, report.moved, report.indexed, report.kept, len(embedded)) == (10, 10, 0, (), 0)
    assert paths_in(collection) == {str(path) for path in renamed.iterdir()}
    assert {hit.state for hit in collection.search("x", k=20)} == {"current"}
    assert list(collection.manifest.roots) == [str(renamed)], "what is gone as a whole is a root no more"
    assert collection.index([renamed], workers=1).unchanged == 10


def test_a_renamed_folder_inside_a_root_is_moved_and_not_kept(photos, collection, embedded):
    (photos / "below").mkdir()
    for path in photos.glob("*.png"):
        path.rename(photos / "below" / path.name)
    collection.index([photos], workers=1)
    (photos / "below").rename(photos / "above")
    report = collection.index([photos], workers=1)
    assert (report.moved, report.unchanged, report.kept, report.removed, len(embedded)) == (5, 5, (), 0, 0)


def test_of_a_folder_of_which_a_part_has_moved_the_rest_is_kept(photos, collection):
    (photos / "below").mkdir()
    for path in photos.glob("*.png"):
        path.rename(photos / "below" / path.name)
    collection.index([photos], workers=1)
    (photos / "below" / "disc.png").rename(photos / "sun.png")
    shutil.rmtree(photos / "below")
    report = collection.index([photos], workers=1)
    assert (report.moved, report.removed) == (1, 0)
    assert "4 items kept" in report.kept[0].reason


def test_a_file_moved_to_another_root_is_moved_whichever_root_is_indexed(photos, collection, tmp_path, paths_in):
    other = tmp_path / "other"
    other.mkdir()
    (photos / "disc.png").rename(other / "disc.png")
    report = collection.index([other], workers=1)
    assert (report.moved, report.indexed) == (1, 0)
    assert str(photos / "disc.png") not in paths_in(collection)
    assert collection.index([photos], workers=1).removed == 0


def test_files_moved_out_of_an_emptied_folder_are_moved(photos, collection, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for path in photos.iterdir():
        path.rename(other / path.name)
    report = collection.index([other, photos], workers=1)
    assert (report.moved, report.kept) == (10, ())


def test_two_copies_of_a_gone_file_are_one_move_and_one_copy(photos, collection, tmp_path, embedded):
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(photos / "disc.png", other / "a.png")
    (photos / "disc.png").rename(other / "b.png")
    report = collection.index([other], workers=1)
    assert (report.moved, report.indexed, len(embedded)) == (1, 1, 0)


def test_of_several_gone_copies_the_one_of_the_same_name_has_moved(photos, collection, tmp_path, paths_in):
    shutil.copy(photos / "disc.png", photos / "sun.png")
    collection.index([photos], workers=1)
    other = tmp_path / "other"
    other.mkdir()
    (photos / "sun.png").rename(other / "sun.png")
    (photos / "disc.png").rename(tmp_path / "aside.png")
    collection.index([other], workers=1)
    assert str(photos / "disc.png") in paths_in(collection)
    assert str(photos / "sun.png") not in paths_in(collection)


def test_a_file_behind_a_link_that_leads_nowhere_has_not_moved(photos, tmp_path, empty, paths_in):
    link = tmp_path / "link"
    link.symlink_to(photos)
    empty.index([link], workers=1)
    photos.rename(tmp_path / "elsewhere")
    report = empty.index([tmp_path / "elsewhere"], workers=1)
    assert (report.indexed, report.moved) == (10, 0)
    assert len(paths_in(empty)) == 20


def test_a_moved_table_keeps_its_column_unless_another_is_asked_for(tmp_path, empty, embedded):
    folder = tmp_path / "tables"
    folder.mkdir()
    (folder / "a.csv").write_text("caption,comment\nA red boat on the sea,a good picture indeed\n")
    empty.index([folder], workers=1, text_column="comment")
    (folder / "a.csv").rename(folder / "b.csv")
    assert empty.index([folder], workers=1).moved == 1
    embedded.clear()
    (folder / "b.csv").rename(folder / "c.csv")
    empty.index([folder], workers=1, text_column="caption")
    assert embedded.texts == ["A red boat on the sea"]
