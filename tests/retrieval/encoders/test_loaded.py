"""The encoders of an open collection: which are kept, and which are loaded for a run."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import pytest

from mmsearch.errors import HintKind, SpaceMismatchError
from mmsearch.retrieval.encoders.loaded import LoadedEncoders
from mmsearch.retrieval.encoders.mini import MiniEncoder
from mmsearch.retrieval.encoders.runtime import Runtime
from mmsearch.types import Space


def test_an_encoder_is_loaded_once_for_queries_and_anew_for_each_run():
    encoders = LoadedEncoders(Runtime(threads=1))
    mini = encoders.named("mini")
    assert encoders.of(mini.space) is mini
    assert encoders.loaded(mini.space) is mini
    assert encoders.of(mini.space, throughput=True) is not mini
    encoders.clear()
    assert encoders.loaded(mini.space) is None


def test_an_encoder_that_is_given_serves_queries_and_runs():
    own = MiniEncoder()
    own.space = dataclasses.replace(own.space, model="mine")
    encoders = LoadedEncoders(given=[own])
    for found in (encoders.of(own.space), encoders.of(own.space, throughput=True), encoders.loaded(own.space)):
        assert found is own
    assert encoders.of(Space.of_vectors("elsewhere", 3)) is None


def test_threads_that_ask_at_once_get_one_encoder():
    encoders = LoadedEncoders()
    space = MiniEncoder().space
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: encoders.of(space), range(8)))
    assert len(set(map(id, found))) == 1


def test_a_model_that_makes_other_vectors_than_the_collection_has_is_refused():
    changed = dataclasses.replace(MiniEncoder().space, weights="of another version")
    with pytest.raises(SpaceMismatchError, match=f"{changed.key}, but mini on this machine makes vectors of") as error:
        LoadedEncoders().of(changed)
    assert error.value.hint.kind is HintKind.EMBED_ANEW
