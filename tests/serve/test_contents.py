"""Status, items, passages, facets, health and metrics."""

from __future__ import annotations

import re

from mmsearch import Collection


def test_the_status_counts_what_is_served(client, photos):
    status = client.get("/api/status").json()
    (one,) = status["collections"]
    assert one["name"] == "photos"
    assert one["kinds"] == {"image": {"rows": 8, "files": 8}, "text": {"rows": 2, "files": 2}}
    assert (one["rows"], one["files"], one["models"]) == (10, 10, ["mini"])
    assert one["roots"] == [{"path": str(photos), "files": 10, "rows": 10, "there": True}]
    assert {index["modality"]: index["index"] for index in one["indexes"]} == {"image": "exact", "text": "exact"}


def test_an_item_is_its_record(client, collection, photos):
    hit = collection.search("a red disc", to="image")[0]
    item = client.get(f"/api/items/{hit.id}").json()
    about_file = {"name": "disc.png", "size_bytes": (photos / "disc.png").stat().st_size, "openable": True}
    assert item == {**collection.get(hit.id).to_json(), **about_file, "why_not": None}
    (photos / "disc.png").unlink()
    item = client.get(f"/api/items/{hit.id}").json()
    assert (item["openable"], "size_bytes" in item) == (False, False)
    assert item["why_not"] == f"the file is gone or cannot be read: {photos / 'disc.png'}"


def test_the_passages_around_one_come_in_order(client, collection, photos):
    sentences = [f"Sentence number {i} speaks of {word}. " * 12 for i, word in enumerate(("boats", "bread", "tides"))]
    (photos / "long.txt").write_text("\n\n".join(sentences))
    Collection.open(collection.root).index([photos], workers=1)
    collection.reopen()
    rows = [hit for hit in collection.search("bread", k=50) if hit.path.endswith("long.txt")]
    middle = sorted(rows, key=lambda hit: hit.span.start)[1]
    found = client.get(f"/api/items/{middle.id}/passages", params={"around": 1}).json()["passages"]
    starts = [passage["span"]["start_char"] for passage in found]
    assert starts == sorted(starts)
    assert len(found) == 3
    assert found[1] == {"id": middle.id, "span": middle.span.to_json(), "text": middle.text}


def test_facets_count_files_by_kind_year_and_folder(client, collection, photos, drawn):
    (photos / "2019").mkdir()
    drawn("disc.png").save(photos / "2019" / "IMG_20190304_101500.jpg")
    Collection.open(collection.root).index([photos], workers=1)
    facets = client.get("/api/facets").json()
    assert facets["kinds"] == {"image": 9, "text": 2}
    assert facets["years"]["2019"] == 1
    assert {folder["name"]: folder["files"] for folder in facets["folders"]} == {"photos": 10, "2019": 1}
    assert client.get("/api/facets", params={"to": "text"}).json()["kinds"] == {"text": 2}
    assert client.get("/api/facets", params={"before": "2020"}).json()["kinds"] == {"image": 1}
    assert client.get("/api/facets", params={"under": str(photos / "2019")}).json()["kinds"] == {"image": 1}


def test_health_and_readiness(client):
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ok"}


def test_a_damaged_collection_is_not_ready(client, collection):
    manifest = collection.root / "MANIFEST.json"
    manifest.write_text(manifest.read_text()[:100])
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["reason"].startswith("photos: ")


def test_metrics_count_requests_batches_and_rows(client):
    for _ in range(3):
        client.post("/api/search", json={"terms": ["a disc"]})
    text = client.get("/metrics").text
    values = dict(re.findall(r"^(\S+?) (\S+)$", text, re.MULTILINE))
    assert float(values["mmsearch_batch_size_count"]) == 3
    assert float(values['mmsearch_stage_seconds_count{stage="search"}']) == 3
    assert re.search(
        r'^mmsearch_rows\{collection="photos",modality="image",space="mini-.*"\} 8\.0$', text, re.MULTILINE
    )
    assert values["mmsearch_queries_waiting"] == "0.0"
