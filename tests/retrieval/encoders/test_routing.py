"""Which encoder embeds which modality, and what decoding makes for them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from mmsearch.errors import CannotEmbedError
from mmsearch.retrieval.encoders.mini import MiniEncoder
from mmsearch.retrieval.encoders.routing import ModelRouting, as_image_encoder, as_text_encoder, decode_spec_of
from mmsearch.retrieval.media.pictures.transform import ImageTransform
from mmsearch.types import MODALITIES, Space


def encoder_of(name: str, *modalities: str) -> SimpleNamespace:
    """An object with the members that the modalities ask for."""
    members = {
        "text": {"max_tokens": 9, "encode_texts": print, "count_tokens": print},
        "image": {"image_transform": ImageTransform(32, 48), "encode_images": print},
        "audio": {"sample_rate": 8000, "encode_sounds": print},
        "video": {"frame_transform": ImageTransform(16, 16), "encode_films": print},
    }
    own = {key: value for modality in modalities for key, value in members[modality].items()}
    space = Space(name, "w", "p", 8)
    return SimpleNamespace(space=space, modalities=frozenset(modalities), device="cpu", **own)


def test_one_encoder_embeds_its_modalities_and_texts_only_if_it_is_to():
    both = encoder_of("both", "text", "audio")
    routing = ModelRouting.single(both)
    assert (routing.text, routing.audio, routing.image, routing.video) == (both, both, None, None)
    assert ModelRouting.single(both, texts=False).text is None


def test_a_modality_belongs_to_the_space_that_is_named_for_it_or_to_the_first_encoder_that_embeds_it():
    one, other = encoder_of("one", "text", "image"), encoder_of("other", "text", "image", "audio")
    routing = ModelRouting.of([one, other], {"image": other.space.key})
    assert (routing.text, routing.image, routing.audio) == (one, other, other)
    assert routing.spaces() == {"image": other.space, "text": one.space, "audio": other.space}


def test_a_modality_of_a_space_whose_encoder_is_not_there_is_not_embedded():
    one = encoder_of("one", "text", "image")
    routing = ModelRouting.of([one], {"image": "another-8-00000000"})
    assert (routing.text, routing.image) == (one, None)
    assert routing.decode_spec().image is None


def test_films_are_decoded_for_an_encoder_of_films_or_else_for_one_of_pictures():
    films, pictures = encoder_of("films", "text", "video"), encoder_of("pictures", "image", "text")
    pictures.modalities |= {"video"}
    assert decode_spec_of(films).frames == ImageTransform(16, 16)
    assert decode_spec_of(pictures).frames == decode_spec_of(pictures).image == ImageTransform(32, 48)
    assert ModelRouting.of([pictures, films], {"video": films.space.key}).decode_spec().frames == ImageTransform(16, 16)


def test_decoding_makes_what_the_encoder_takes_and_nothing_else():
    spec = decode_spec_of(encoder_of("sounds", "audio"))
    assert (spec.sample_rate, spec.texts, spec.image, spec.frames) == (8000, False, None, None)
    assert decode_spec_of(MiniEncoder()).kinds == set(MODALITIES)


def test_an_encoder_is_taken_for_one_of_texts_or_pictures_only_if_it_is_one():
    pictures, texts = encoder_of("pictures", "image"), encoder_of("texts", "text")
    assert as_image_encoder(pictures) is pictures
    assert as_text_encoder(texts) is texts
    with pytest.raises(CannotEmbedError, match="model texts does not embed pictures"):
        as_image_encoder(texts)
    with pytest.raises(CannotEmbedError, match="model pictures does not embed texts"):
        as_text_encoder(pictures)
