"""Names of models: what the catalogue holds, and what `resolve` makes of a name."""

from __future__ import annotations

import dataclasses

import pytest

from mmsearch.cli.hints import explained_error
from mmsearch.errors import Hint, HintKind, UsageError
from mmsearch.retrieval.encoders.catalogue import CATALOGUE, resolve

OPEN_CLIP = [info for info in CATALOGUE if info.family == "open_clip"]
BY_NAME = {
    "clip": ("ViT-B-32-256", "datacomp_s34b_b86k"),
    "clip-large": ("ViT-L-14", "datacomp_xl_s13b_b90k"),
    "siglip2": ("ViT-B-16-SigLIP2-256", "webli"),
    "siglip2-large": ("ViT-SO400M-14-SigLIP2", "webli"),
    "mobileclip2-s0": ("MobileCLIP2-S0", "dfndr2b"),
    "mobileclip2-s4": ("MobileCLIP2-S4", "dfndr2b"),
    "pe-core-b": ("PE-Core-B-16", "meta"),
    "pe-core-l": ("PE-Core-L-14-336", "meta"),
    "xlm-clip": ("xlm-roberta-base-ViT-B-32", "laion5b_s13b_b90k"),
}


@pytest.mark.parametrize("name", BY_NAME)
def test_the_catalogue_has_the_promised_models(name):
    info = resolve(name)
    assert (info.architecture, info.pretrained) == BY_NAME[name]


def test_names_are_unique_and_entries_are_frozen_and_complete():
    assert len({info.name for info in CATALOGUE}) == len(CATALOGUE)
    for info in CATALOGUE:
        assert info.dim
        assert info.licence
        assert info.note
    with pytest.raises(dataclasses.FrozenInstanceError):
        CATALOGUE[0].dim = 1


@pytest.mark.clip
@pytest.mark.parametrize("info", OPEN_CLIP, ids=lambda info: info.name)
def test_open_clip_knows_every_model_as_the_catalogue_describes_it(info):
    open_clip = pytest.importorskip("open_clip", reason="needs the extra `clip`")
    assert (info.architecture, info.pretrained) in open_clip.list_pretrained()
    assert open_clip.get_pretrained_cfg(info.architecture, info.pretrained)["hf_hub"] == f"{info.repository}/"
    config = open_clip.get_model_config(info.architecture)
    assert config["embed_dim"] == info.dim
    assert ("hf_tokenizer_name" in config["text_cfg"]) == ("transformers" in info.needs)


def test_a_tag_that_has_a_short_name_is_the_same_model():
    assert resolve("open_clip:ViT-B-32-256/datacomp_s34b_b86k") is resolve("clip")


def test_any_architecture_and_tag_can_be_named():
    info = resolve("open_clip:ViT-B-32/openai")
    assert (info.architecture, info.pretrained, info.checkpoint) == ("ViT-B-32", "openai", None)


def test_a_checkpoint_is_named_by_its_absolute_path(tmp_path, monkeypatch):
    (tmp_path / "a@b").mkdir()
    monkeypatch.chdir(tmp_path)
    info = resolve("open_clip:ViT-B-32@a@b")
    assert info.checkpoint == tmp_path / "a@b"
    assert resolve(info.name) == info


def test_a_missing_checkpoint_is_wrong_use(tmp_path):
    with pytest.raises(UsageError, match="no checkpoint at"):
        resolve(f"open_clip:ViT-B-32@{tmp_path / 'none.pt'}")


@pytest.mark.parametrize(
    ("name", "repository", "modalities"),
    [
        ("clap", "laion/clap-htsat-unfused", {"text", "audio"}),
        ("clap-general", "laion/larger_clap_general", {"text", "audio"}),
        ("pe-av-audio", "facebook/pe-av-base", {"text", "audio"}),
        ("pe-av-video", "facebook/pe-av-base", {"text", "video"}),
    ],
)
def test_the_catalogue_has_models_of_sounds_and_films(name, repository, modalities):
    info = resolve(name)
    assert (info.repository, info.modalities) == (repository, modalities)


def test_what_embeds_pictures_embeds_films():
    assert all("video" in info.modalities for info in CATALOGUE if "image" in info.modalities)


@pytest.mark.parametrize("kind", ["clap", "pe-av-audio", "pe-av-video"])
def test_a_folder_of_transformers_is_named_by_its_absolute_path(tmp_path, monkeypatch, kind):
    (tmp_path / "a@b").mkdir()
    monkeypatch.chdir(tmp_path)
    info = resolve(f"{kind}@a@b")
    assert info.name == f"{kind}@{tmp_path / 'a@b'}"
    assert (info.checkpoint, info.modalities) == (tmp_path / "a@b", resolve(kind).modalities)
    assert resolve(info.name) == info


@pytest.mark.parametrize("rest", ["", "none", "file"])
def test_where_no_folder_of_transformers_is_shows_how_to_write_it(tmp_path, monkeypatch, rest):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="write clap@/path/to/folder") as error:
        resolve(f"clap@{rest}")
    assert "\n" not in str(error.value)


def test_a_misspelt_kind_of_folder_shows_near_ones(tmp_path):
    with pytest.raises(UsageError, match="did you mean pe-av-audio"):
        resolve(f"pe-av-adio@{tmp_path}")


def test_an_unknown_name_shows_near_ones_and_how_to_list():
    with pytest.raises(UsageError, match="did you mean siglip2") as error:
        resolve("siglp2")
    assert error.value.hint == Hint(HintKind.LIST_MODELS)
    assert "mmsearch models list" in explained_error(error.value)


@pytest.mark.parametrize("name", ["", "open_clip:", "open_clip:ViT-B-32", "open_clip:/openai", "open_clip:ViT-B-32@"])
def test_a_name_that_is_cut_short_shows_how_to_write_it(name):
    with pytest.raises(UsageError) as error:
        resolve(name)
    assert "open_clip:ARCH" in str(error.value)
    assert "\n" not in str(error.value)
