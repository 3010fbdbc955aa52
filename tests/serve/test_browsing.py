"""The list of files, the newest first."""

from __future__ import annotations

import os

from mmsearch import Collection


def names(answer):
    return [os.path.basename(item["path"]) for item in answer["items"]]


def test_files_come_newest_first(client, collection, photos):
    for day, name in enumerate(("ramp.jpg", "disc.png", "bread.md"), 1):
        os.utime(photos / name, (day * 86_400, day * 86_400))
    (photos / "IMG_20990304_101500.jpg").write_bytes((photos / "square.jpg").read_bytes())
    Collection.open(collection.root).index([photos], workers=1)
    found = names(client.get("/api/items").json())
    assert found[0] == "IMG_20990304_101500.jpg"  # its name says when it was taken
    assert found[-3:] == ["bread.md", "disc.png", "ramp.jpg"]


def test_pages_of_files_follow_each_other(client):
    whole = client.get("/api/items", params={"k": 500}).json()
    first = client.get("/api/items", params={"k": 6}).json()
    second = client.get("/api/items", params={"k": 6, "cursor": first["cursor"]}).json()
    assert (first["total"], whole["cursor"], second["cursor"]) == (10, None, None)
    assert names(first) + names(second) == names(whole)
    assert len(names(second)) == 4


def test_a_file_of_several_rows_is_listed_once(client, collection, photos):
    (photos / "long.txt").write_text("\n\n".join(f"Sentence {i} speaks of boats. " * 12 for i in range(4)))
    Collection.open(collection.root).index([photos], workers=1)
    texts = client.get("/api/items", params={"to": "text"}).json()
    assert sorted(names(texts)) == ["bread.md", "harbour.txt", "long.txt"]
    (long,) = [item for item in texts["items"] if item["path"].endswith("long.txt")]
    assert long["span"]["start_char"] == 0


def test_filters_narrow_the_list(client):
    assert client.get("/api/items", params={"to": "image"}).json()["total"] == 8
    assert client.get("/api/items", params={"before": "1990"}).json()["total"] == 0
    assert client.get("/api/items", params={"where": "no such"}).status_code == 400


def test_a_cursor_of_other_filters_is_refused(client):
    cursor = client.get("/api/items", params={"k": 2}).json()["cursor"]
    answer = client.get("/api/items", params={"k": 2, "cursor": cursor, "to": "image"})
    assert (answer.status_code, answer.json()["error"]["kind"]) == (400, "BadCursor")
