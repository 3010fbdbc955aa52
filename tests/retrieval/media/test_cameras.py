"""Cameras of pictures and films, under one name each, for filters and hits."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from mmsearch import Collection
from mmsearch.retrieval.media.cameras import camera_name, camera_of_film, camera_of_picture


@pytest.mark.parametrize(
    ("make", "model", "name"),
    [
        ("Canon", "Canon EOS 80D", "Canon EOS 80D"),
        ("NIKON CORPORATION", "NIKON D750", "NIKON D750"),
        ("Apple", "iPhone 15 Pro", "Apple iPhone 15 Pro"),
        ("SONY\0", "ILCE-7M3   \0", "SONY ILCE-7M3"),
        ("", "COOLPIX", "COOLPIX"),
        (b"Google", b"Pixel 8", "Google Pixel 8"),
        ("Maker", "", None),
        (None, None, None),
        ("M" * 200, "N" * 200, ("M" * 80)),
    ],
)
def test_a_camera_is_named_by_maker_and_model_once(make, model, name):
    assert camera_name(make, model) == name


def test_metadata_of_any_type_is_no_error():
    assert camera_of_picture({0x010F: (1, 2), 0x0110: 7}) == "(1, 2) 7"
    assert camera_of_film([{}, {"Make": "Apple", "MODEL": "iPhone 15"}]) == "Apple iPhone 15"
    assert camera_of_film([{"com.apple.quicktime.model": "iPhone 15", "com.apple.quicktime.make": "Apple"}]) == (
        "Apple iPhone 15"
    )


def with_exif(make: str, model: str) -> bytes:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = make, model
    data = io.BytesIO()
    Image.new("RGB", (64, 48), "green").save(data, "JPEG", exif=exif)
    return data.getvalue()


def test_hits_and_conditions_know_the_camera(photos, empty, films):
    (photos / "made with.jpg").write_bytes(with_exif("Canon", "Canon EOS 80D"))
    film = films.film(
        [Image.new("RGB", (64, 48), "blue")] * 25, format="mov", metadata={"make": "Apple", "model": "iPhone 15"},
        options={"movflags": "use_metadata_tags"},
    )  # fmt: skip
    (photos / "film.mov").write_bytes(film)
    empty.index([photos], workers=1)
    (found,) = empty.search("x", where="camera = 'Canon EOS 80D'")
    assert found.path.endswith("made with.jpg")
    assert found.camera == found.to_json()["camera"] == "Canon EOS 80D"
    assert empty.count(where="camera is None") == 10
    assert empty.get(found.id).camera == "Canon EOS 80D"
    assert empty.search("x", 50).to_arrow()["camera"].null_count >= 10


def test_a_column_of_ones_own_goes_before_the_camera_of_the_format(empty):
    import numpy as np

    vectors = np.random.default_rng(0).normal(size=(2, 8))
    empty.add(vectors, paths=["/a", "/b"], modality="image", facts={"camera": ["Holga", "Leica"]}, space="mine")
    found = Collection.open(empty.root).search(vectors[0], space="mine", where="camera = 'Holga'")
    assert [hit.path for hit in found] == ["/a"]
    assert found[0].facts["camera"] == "Holga"
    assert found[0].camera is None
