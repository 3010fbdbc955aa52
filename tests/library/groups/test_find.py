"""`find_groups`: what is in a collection."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mmsearch import Collection, UsageError
from mmsearch.library import Groups, find_group, find_groups, group_paths
from mmsearch.library.groups import files as files_of_groups
from mmsearch.library.groups import find as find_of_groups
from mmsearch.library.groups.cluster import cluster
from mmsearch.retrieval.store.writer import open_writer

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


def ids_by_group(groups: Groups) -> dict[str, set[int]]:
    return {group.id: set(group.ids.tolist()) for group in groups}


def test_groups_of_vectors_made_elsewhere(made):
    groups = find_groups(made([9, 6, 4]))
    assert [(group.id, group.size) for group in groups] == [("g1", 9), ("g2", 6), ("g3", 4)]
    assert groups.files == 19
    assert groups.ungrouped == 0
    assert [len(group.examples) for group in groups] == [6, 6, 4]
    for blob, group in enumerate(groups):
        assert {Path(record.path).parent.name for record in group.examples} == {str(blob)}
    assert len({group.name for group in groups}) == 3


def test_fewer_than_three_files_are_no_group(made):
    groups = find_groups(made([9, 6, 2]))
    assert [group.size for group in groups] == [9, 6]
    assert groups.ungrouped == 2


def test_a_second_run_reads_what_the_first_has_kept(made, monkeypatch):
    collection = made([9, 6, 4])
    first = find_groups(collection)
    monkeypatch.setattr(find_of_groups, "cluster", None)
    with Collection.open(collection.root) as opened:
        second = find_groups(opened)
    assert second.to_json() == first.to_json()
    assert all(a.ids.tolist() == b.ids.tolist() for a, b in zip(first, second, strict=True))


def test_ids_stay_though_files_come_and_go(made):
    collection = made([9, 6, 4])
    before = ids_by_group(find_groups(collection))
    made([2, 2, 1, 5], collection)
    gone = sorted(before["g2"])[:2]
    collection.remove(ids=gone)
    after = ids_by_group(find_groups(collection))
    assert sorted(after) == ["g1", "g2", "g3", "g4"]
    assert before["g1"] < after["g1"]
    assert after["g2"] & before["g2"] == before["g2"] - set(gone)
    assert len(after["g4"]) == 5
    again = ids_by_group(find_groups(collection, again=True))
    assert again == after


def test_a_run_begins_where_the_last_one_ended(made, monkeypatch):
    starts = []

    def spy(vectors, *, start, **options):
        starts.append(start)
        return cluster(vectors, start=start, **options)

    monkeypatch.setattr(find_of_groups, "cluster", spy)
    collection = made([4, 3])
    find_groups(collection)
    made([1], collection)
    find_groups(collection)
    find_groups(collection, again=True)
    assert starts[0].tolist() == [-1] * 7
    assert starts[1].tolist() == [1] * 4 + [2] * 3 + [-1]
    assert starts[2] is None


def test_a_group_that_is_gone_leaves_its_id_to_nobody(made):
    collection = made([9, 6, 4])
    before = ids_by_group(find_groups(collection))
    collection.remove(ids=sorted(before["g3"]))
    assert sorted(ids_by_group(find_groups(collection))) == ["g1", "g2"]
    with pytest.raises(UsageError, match="there is no group 'g3'; the ids so far are g1 to g3"):
        find_group(collection, "g3")
    made([0, 0, 0, 5], collection)
    assert sorted(ids_by_group(find_groups(collection))) == ["g1", "g2", "g4"]


def test_one_group_by_its_id(made):
    collection = made([9, 6, 4])
    groups = find_groups(collection)
    alone = find_group(collection, "g2")
    assert alone.to_json() == groups[1].to_json()
    assert alone.ids.tolist() == groups[1].ids.tolist()
    assert group_paths(collection, alone) == [collection.get(int(i)).path for i in groups[1].ids]
    assert collection.count(where="group = 'g2'") == 6
    assert collection.count(where="group is None") == 0
    for wrong in ("g0", "7", "g9", "g-1", "gg", "g99999999999"):
        with pytest.raises(UsageError, match="there never was a group"):
            find_group(collection, wrong)


def test_what_is_grouped_among_itself_has_ids_of_its_own(made):
    collection = made([9, 6, 4], width=list(range(19)))
    everything = find_groups(collection)
    some = find_groups(collection, where="width < 15")
    assert [group.size for group in some] == [9, 6]
    assert {group.id for group in some} == {"g4", "g5"}
    assert ids_by_group(find_groups(collection)) == ids_by_group(everything)
    assert find_group(collection, "g5").size == 6
    assert find_groups(collection, to="audio") == []


def test_changed_dates_and_labels_are_a_reason_to_group_again(made):
    collection = made([9, 6])
    assert find_groups(collection, by="event") == []
    ids = find_groups(collection)[1].ids
    collection.update_facts(ids, {"taken_at": [dt.datetime(2023, 5, 12)] * 6})
    assert [group.size for group in find_groups(collection, by="event")] == [6]
    given = {"id": ids, "label": pa.array(["hats"] * 6).dictionary_encode(), "vocabulary": ["words"] * 6}
    collection.set_side_tables({"tags": pa.table(given)})
    assert find_groups(collection)[1].name == "hats"


def test_long_work_tells_how_far_it_is(made):
    told = []
    find_groups(made([9, 6]), watch=told.append)
    assert [(one.stage, one.done, one.total) for one in told] == [("index", 0, 15)]


def test_the_first_groups_of_each_kind(made):
    groups = find_groups(made([9, 6, 4]))
    assert [group.id for group in groups.largest(2)] == ["g1", "g2"]
    assert (groups.largest(2).files, groups[1:].files, len(groups[1:])) == (19, 19, 2)


def test_many_files_are_assigned_by_a_sample(made, monkeypatch):
    monkeypatch.setattr(files_of_groups, "SAMPLED", 150)
    monkeypatch.setattr(files_of_groups, "_BATCH", 64)
    collection = made([200, 150, 100])
    groups = find_groups(collection)
    assert [group.size for group in groups] == [200, 150, 100]
    assert groups.ungrouped == 0


def test_pictures_films_sounds_and_texts(drawn_groups):
    groups = find_groups(drawn_groups)
    assert sorted(group.size for group in groups) == [4, 4, 4]
    for group in groups:
        assert group.kind == "look"
        assert len({Path(path).name.split()[0] for path in group_paths(drawn_groups, group)}) == 1
        assert group.words


def test_words_are_embedded_once(drawn_groups, embedded):
    find_groups(drawn_groups, again=True)
    embedded.clear()
    find_groups(drawn_groups, again=True)
    assert embedded.texts == []


def test_labels_of_ones_own_go_before_other_words(drawings, tmp_path):
    collection = Collection.create(tmp_path / "c.mms", model="mini")
    collection.index([drawings], workers=1)
    some, others, rest = (group.ids.tolist() for group in find_groups(collection))
    labels = [("tartan", some), ("blanket", rest[:3]), ("rare", rest[:1]), ("everywhere", [*some, *others, *rest])]
    given = [(row, label, "words") for label, rows in labels for row in rows]
    given += [(row, "built-in", "everyday") for row in others]
    columns = dict(zip(("id", "label", "vocabulary"), zip(*given, strict=True), strict=True))
    collection.set_side_tables({"tags": pa.table({**columns, "label": pa.array(columns["label"]).dictionary_encode()})})
    names = [group.name for group in find_groups(collection, again=True)]
    assert (names[0], names[2]) == ("tartan", "blanket")
    assert names[1] not in ("everywhere", "built-in")


def test_a_film_is_one_file(tmp_path):
    collection = Collection.create(tmp_path / "films.mms", model=None)
    names = np.repeat([f"/film {i}.mp4" for i in range(6)], 4).tolist()
    spans = {"span_start": [0.0, 1.0, 2.0, 3.0] * 6, "span_end": [1.0, 2.0, 3.0, 4.0] * 6, "span_unit": ["s"] * 24}
    vectors = np.repeat(np.eye(8, dtype=np.float32)[:2], 12, axis=0)
    vectors += 0.1 * np.random.default_rng(0).standard_normal((24, 8)).astype(np.float32)
    collection.add(vectors, paths=names, modality="video", space="films", facts=spans)
    groups = find_groups(collection)
    assert groups.files == 6
    assert [group.size for group in groups] == [3, 3]
    found = find_group(collection, groups[0].id)
    assert (found.size, len(set(group_paths(collection, found)))) == (3, 3)
    assert find_groups(collection).to_json() == groups.to_json()


def test_events_the_newest_first(made):
    start = dt.datetime(2023, 5, 12, 10)
    taken = [start + i * HOUR / 10 for i in range(9)]
    taken += [start + 40 * DAY + i * HOUR / 10 for i in range(6)]
    taken += [None] * 4
    groups = find_groups(made([9, 6, 4], taken_at=taken), by="event")
    assert [(group.name.split(":")[0], group.size) for group in groups] == [("21 June 2023", 6), ("12 May 2023", 9)]
    assert (groups.undated, groups.ungrouped, groups.files) == (4, 4, 19)
    assert groups[1].first == start
    assert groups[1].ids.tolist() == sorted(groups[1].ids.tolist())
    assert {group.kind for group in groups} == {"event"}


def test_two_events_on_a_day_have_two_names(made):
    start = dt.datetime(2023, 5, 12, 8)
    taken = [start + i * HOUR / 30 for i in range(9)] + [start + 11 * HOUR + i * HOUR / 30 for i in range(6)]
    names = [group.name for group in find_groups(made([9, 6], taken_at=taken), by="event")]
    assert [name.split(": ")[0] for name in names] == ["12 May 2023, 19:00", "12 May 2023, 08:00"]


def test_a_collection_that_another_process_writes_to(made):
    collection = made([9, 6])
    with open_writer(collection.root):
        groups = find_groups(collection)
    assert [group.size for group in groups] == [9, 6]
    assert "were not kept" in groups.notices[0]


def test_nothing_to_group(empty, made):
    assert find_groups(empty) == []
    assert find_groups(empty, by="event").files == 0
    assert find_groups(made([2])).ungrouped == 2


def test_wrong_arguments(made):
    collection = made([3])
    for wrong in ({"by": "colour"}, {"detail": 0}, {"detail": float("nan")}, {"to": "smell"}, {"where": "width >"}):
        with pytest.raises(UsageError):
            find_groups(collection, **wrong)
