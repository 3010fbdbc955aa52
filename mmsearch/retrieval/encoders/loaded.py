"""The encoders of an open collection: those that the app gave, and those loaded by the names of its spaces."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from mmsearch.errors import Hint, HintKind, SpaceMismatchError
from mmsearch.retrieval.encoders.catalogue import is_catalogue_name
from mmsearch.retrieval.encoders.runtime import DEFAULT_RUNTIME, Runtime

if TYPE_CHECKING:
    from mmsearch.retrieval.encoders.protocol import Encoder
    from mmsearch.types import Space


class LoadedEncoders:
    """Finds the encoder of a space, and keeps it. Safe to use from threads.

    Args:
        runtime: device, precision and threads of every encoder that is loaded by name.
        given: encoders of the app's own, as `load_encoder` takes them.

    Raises:
        UsageError: one that is given is no encoder.
    """

    def __init__(self, runtime: Runtime = DEFAULT_RUNTIME, given: Iterable[str | Encoder] = ()) -> None:
        self.runtime = runtime
        self._guard = threading.RLock()
        self._given: list[Encoder] = []
        self._loaded: dict[str, Encoder] = {}
        for model in given:
            self.named(model)

    def named(self, model: str | Encoder, *, throughput: bool = False) -> Encoder:
        """The encoder of a model that the caller names; see `load_encoder`. One of the app's own is kept.

        Raises:
            UsageError, ModelUnavailableError: see `load_encoder`.
        """
        from mmsearch.retrieval.encoders.load import load_encoder

        encoder = load_encoder(model, self.runtime, throughput=throughput)
        with self._guard:
            if not isinstance(model, str):
                self._given.insert(0, encoder)
            elif not is_catalogue_name(model):
                self._given.insert(0, getattr(encoder, "local", encoder))  # a query needs one device
            elif not throughput:
                self._loaded[encoder.space.key] = encoder
        return encoder

    def of(self, space: Space, *, throughput: bool = False) -> Encoder | None:
        """The encoder that makes a space's vectors; None if they were made elsewhere and the app gave no encoder.

        Args:
            throughput: whether many items are to be embedded. Such an encoder is not kept: its memory is only needed
                for the run.

        Raises:
            SpaceMismatchError: the model of this name makes vectors of another space.
            ModelUnavailableError: it is not known here, or cannot be loaded.
        """
        with self._guard:
            given = self._given_for(space)
            if given is not None or not space.has_model:
                return given
            if throughput:
                return self._load(space, throughput)
            if space.key not in self._loaded:
                self._loaded[space.key] = self._load(space)
            return self._loaded[space.key]

    def loaded(self, space: Space) -> Encoder | None:
        """The encoder of a space if it need not be loaded."""
        with self._guard:
            given = (encoder for encoder in self._given if encoder.space == space)
            return next(given, self._loaded.get(space.key))

    def clear(self) -> None:
        """Let go of all encoders."""
        with self._guard:
            self._given.clear()
            self._loaded.clear()

    def _given_for(self, space: Space) -> Encoder | None:
        same_model = [encoder for encoder in self._given if encoder.space.model == space.model]
        if not same_model:
            return None
        given = next((encoder for encoder in same_model if encoder.space == space), same_model[0])
        check_space(given, space)
        return given

    def _load(self, space: Space, throughput: bool = False) -> Encoder:
        from mmsearch.retrieval.encoders.load import load_encoder

        encoder = load_encoder(space.model, self.runtime, throughput=throughput, from_manifest=True)
        check_space(encoder, space)
        return encoder


def check_space(encoder: Encoder, space: Space) -> None:
    """Check that an encoder makes the vectors of a space.

    Raises:
        SpaceMismatchError: it makes those of another, though its model has this name.
    """
    if encoder.space != space:
        raise SpaceMismatchError(
            f"the collection's vectors are of space {space.key}, but {space.model} on this machine makes vectors of"
            f" space {encoder.space.key}",
            hint=Hint(HintKind.EMBED_ANEW, space.model),
        )
