"""A skipped file is remembered: it is not opened again before it, or what would read it, has changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mmsearch import Collection
from mmsearch.errors import Hint, HintKind
from mmsearch.retrieval.ingest import skip_memory
from mmsearch.retrieval.store.skipped import read_skipped


@pytest.fixture
def mixed(photos: Path) -> Path:
    """`photos` with three files that are skipped: sidecars, and a damaged picture."""
    (photos / "a.xmp").write_text("<x:xmpmeta xmlns:x='adobe:ns:meta/'/>")
    (photos / "b.xmp").write_text("<x:xmpmeta xmlns:x='adobe:ns:meta/' />")
    (photos / "cut.jpg").write_bytes((photos / "rings.jpg").read_bytes()[:100])
    return photos


@pytest.fixture
def opened(monkeypatch) -> list[str]:
    """The names of the files that runs have opened since the list was cleared."""
    from mmsearch.retrieval.media.workers.decoder import Decoder

    names: list[str] = []
    decode = Decoder._decode

    def watched(self, number, job, slot, run):
        names.append(os.fsdecode(os.path.basename(job.path)))
        return decode(self, number, job, slot, run)

    monkeypatch.setattr(Decoder, "_decode", watched)
    return names


def names(notes) -> set[str]:
    return {Path(note.path).name for note in notes}


SKIPPED = {"a.xmp", "b.xmp", "cut.jpg"}


def test_a_second_run_opens_no_skipped_file_and_counts_them_all(mixed, empty, opened):
    first = empty.index([mixed], workers=1)
    assert names(first.skipped) == SKIPPED
    assert not any(note.known for note in first.skipped)
    opened.clear()
    second = empty.index([mixed], workers=1)
    assert opened == []
    assert [(note.path, note.reason) for note in second.skipped] == sorted((n.path, n.reason) for n in first.skipped)
    assert all(note.known for note in second.skipped)
    assert second.found == second.unchanged + len(second.skipped) == 13
    generation = empty.manifest.generation
    empty.index([mixed], workers=1)
    assert empty.manifest.generation == generation, "nothing new, nothing written"


def test_what_is_remembered_can_be_listed(mixed, empty):
    report = empty.index([mixed], workers=1)
    assert names(empty.skipped()) == SKIPPED
    assert {note.reason for note in empty.skipped()} == {note.reason for note in report.skipped}
    assert empty.status().skipped == 3


def test_a_skipped_file_that_changed_is_looked_at_again_and_no_longer_listed(mixed, empty, opened, drawn):
    empty.index([mixed], workers=1)
    opened.clear()
    drawn("rings", (200, 100)).save(mixed / "cut.jpg")
    report = empty.index([mixed], workers=1)
    assert (opened, report.indexed) == (["cut.jpg"], 1)
    assert names(empty.skipped()) == {"a.xmp", "b.xmp"}


def test_a_skipped_file_of_the_same_size_and_time_is_looked_at_again_by_its_ctime(mixed, empty, opened):
    empty.index([mixed], workers=1)
    opened.clear()
    facts = (mixed / "a.xmp").stat()
    (mixed / "a.xmp").write_text("<x:xmpmeta xmlns:y='adobe:ns:meta/'/>")
    os.utime(mixed / "a.xmp", ns=(facts.st_atime_ns, facts.st_mtime_ns))
    empty.index([mixed], workers=1)
    assert opened == ["a.xmp"]


def test_deleted_and_moved_files_are_forgotten(mixed, empty):
    empty.index([mixed], workers=1)
    (mixed / "a.xmp").unlink()
    (mixed / "b.xmp").rename(mixed / "c.xmp")
    empty.index([mixed], workers=1)
    assert names(empty.skipped()) == {"c.xmp", "cut.jpg"}


def test_a_run_elsewhere_forgets_nothing(mixed, empty, tmp_path):
    empty.index([mixed], workers=1)
    other = tmp_path / "other"
    other.mkdir()
    (other / "d.xmp").write_text("<x/>")
    empty.index([other], workers=1)
    assert names(empty.skipped()) == SKIPPED | {"d.xmp"}


def test_skipped_files_of_an_absent_folder_stay_remembered(mixed, empty, opened, tmp_path):
    below = mixed / "below"
    below.mkdir()
    (below / "d.xmp").write_text("<x/>")
    (below / "e.txt").write_text("Words.")
    empty.index([mixed], workers=1)
    below.rename(tmp_path / "away")
    empty.index([mixed], workers=1)
    (tmp_path / "away").rename(below)
    opened.clear()
    empty.index([mixed], workers=1)
    assert opened == []


@pytest.mark.parametrize("how", [{"retry_skipped": True}, {"check": "content"}])
def test_they_are_opened_again_on_demand(mixed, empty, opened, how):
    empty.index([mixed], workers=1)
    opened.clear()
    report = empty.index([mixed], workers=1, **how)
    assert set(opened) >= SKIPPED
    assert not any(note.known for note in report.skipped)
    assert empty.index([mixed], workers=1).skipped[0].known


def test_another_reader_looks_again(mixed, empty, opened, monkeypatch):
    empty.index([mixed], workers=1)
    opened.clear()
    monkeypatch.setattr(skip_memory, "_installed_decoders", lambda: "a later version")
    empty.index([mixed], workers=1)
    assert set(opened) == SKIPPED


def test_what_only_the_options_left_out_is_looked_at_by_a_run_without_them(photos, empty, opened):
    report = empty.index([photos], workers=1, only=("text",))
    assert (report.indexed, len(report.skipped)) == (2, 8)
    opened.clear()
    assert empty.index([photos], workers=1, only=("text",)).skipped[0].known
    assert opened == []
    assert empty.index([photos], workers=1).indexed == 8
    assert empty.skipped() == []


def test_a_table_is_looked_at_again_for_another_column(tmp_path, empty):
    folder = tmp_path / "tables"
    folder.mkdir()
    (folder / "t.csv").write_text("caption,comment\nA red boat on the sea,a good picture indeed\n")
    assert len(empty.index([folder], workers=1, text_column="title").skipped) == 1
    assert empty.index([folder], workers=1, text_column="comment").indexed == 1


def test_a_file_that_is_named_itself_is_looked_at(tmp_path, empty):
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "a.py").write_text("print('a harbour at low tide')")
    assert len(empty.index([folder], workers=1).skipped) == 1
    assert empty.index([folder / "a.py"], workers=1).indexed == 1


def test_the_way_out_of_a_skipped_file_is_remembered(tmp_path, empty):
    (tmp_path / "numbers.csv").write_text("a,b\n1,2\n")
    hint = Hint(HintKind.TEXT_COLUMN)
    first, second = (empty.index([tmp_path / "numbers.csv"], workers=1) for _ in range(2))
    assert [(note.known, note.hint) for note in (*first.skipped, *second.skipped)] == [(False, hint), (True, hint)]
    assert [note.hint for note in empty.skipped()] == [hint]
    assert [note.hint for note in empty.index([tmp_path / "numbers.csv"], dry_run=True).skipped] == [hint]


@pytest.mark.parametrize(
    "fault",
    [
        "def fails(*_): raise PermissionError(13, 'Permission denied')",
        "def fails(*_): raise MemoryError",
        "def fails(*_): raise OSError(5, 'Input/output error')",
        "def fails(*_): os._exit(3)",
        "def fails(*_): raise FileNotFoundError",
    ],
)
def test_what_failed_for_the_moment_is_tried_again_by_the_next_run(photos, empty, faulty_worker, opened, fault):
    with pytest.MonkeyPatch.context():
        faulty_worker(f"{fault}\nworker.decode_file = fails")
        report = empty.index([photos / "bread.md"], workers=1)
    assert len(report.skipped) == 1
    opened.clear()
    report = empty.index([photos / "bread.md"], workers=1)
    assert opened == ["bread.md"]
    assert not report.skipped[0].known


def test_a_text_without_words_is_remembered_and_so_is_its_copy(tmp_path, empty, opened):
    folder = tmp_path / "texts"
    folder.mkdir()
    for name in ("a.txt", "b.txt"):
        (folder / name).write_text("  \n \n")
    assert len(empty.index([folder], workers=1).skipped) == 2
    opened.clear()
    report = empty.index([folder], workers=1)
    assert (len(report.skipped), opened) == (2, [])


@pytest.mark.parametrize("harm", [lambda path: path.write_bytes(path.read_bytes()[:50]), Path.unlink])
def test_a_lost_or_damaged_memory_costs_a_look_and_nothing_else(mixed, empty, opened, harm):
    empty.index([mixed], workers=1)
    harm(empty.root / empty.manifest.skipped.path)
    opened.clear()
    assert names(Collection.open(empty.root).index([mixed], workers=1).skipped) == SKIPPED
    assert set(opened) == SKIPPED
    empty.reopen()
    harm(empty.root / empty.manifest.skipped.path)
    (problem,) = Collection.doctor(empty.root, repair=True)
    assert "looks at skipped files again" in problem.repaired
    assert Collection.doctor(empty.root) == []
    empty.reopen()
    assert empty.index([mixed], workers=1).unchanged == 10
    assert names(empty.skipped()) == SKIPPED


def test_names_that_are_no_unicode_are_remembered(tmp_path, empty):
    folder = os.fsencode(tmp_path / "odd")
    os.mkdir(folder)
    with open(folder + b"/\xff\xfe.xmp", "wb") as file:
        file.write(b"<x/>")
    empty.index([os.fsdecode(folder)], workers=1)
    (file,) = read_skipped(empty.root, empty.manifest)
    assert file.path == folder + b"/\xff\xfe.xmp"
    assert empty.index([os.fsdecode(folder)], workers=1).skipped[0].known
