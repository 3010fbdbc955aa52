"""``mmsearch index``: what is found, reported, skipped and refused."""

from __future__ import annotations

import json

import pytest

from mmsearch.retrieval.store.lock import writer_lock

REPORT_FIELDS = {"found", "indexed", "unchanged", "moved", "removed", "skipped", "seconds", "stages"}


@pytest.fixture
def index(run, tmp_path):
    """``mmsearch index`` into a new collection of this test."""
    return lambda *arguments: run("index", "-c", tmp_path / "new.mms", "--workers", 1, *arguments)


@pytest.fixture
def known(run, tmp_path):
    """The names of the files that this test's collection knows."""

    def names():
        hits = run("query", "anything", "-k", 1000, "-c", tmp_path / "new.mms", "--json").json["hits"]
        return {hit["path"].rpartition("/")[2] for hit in hits}

    return names


def test_the_json_report_counts_every_file_and_names_what_was_skipped(indexed):
    report = indexed.report
    assert set(report) >= REPORT_FIELDS
    assert (report["found"], report["indexed"], report["unchanged"]) == (8, 7, 0)
    assert report["skipped"] == [{"path": str(indexed.folder / "empty.jpg"), "reason": report["skipped"][0]["reason"]}]
    assert report["skipped"][0]["reason"]
    assert report["stages"]


def test_a_person_gets_one_line_on_stdout_and_all_else_on_stderr(index, album, tmp_path):
    ran = index(album)
    assert ran.code == 0
    assert len(ran.lines) == 1
    assert ran.out.startswith("8 files: 7 indexed, 1 skipped (")
    assert f"new collection {tmp_path / 'new.mms'}" in ran.err
    assert f"skipped: {album / 'empty.jpg'}: " in ran.err


def test_quiet_says_nothing_but_the_result(index, album):
    ran = index(album, "--quiet")
    assert ran.err == ""
    assert len(ran.lines) == 1


def test_json_keeps_stdout_to_one_object(index, album):
    assert index(album, "--json").json["indexed"] == 7


def test_a_second_run_finds_everything_unchanged(run, own):
    ran = run("index", own.folder, "-c", own.home, "--json")
    assert ran.json["unchanged"] == 7
    assert ran.json["indexed"] == 0


def test_without_skipped_files_strict_changes_nothing(index, album):
    (album / "empty.jpg").unlink()
    assert index(album, "--strict").code == 0


def test_strict_ends_with_code_3_if_a_file_was_skipped(index, album, known):
    assert index(album, "--strict").code == 3
    assert "red.png" in known()  # and yet the rest is indexed


def test_dry_run_tells_what_would_be_done_and_makes_nothing(index, album, tmp_path):
    ran = index(album, "--dry-run")
    assert ran.code == 0
    assert ran.out.startswith("8 files: 7 to read, 1 to skip (")
    assert f"to skip: {album / 'empty.jpg'}: empty file" in ran.err
    assert not (tmp_path / "new.mms").exists()


def test_dry_run_names_each_file_that_it_would_skip_also_those_that_are_known(index, album):
    (album / "tool.py").write_text("print('a lighthouse')")
    reasons = (
        f"to skip: {album / 'empty.jpg'}: empty file\n",
        f"to skip: {album / 'tool.py'}: source code or data (.py): name the file itself to index it\n",
    )
    first = index(album, "--dry-run")
    assert all(reason in first.err for reason in reasons)
    assert first.out.startswith("9 files: 7 to read, 2 to skip (")
    index(album)
    again = index(album, "--dry-run")
    assert all(reason in again.err for reason in reasons)
    assert "known from before" not in again.err
    assert again.out.startswith("9 files: 7 unchanged, 2 to skip (")


def test_dry_run_leaves_a_collection_as_it_is(run, own, painted):
    manifest = (own.home / "MANIFEST.json").read_bytes()
    assert run("index", own.folder.parent, "-c", own.home, "--dry-run").code == 0
    assert (own.home / "MANIFEST.json").read_bytes() == manifest


