"""From a name to a transcriber: models of the catalogue, folders on this machine, and transcribers of an app's own."""

from __future__ import annotations

import importlib
import inspect
import re
from typing import TYPE_CHECKING, Any

from mmsearch.errors import HintKind, UsageError
from mmsearch.retrieval.encoders.catalogue import TRANSCRIBERS, is_catalogue_name, resolve
from mmsearch.retrieval.encoders.load import is_ready, require_packages
from mmsearch.retrieval.encoders.model_info import ModelInfo
from mmsearch.retrieval.encoders.protocol import Transcriber
from mmsearch.retrieval.encoders.runtime import DEFAULT_RUNTIME, Runtime

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "mmsearch.transcribers"
"""The entry point group in which packages register transcribers."""

_REFERENCE = re.compile(r"[^\W\d][\w.]*:[^\W\d][\w.]*")


def find_transcriber(choice: str | Transcriber, runtime: Runtime = DEFAULT_RUNTIME) -> Transcriber | None:
    """What turns speech into text; None for ``off``, and for ``auto`` if no model of the catalogue `is_ready`.

    Args:
        choice: ``auto`` (the first model of the catalogue whose packages and weights are on this machine), ``off``, a
            model, a name that a package registers, ``"module:Class"``, or an object.
        runtime: device, precision and threads of a model.

    Raises:
        UsageError: there is no such model or object, or it is no transcriber.
        ModelUnavailableError: packages or weights are missing and cannot be fetched.
    """
    if not isinstance(choice, str):
        return checked_transcriber(choice)
    if choice == "off":
        return None
    if choice == "auto":
        ready = ready_transcriber()
        return None if ready is None else _of_catalogue(ready, runtime)
    if not is_catalogue_name(choice):
        own = _own(choice, runtime)
        if own is not None:
            return own
    info = resolve(choice)
    if not info.is_transcriber:
        raise UsageError(f"{info.name} does not turn speech into text", hint=HintKind.LIST_MODELS)
    return _of_catalogue(info, runtime)


def ready_transcriber() -> ModelInfo | None:
    """The first model of the catalogue that can run here without a download. Loads nothing."""
    return next((info for info in TRANSCRIBERS if is_ready(info)), None)


def checked_transcriber(found: object) -> Transcriber:
    """The object, if it has what `Transcriber` asks for.

    Raises:
        UsageError: it has not.
    """
    if isinstance(found, type):
        raise UsageError(f"{found.__name__} is a class: a transcriber is an object, such as {found.__name__}()")
    if not isinstance(found, Transcriber) or not isinstance(found.name, str) or not found.name:
        raise UsageError(f"{type(found).__name__} is no transcriber: it needs a name, and a method transcribe")
    return found


def _of_catalogue(info: ModelInfo, runtime: Runtime) -> Transcriber:
    from mmsearch.retrieval.encoders.hub import fetch_folder

    require_packages(info)
    folder = fetch_folder(info)
    if info.family == "whisper":
        from mmsearch.retrieval.enrich.speech.whisper import WhisperTranscriber

        return WhisperTranscriber(info.name, folder, runtime)
    from mmsearch.retrieval.enrich.speech.onnx_asr import OnnxAsrTranscriber

    return OnnxAsrTranscriber(info.name, folder, info.architecture, runtime)


def registered() -> dict[str, EntryPoint]:
    """The transcribers that installed packages register, by name."""
    from importlib.metadata import entry_points

    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _own(name: str, runtime: Runtime) -> Transcriber | None:
    """The transcriber that a package registers under a name, or that ``"module:Class"`` names; None if it is neither.

    A class, or a function that makes one, is called with those of ``device``, ``precision`` and ``threads`` that it
    takes.
    """
    entry = registered().get(name)
    if entry is None and _REFERENCE.fullmatch(name) is None:
        return None
    try:
        found = _imported(name) if entry is None else entry.load()
    except (ImportError, AttributeError) as error:
        raise UsageError(f"the transcriber {name} cannot be imported: {error}") from error
    if isinstance(found, type) or not isinstance(found, Transcriber):
        if not callable(found):
            raise UsageError(f"{name} is neither a transcriber nor a class or function that makes one")
        asked = {"device": runtime.device, "precision": runtime.precision, "threads": runtime.threads}
        taken = inspect.signature(found).parameters
        found = found(**{option: value for option, value in asked.items() if option in taken})
    return checked_transcriber(found)


def _imported(reference: str) -> Any:
    module, _, name = reference.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found
