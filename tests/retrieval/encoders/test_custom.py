"""Encoders of an app's own: objects, ``"module:Class"``, and names that a package registers."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mmsearch import Collection, Space
from mmsearch.cli.hints import explained_error
from mmsearch.errors import CannotEmbedError, HintKind, ModelUnavailableError, SpaceMismatchError, UsageError
from mmsearch.retrieval.encoders.custom import registered
from mmsearch.retrieval.encoders.load import load_encoder
from mmsearch.retrieval.encoders.runtime import Runtime
from mmsearch.retrieval.store.manifest import load_manifest, save_manifest

EXAMPLE = Path(__file__).parents[3] / "examples" / "own_encoder.py"


def colour_encoder_class():
    specification = importlib.util.spec_from_file_location("own_encoder_example", EXAMPLE)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module.ColourEncoder


ColourEncoder = colour_encoder_class()


class Pictures:
    """Colours of pictures, and nothing of texts."""

    space, device, image_transform = ColourEncoder.space, "cpu", ColourEncoder.image_transform
    modalities = frozenset({"image"})
    encode_images = ColourEncoder.encode_images


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module that can be imported; returns its name."""
    written = []

    def write(text: str) -> str:
        name = f"module_of_ones_own_{len(written)}"
        folder = tmp_path / "modules"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.py").write_text(text)
        monkeypatch.syspath_prepend(folder)
        written.append(name)
        return name

    yield write
    for name in written:
        sys.modules.pop(name, None)


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Installs a package that registers encoders, as ``pip`` would."""

    def register(**encoders: str) -> None:
        folder = tmp_path / "packages"
        facts = folder / "colours-1.0.dist-info"
        facts.mkdir(parents=True)
        (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: colours\nVersion: 1.0\n")
        lines = [f"{name} = {value}" for name, value in encoders.items()]
        (facts / "entry_points.txt").write_text("\n".join(["[mmsearch.encoders]", *lines]))
        monkeypatch.syspath_prepend(folder)

    return register


# What an app does


def test_a_collection_is_made_searched_and_opened_again_with_an_object(photos, tmp_path):
    encoder = ColourEncoder()
    made = Collection.create(tmp_path / "c.mms", model=encoder)
    made.index([photos], workers=1)
    assert made.search("red", k=1)[0].path.endswith("disc.png")
    made.close()
    opened = Collection.open(tmp_path / "c.mms", encoders=[encoder])
    assert opened.search("red", k=1)[0].path.endswith("disc.png")
    assert opened.index([photos], workers=1).unchanged == 10


def test_opened_without_its_encoder_a_collection_names_the_model_and_the_ways(photos, tmp_path):
    Collection.create(tmp_path / "c.mms", model=ColourEncoder()).index([photos], workers=1)
    opened = Collection.open(tmp_path / "c.mms")
    assert opened.status().model == "colours"
    for ask in (lambda: opened.search("red"), lambda: opened.index([photos])):
        with pytest.raises(ModelUnavailableError) as error:
            ask()
        assert "\n" not in explained_error(error.value)
        for word in ("'colours'", "Collection.open(path, encoders=[…])", "'mmsearch.encoders'"):
            assert word in str(error.value)


def test_an_object_joins_a_collection_and_takes_over_what_it_embeds(photos, collection):
    report = collection.index([photos], model=ColourEncoder(), workers=1)
    assert report.indexed == 10
    assert collection.space.model == "colours"
    assert collection.search("a red one", k=1)[0].path.endswith("disc.png")


def test_another_model_joins_a_collection_of_ones_own_encoder(photos, tmp_path):
    made = Collection.create(tmp_path / "c.mms", model=Pictures())
    made.index([photos], workers=1)
    with pytest.raises(CannotEmbedError, match="colours does not embed texts"):
        made.search("bread")
    made.index([photos], model="mini", workers=1)
    assert made.search("bread", to=["text"], k=1)[0].path.endswith("bread.md")


def test_an_encoder_of_pictures_alone_leaves_texts_and_films_out(photos, tmp_path):
    made = Collection.create(tmp_path / "c.mms", model=Pictures())
    report = made.index([photos], workers=1)
    assert report.indexed == 8
    assert {note.reason for note in report.skipped} == {"a text: no model of this collection embeds texts"}


def test_an_encoder_that_makes_other_vectors_now_is_refused(photos, tmp_path):
    Collection.create(tmp_path / "c.mms", model=ColourEncoder()).index([photos], workers=1)
    changed = ColourEncoder()
    changed.space = dataclasses.replace(ColourEncoder.space, weights="2")
    opened = Collection.open(tmp_path / "c.mms", encoders=[changed])
    with pytest.raises(SpaceMismatchError, match="colours-10-.* makes vectors of space colours-10-"):
        opened.search("red")
    assert Collection.open(tmp_path / "c.mms", encoders=[changed, ColourEncoder()]).search("red")


def test_words_search_vectors_made_elsewhere_where_their_encoder_is_given(tmp_path):
    encoder = ColourEncoder()
    encoder.space = Space.of_vectors("my colours", 10)
    made = Collection.create(tmp_path / "c.mms", model=None)
    made.add(encoder.encode_texts(["red", "blue"]), paths=["rose", "sea"], modality="image", space="my colours")
    with pytest.raises(UsageError, match="made elsewhere"):
        made.search("blue")
    opened = Collection.open(made.root, encoders=[encoder])
    assert opened.search("a blue one", k=1)[0].path.endswith("sea")


# Names


def test_a_class_is_named_by_its_module(photos, tmp_path, module):
    name = module(EXAMPLE.read_text()) + ":ColourEncoder"
    made = Collection.create(tmp_path / "c.mms", model=name)
    made.index([photos], workers=1)
    assert made.search("red", k=1)[0].path.endswith("disc.png")
    assert Collection.open(made.root, encoders=[name]).search("red", k=1)[0].path.endswith("disc.png")
    assert made.index([photos], model=name, workers=1).unchanged == 10


def test_a_collection_on_disk_never_has_a_module_imported(photos, tmp_path, module):
    """It may be a stranger's, and importing runs code."""
    name = module("raise SystemExit('imported')")
    made = Collection.create(tmp_path / "c.mms", model=ColourEncoder())
    made.index([photos], workers=1)
    manifest = load_manifest(made.root)
    (key,) = manifest.spaces
    stranger = dataclasses.replace(manifest.spaces[key], model=f"{name}:Encoder")
    save_manifest(made.root, dataclasses.replace(manifest, spaces={key: stranger}))
    with pytest.raises(ModelUnavailableError, match=f"{name}:Encoder"):
        Collection.open(made.root).search("red")
    assert name not in sys.modules