def test_dry_run_tells_which_files_would_be_embedded_again(index, album):
    index(album, "--only", "text")
    text = album / "bread.txt"
    text.write_text("Another text altogether.")
    ran = index(album, "--only", "text", "--dry-run")
    assert f"to embed again: {text}: changed since it was indexed" in ran.err


def test_dry_run_leaves_nothing_in_the_temporary_folder(index, album, tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    assert index(album, "--dry-run").code == 0
    assert list(scratch.iterdir()) == []


def test_exclude_passes_over_files_and_folders(index, album, known):
    index(album, "--exclude", "*.png", "--exclude", "*.md", "--exclude", "trip")
    assert known() == {"blue.jpg", "bread.txt"}


def test_an_exclude_is_kept_and_told_and_can_be_lifted(run, index, album, known, tmp_path):
    index(album)
    ran = index(album, "--exclude", f"{album}/trip", "--exclude", "nothing")
    assert "nothing matched the exclude pattern nothing\n" in ran.err
    assert f"passed over: excluded ({album}/trip)\n" in ran.err
    assert "sea.png" not in known()
    assert f"excluded    {album}/trip\n" in run("status", "-c", tmp_path / "new.mms").out
    index(album)
    assert "sea.png" not in known()
    assert index(album, "--lift", "all", "--json").json["passed_over"] == []
    assert "sea.png" in known()


def test_what_was_passed_over_is_not_told_quietly_and_is_in_the_json(index, album):
    (album / "#recycle").mkdir()
    assert "passed over: recycle bin (#recycle)\n" in index(album).err
    assert index(album, "--quiet").err == ""
    assert index(album, "--json").json["passed_over"] == [{"kind": "recycle bin", "count": 1, "names": ["#recycle"]}]


def test_a_pattern_that_is_none_makes_no_collection(index, album, tmp_path):
    ran = index(album, "--exclude", "!")
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert not (tmp_path / "new.mms").exists()


def test_without_a_path_all_that_was_indexed_is_read_again(index, album, known, painted):
    assert index(album).code == 0
    painted(album / "new.png", "gray", "black")
    ran = index("--json")
    assert (ran.json["indexed"], ran.json["unchanged"]) == (1, 7)
    assert "new.png" in known()


def test_without_a_path_and_a_collection_it_is_wrong_use(index, tmp_path):
    ran = index()
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert "name a folder" in ran.err
    assert not (tmp_path / "new.mms").exists()


def test_only_keeps_to_a_modality(index, album, known):
    index(album, "--only", "text")
    assert known() == {"bread.txt", "boats.md"}


def test_hidden_files_are_indexed_if_asked_for(index, album, known, painted):
    painted(album / ".secret" / "cellar.png", "gray", "black")
    index(album)
    assert "cellar.png" not in known()
    index(album, "--hidden")
    assert "cellar.png" in known()


def test_links_are_followed_if_asked_for(index, album, known, painted, tmp_path):
    painted(tmp_path / "elsewhere" / "far.png", "gray", "black")
    (album / "link").symlink_to(tmp_path / "elsewhere")
    index(album)
    assert "far.png" not in known()
    index(album, "--follow-links")
    assert "far.png" in known()


def test_source_code_and_json_are_indexed_only_if_named(index, album, known):
    (album / "tool.py").write_text("print('a lighthouse')\n")
    (album / "data.json").write_text('{"about": "a lighthouse"}\n')
    index(album)
    assert not known() & {"tool.py", "data.json"}
    index(album / "tool.py", album / "data.json")
    assert known() >= {"tool.py", "data.json"}


def test_text_column_names_the_column_and_a_guess_is_told(index, run, tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("caption,remark\na dog runs,good\na cat sleeps,bad\n")
    guessed = index(table)
    assert "texts taken from column 'caption'; --text-column names another" in guessed.err
    named = index(table, "--text-column", "remark", "-c", tmp_path / "other.mms")
    assert "texts taken" not in named.err
    hits = run("query", "x", "-c", tmp_path / "other.mms", "--json").json["hits"]
    assert {hit["text"] for hit in hits} == {"good", "bad"}


def test_guessed_columns_of_many_tables_are_one_line(index, tmp_path):
    folder = tmp_path / "tables"
    folder.mkdir()
    for i in range(9):
        (folder / f"{i}.csv").write_text(f"caption,remark\na dog runs {i},good\na cat sleeps,bad\n")
    told = [line for line in index(folder).err.splitlines() if "texts taken" in line]
    such_as = f"(such as {folder}/0.csv); --text-column names another"
    assert told == [f"note: 9 × texts taken from column 'caption' {such_as}"]
    report = index(folder, "--json", "-c", tmp_path / "other.mms").json
    assert {note["kind"] for note in report["marked"]} == {"column"}
    assert not any("--text-column" in note["reason"] for note in report["marked"])


def test_a_table_of_one_column_gives_no_choice_and_no_notice(index, tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("caption\na dog runs\na cat sleeps\n")
    ran = index(table)
    assert ran.out.startswith("1 file: 1 indexed (")
    assert "texts taken" not in ran.err
    (tmp_path / "copy.csv").write_bytes(table.read_bytes())
    report = index(tmp_path / "copy.csv", "--json").json
    assert (report["indexed"], "encode" in report["stages"]) == (1, False), "the rows of the first serve the copy"


def test_a_guessed_encoding_is_a_note_and_a_cut_file_is_used_in_part(index, album, tmp_path):
    (album / "latin.csv").write_bytes("caption,remark\nein Café,gut\nein Hund läuft,gut\n".encode("cp1252"))
    (album / "both.txt").write_bytes("Café. ".encode("cp1252") + b"data:image/png;base64," + b"iVBORw0KGgo" * 100)
    data = (album / "blue.jpg").read_bytes()
    (album / "blue.jpg").write_bytes(data[: len(data) * 3 // 4])
    ran = index(album)
    assert f"note: {album}/latin.csv: not UTF-8: read as Windows-1252" in ran.err
    assert "used in part: " + str(album / "blue.jpg") in ran.err
    assert "used in part: " + str(album / "both.txt") in ran.err
    assert f"used in part: {album}/latin.csv" not in ran.err
    (album / "copy.txt").write_bytes((album / "both.txt").read_bytes())
    (album / "copy.csv").write_bytes((album / "latin.csv").read_bytes())
    copies = index(album, "--json").json["marked"]
    assert {note["path"].rpartition("/")[2]: note["kind"] for note in copies} == {
        "copy.txt": "part",
        "copy.csv": "whole",
    }


def test_progress_json_is_an_event_a_line_on_stderr(index, album):
    ran = index(album, "--progress", "json", "--json", "--quiet")
    events = [json.loads(line) for line in ran.err.splitlines() if line.startswith("{")]
    assert events[0]["stage"] == "scan"
    assert all(set(event) == {"stage", "done", "total", "committed"} for event in events)
    assert max(event["done"] for event in events) == 8
    assert ran.json["indexed"] == 7


def test_many_skipped_files_are_told_by_reason(index, tmp_path):
    folder = tmp_path / "broken"
    folder.mkdir()
    for i in range(7):
        (folder / f"{i}.jpg").write_bytes(b"")
    ran = index(folder)
    assert ran.err.count("skipped:") == 1
    assert f"skipped: 7 × empty file (such as {folder}/0.jpg)" in ran.err
    assert index(folder, "-v").err.count("skipped:") == 7


def test_prune_missing_forgets_a_folder_that_is_gone(index, album, known, tmp_path):
    index(album, "--only", "text")
    album.rename(tmp_path / "away")
    told = index(album)
    assert (told.code, known()) == (0, {"bread.txt", "boats.md"})
    assert str(album) in told.err
    index(album, "--prune-missing")
    assert known() == set()


def test_settings_of_the_index_are_kept(run, own):
    assert run("index", own.folder, "-c", own.home, "--index", "exact", "--recall", "0.9").code == 0
    assert json.loads((own.home / "MANIFEST.json").read_text())["settings"] == {"index": "exact", "recall": 0.9}


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["--memory", "much"], "'much' is no amount of memory; write 500M or 4G"),
        (["--memory", "0"], "no amount of memory"),
        (["--threads", "0"], "threads must be at least 1, not 0; give --threads another value"),
        (["--workers", "0"], "workers must be at least 1, not 0; give --workers another value"),
        (["--batch", "-1"], "batch must be at least 1, not -1; give --batch another value"),
        (["--recall", "1.5"], "recall must lie above 0 and at most at 1"),
        (["--recall", "0"], "recall must lie above 0 and at most at 1"),
        (["--recall", "nan"], "recall must lie above 0 and at most at 1"),
        (["--index", "ivf-maybe"], "ivf-maybe"),
        (["--only", "sounds"], "no modality 'sounds'; there are: image, text, audio, video"),
        (["--progress", "loud"], "no progress 'loud'; there are: auto, none, json"),
        (["--model", "siglp2"], "siglip2"),
        (["--device", "abacus"], "abacus"),
        (["--precision", "float8"], "float8"),
    ],
)
def test_a_bad_option_gets_code_2_and_one_line_and_makes_no_collection(run, album, tmp_path, arguments, hint):
    ran = run("index", album, "-c", tmp_path / "new.mms", "--quiet", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert hint in ran.err
    assert ran.err.count("\n") == 1
    assert not (tmp_path / "new.mms").exists()


def test_a_path_that_does_not_exist_gets_code_2_and_makes_no_collection(run, tmp_path):
    ran = run("index", tmp_path / "nowhere", "-c", tmp_path / "new.mms", "--quiet")
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert str(tmp_path / "nowhere") in ran.err
    assert not (tmp_path / "new.mms").exists()


def test_a_second_writer_gets_code_4(run, own):
    with writer_lock(own.home):
        ran = run("index", own.folder, "-c", own.home)
    assert (ran.code, ran.out, ran.err.count("\n")) == (4, "", 1)
    assert "is being written to" in ran.err


def test_a_collection_of_a_newer_format_gets_code_4(run, own):
    manifest = json.loads((own.home / "MANIFEST.json").read_text())
    (own.home / "MANIFEST.json").write_text(json.dumps({**manifest, "format": manifest["format"] + 1}))
    for command in (("query", "x"), ("index", own.folder), ("status",)):
        ran = run(*command, "-c", own.home)
        assert (ran.code, ran.out, ran.err.count("\n")) == (4, "", 1)
        assert "newer" in ran.err


def test_a_manifest_cut_in_half_gets_code_4_and_names_the_doctor(run, own):
    manifest = (own.home / "MANIFEST.json").read_bytes()
    (own.home / "MANIFEST.json").write_bytes(manifest[: len(manifest) // 2])
    for command in (("query", "x"), ("index", own.folder), ("status",)):
        ran = run(*command, "-c", own.home)
        assert (ran.code, ran.out, ran.err.count("\n")) == (4, "", 1)
        assert "doctor --repair" in ran.err


def test_a_folder_of_other_files_is_no_place_for_a_collection(run, album):
    ran = run("index", album, "-c", album, "--quiet")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "other files" in ran.err


def test_without_a_name_the_collection_lies_in_the_users_data_folder(run, album, tmp_path):
    assert run("index", album, "--only", "text", "--quiet").code == 0
    assert (tmp_path / "home-data" / "mmsearch" / "default.mms" / "MANIFEST.json").exists()
    assert run("query", "bread", "--paths").code == 0
