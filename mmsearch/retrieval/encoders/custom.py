"""Encoders of an app's own: given as an object, named ``"module:Class"``, or registered by an installed package.

A package registers an encoder in its ``pyproject.toml``, under the name that is the model of the encoder's space::

    [project.entry-points."mmsearch.encoders"]
    colours = "my_package.colours:ColourEncoder"
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from mmsearch.errors import HintKind, ModelUnavailableError, UsageError
from mmsearch.retrieval.encoders.protocol import Encoder
from mmsearch.retrieval.encoders.runtime import Runtime
from mmsearch.types import MODALITIES, Modality, Space

GROUP = "mmsearch.encoders"
"""The entry point group in which packages register encoders."""

_REFERENCE = re.compile(r"[^\W\d][\w.]*:[^\W\d][\w.]*")
_MEMBERS = ("space", "modalities", "device")
_MEMBERS_BY_MODALITY: dict[Modality, tuple[str, ...]] = {
    "text": ("max_tokens", "encode_texts", "count_tokens"),
    "image": ("image_transform", "encode_images"),
    "audio": ("sample_rate", "encode_sounds"),
    "video": ("frame_transform", "encode_films"),
}
_LEAVE_TO_MODEL = {"device": HintKind.LEAVE_DEVICE, "precision": HintKind.LEAVE_PRECISION}


def load_by_name(name: str, runtime: Runtime, *, imports: bool) -> Encoder | None:
    """The encoder that a package registers under a name, or that ``"module:Class"`` names; None if it is neither.

    The class, or a function that returns an encoder, is called with those of the keywords ``device``, ``precision`` and
    ``threads`` that it takes. What is named may also be an encoder itself.

    Args:
        imports: whether to import ``"module:Class"``. If not, a name that is not registered is an error.

    Raises:
        UsageError: it cannot be imported, is no encoder, or does not take a device or precision that is asked for. Or
            it is registered under another name than its ``space.model``, by which it could not be found again.
        ModelUnavailableError: it is not registered, and ``imports`` is False.
    """
    entry = registered().get(name)
    if entry is None and not imports:
        raise ModelUnavailableError(
            f"the collection's model {name!r} is not known here: give its encoder to Collection.open(path,"
            f" encoders=[…]), or register it under the entry point group {GROUP!r}"
        )
    if entry is None and _REFERENCE.fullmatch(name) is None:
        return None
    try:
        found = _imported(name) if entry is None else entry.load()
    except (ImportError, AttributeError) as error:
        raise UsageError(f"the encoder {name} cannot be imported: {error}") from error
    encoder = _made(name, found, runtime)
    if entry is not None and encoder.space.model != name:
        raise UsageError(
            f"the encoder registered as {name!r} calls its model {encoder.space.model!r}: its space.model must be the"
            " registered name"
        )
    return encoder


def registered() -> dict[str, EntryPoint]:
    """The encoders that installed packages register, by name."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def checked_encoder(encoder: object) -> Encoder:
    """The object, if it has what the protocols of `encoders.protocol` ask of an encoder of its modalities.

    Raises:
        UsageError: it has not; the text names what is missing.
    """
    if isinstance(encoder, type):
        raise UsageError(f"{encoder.__name__} is a class: an encoder is an object, such as {encoder.__name__}()")
    name = type(encoder).__name__
    missing = _missing(encoder, _MEMBERS)
    if not missing:
        found = cast(Encoder, encoder)
        if not isinstance(found.space, Space):
            raise UsageError(f"{name} is no encoder: its space must be a mmsearch.Space, not {found.space!r}")
        if not found.modalities or not set(found.modalities) <= set(MODALITIES):
            raise UsageError(f"{name} is no encoder: its modalities must be some of {', '.join(MODALITIES)}")
        for modality in MODALITIES:
            missing += _lacks(found, modality) if modality in found.modalities else []
    if missing:
        raise UsageError(f"{name} is no encoder: it has no {', '.join(missing)}")
    return cast(Encoder, encoder)


def _lacks(encoder: Encoder, modality: Modality) -> list[str]:
    missing = _missing(encoder, _MEMBERS_BY_MODALITY[modality])
    if modality == "video" and not _missing(encoder, _MEMBERS_BY_MODALITY["image"]):
        return []  # films are embedded by their frames
    return missing


def _missing(encoder: object, members: Iterable[str]) -> list[str]:
    return [member for member in members if getattr(encoder, member, None) is None]


def _imported(reference: str) -> Any:
    module, _, name = reference.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _made(name: str, found: Any, runtime: Runtime) -> Encoder:
    if not isinstance(found, type) and not _missing(found, _MEMBERS):
        return checked_encoder(found)
    if not callable(found):
        raise UsageError(f"{name} is neither an encoder nor a class or function that makes one")
    asked = {"device": runtime.device, "precision": runtime.precision, "threads": runtime.threads}
    taken = inspect.signature(found).parameters
    for option, hint in _LEAVE_TO_MODEL.items():
        if asked[option] != "auto" and option not in taken:
            raise UsageError(f"the encoder {name} has no choice of {option}", hint=hint)
    return checked_encoder(found(**{option: value for option, value in asked.items() if option in taken}))