def test_a_registered_name_is_enough_to_make_and_to_open_a_collection(photos, tmp_path, module, install):
    install(colours=module(EXAMPLE.read_text()) + ":ColourEncoder")
    assert "colours" in registered()
    Collection.create(tmp_path / "c.mms", model="colours").index([photos], workers=1)
    opened = Collection.open(tmp_path / "c.mms")
    assert opened.search("red", k=1)[0].path.endswith("disc.png")
    assert opened.index([photos], workers=1).unchanged == 10


def test_the_command_line_indexes_and_queries_with_a_registered_encoder(photos, tmp_path, module, install):
    install(colours=module(EXAMPLE.read_text()) + ":ColourEncoder")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}

    def run(*arguments):
        command = [sys.executable, "-m", "mmsearch", *map(str, arguments), "-c", str(tmp_path / "c.mms")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "10 files: 10 indexed" in run("index", photos, "--model", "colours")
    assert "disc.png" in run("query", "red", "-k", "1")


def test_an_encoder_registered_under_another_name_than_its_model_is_refused(module, install):
    install(paint=module(EXAMPLE.read_text()) + ":ColourEncoder")
    with pytest.raises(UsageError, match="registered as 'paint' calls its model 'colours'"):
        load_encoder("paint")


def test_a_registered_encoder_that_cannot_be_imported_says_so(install):
    install(colours="no_such_module:ColourEncoder")
    with pytest.raises(UsageError, match="colours cannot be imported: No module named 'no_such_module'"):
        load_encoder("colours")


@pytest.mark.parametrize("name", ["no_such_module:Encoder", "mmsearch.types:Encoder", "mmsearch.types:Space.Encoder"])
def test_a_name_that_leads_nowhere_is_one_line(name):
    with pytest.raises(UsageError, match=f"{name} cannot be imported") as error:
        load_encoder(name)
    assert "\n" not in str(error.value)


def test_an_object_or_a_function_can_be_named_too(module):
    name = module(EXAMPLE.read_text() + "\nmade = ColourEncoder()\ndef make():\n    return made\n")
    assert load_encoder(f"{name}:made") is load_encoder(f"{name}:make")
    with pytest.raises(UsageError, match="neither an encoder nor a class or function that makes one"):
        load_encoder(f"{name}:PALETTE")


def test_a_class_gets_the_device_precision_and_threads_that_it_takes(module):
    text = EXAMPLE.read_text() + (
        "\nclass Chosen(ColourEncoder):\n"
        "    def __init__(self, device, precision='auto', threads=None):\n"
        "        self.device, self.chosen = device, (precision, threads)\n"
    )
    name = module(text)
    encoder = load_encoder(f"{name}:Chosen", Runtime("cuda", "float16", 3))
    assert (encoder.device, *encoder.chosen) == ("cuda", "float16", 3)
    for runtime, hint in (
        (Runtime(device="cuda"), HintKind.LEAVE_DEVICE),
        (Runtime(precision="float16"), HintKind.LEAVE_PRECISION),
    ):
        with pytest.raises(UsageError, match="has no choice of") as error:
            load_encoder(f"{name}:ColourEncoder", runtime)
        assert error.value.hint.kind is hint


# Objects that are none


@pytest.mark.parametrize("modality", ["text", "image", "audio", "video"])
def test_what_an_object_lacks_of_a_protocol_is_named(modality):
    members = {
        "text": ["max_tokens", "encode_texts", "count_tokens"],
        "image": ["image_transform", "encode_images"],
        "audio": ["sample_rate", "encode_sounds"],
        "video": ["frame_transform", "encode_films"],
    }[modality]

    class Bare:
        space, modalities, device = ColourEncoder.space, frozenset({modality}), "cpu"

    with pytest.raises(UsageError) as error:
        load_encoder(Bare())
    assert str(error.value) == f"Bare is no encoder: it has no {', '.join(members)}"
    for member in members[1:]:
        setattr(Bare, member, print)
    with pytest.raises(UsageError) as error:
        load_encoder(Bare())
    assert str(error.value) == f"Bare is no encoder: it has no {members[0]}"
    setattr(Bare, members[0], None)
    with pytest.raises(UsageError, match=f"it has no {members[0]}$"):
        load_encoder(Bare())


def test_what_is_no_encoder_at_all_is_refused_in_one_line():
    class Spaceless(ColourEncoder):
        space = "colours"

    class Smelling(ColourEncoder):
        modalities = frozenset({"smell"})

    for wrong, why in (
        (3, "int is no encoder: it has no space, modalities, device"),
        (ColourEncoder, "ColourEncoder is a class"),
        (Spaceless(), "must be a mmsearch.Space, not 'colours'"),
        (Smelling(), "its modalities must be some of image, text, audio, video"),
    ):
        with pytest.raises(UsageError, match=why) as error:
            load_encoder(wrong)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda vectors: vectors.astype(np.float64), r"returned float64 \[8, 10\]"),
        (lambda vectors: vectors[:, :9], r"returned float32 \[8, 9\]"),
        (lambda vectors: vectors[1:], r"returned float32 \[7, 10\]"),
        (lambda vectors: vectors.tolist(), "returned list"),
        (lambda vectors: 3 * vectors, "returned a vector of length 3"),
    ],
)
def test_vectors_of_another_shape_type_or_length_are_refused_when_files_are_embedded(photos, tmp_path, change, why):
    class Wrong(Pictures):
        def encode_images(self, pixels):
            return change(super().encode_images(pixels))

    made = Collection.create(tmp_path / "c.mms", model=Wrong())
    with pytest.raises(UsageError, match=f"model colours {why}.*unit vectors, float32 .8, 10.") as error:
        made.index([photos], workers=1, batch=8)
    assert "\n" not in str(error.value)


def test_a_vector_of_a_query_that_is_no_unit_vector_is_refused(photos, tmp_path):
    class Wrong(ColourEncoder):
        def encode_texts(self, texts):
            return 2 * super().encode_texts(texts)

    made = Collection.create(tmp_path / "c.mms", model=ColourEncoder())
    made.index([photos], workers=1)
    with pytest.raises(UsageError, match="colours returned a vector of length 2: an encoder returns unit vectors"):
        Collection.open(made.root, encoders=[Wrong()]).search("red")


def test_pictures_stand_for_films_so_that_an_encoder_of_pictures_needs_no_encode_films():
    assert "video" in load_encoder(ColourEncoder()).modalities


def test_the_example_keeps_to_what_the_protocols_ask():
    encoder = ColourEncoder()
    texts = encoder.encode_texts(["red", "", "a blue boat"])
    pictures = encoder.encode_images(np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8))
    for vectors in (texts, pictures):
        assert (vectors.dtype, vectors.shape) == (np.float32, (3, 10))
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert encoder.encode_texts([]).shape == encoder.encode_images(np.empty((0, 64, 64, 3), np.uint8)).shape == (0, 10)
