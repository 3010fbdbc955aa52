"""The models: which there are, which can run here, how to fetch their weights, and how to export them to ONNX.

The command ``mmsearch models`` does the same. Importing this module loads no model and no library that runs one.
"""

from __future__ import annotations

import os
from pathlib import Path

from mmsearch.errors import UsageError
from mmsearch.retrieval.encoders.catalogue import CATALOGUE, TRANSCRIBERS, ModelInfo, resolve

__all__ = ["ModelInfo", "best", "catalogue", "export", "is_ready", "pull", "resolve", "transcribers"]


def catalogue() -> tuple[ModelInfo, ...]:
    """The models with a short name: those of pictures, the best first, then those of sounds and films, then `mini`.

    Besides these, `resolve` takes any model of open_clip and checkpoints on this machine.
    """
    return CATALOGUE


def transcribers() -> tuple[ModelInfo, ...]:
    """The models with a short name that turn speech into text. They embed nothing.

    ``Collection.index(transcribe="auto")`` takes the first that `is_ready`.
    """
    return TRANSCRIBERS


def is_ready(model: str | ModelInfo) -> bool:
    """Whether a model can run without a download: its packages and weights, or its export, are on this machine.

    Args:
        model: a name, or an entry of the catalogue.

    Raises:
        UsageError: there is no such model.
    """
    from mmsearch.retrieval.encoders import load

    return load.is_ready(_info(model))


def best() -> ModelInfo:
    """The best model of texts and pictures that `is_ready`; `mini`, which is built in, if there is no other.

    ``Collection.create(path, model="auto")`` takes it. Imports neither torch nor open_clip.
    """
    ready = (info for info in CATALOGUE if info.family == "open_clip" and is_ready(info))
    return next(ready, resolve("mini"))


def pull(model: str | ModelInfo) -> Path:
    """Fetch a model's weights from the Hugging Face hub, unless they are on this machine; resumes a broken download.

    Args:
        model: a name that `resolve` takes, or what it returns.

    Returns:
        The weights file; the folder of the weights for `mini`, which is built in, and for models of speech.

    Raises:
        UsageError: there is no such model.
        ModelUnavailableError: packages that it needs are not installed, the hub cannot be reached, or it has no such
            weights.
    """
    info = _info(model)
    if info.is_built_in:
        from mmsearch.retrieval.encoders.mini.encoder import FOLDER

        return FOLDER
    from mmsearch.retrieval.encoders.hub import fetch_folder, fetch_weights
    from mmsearch.retrieval.encoders.load import require_packages

    require_packages(info)
    return fetch_folder(info) if info.is_transcriber else fetch_weights(info)


def export(model: str | ModelInfo, folder: str | os.PathLike[str] | None = None) -> Path:
    """Write a model of open_clip as ONNX networks, so that text queries need no torch; fetches missing weights.

    Args:
        model: a name that `resolve` takes, or what it returns.
        folder: where to write; an earlier export there is replaced. None for the user's data folder: there
            `Collection.search` looks for it.

    Returns:
        The folder with the networks, the tokenizer and ``config.json``.

    Raises:
        UsageError: there is no such model, or it cannot be exported: only those of open_clip can.
        ModelUnavailableError: the weights cannot be had, or the extras ``clip`` and ``export`` are not installed.
    """
    info = _info(model)
    if info.is_built_in:
        raise UsageError("mini runs without torch as it is; there is nothing to export")
    if info.is_transcriber:
        raise UsageError(f"{info.name} turns speech into text and cannot be exported; models of pictures can")
    if info.is_transformers:
        raise UsageError(f"{info.name} runs through transformers only and cannot be exported; models of pictures can")
    from mmsearch.retrieval.encoders.load import load_encoder
    from mmsearch.retrieval.encoders.onnx import models_folder
    from mmsearch.retrieval.encoders.openclip.encoder import OpenClipEncoder
    from mmsearch.retrieval.encoders.openclip.export import export_onnx
    from mmsearch.retrieval.encoders.runtime import Runtime

    encoder = load_encoder(info.name, Runtime("cpu", "float32"), throughput=True)
    assert isinstance(encoder, OpenClipEncoder)
    return export_onnx(
        encoder, Path(folder).expanduser().absolute() if folder is not None else models_folder() / encoder.space.key
    )


def _info(model: str | ModelInfo) -> ModelInfo:
    return resolve(model) if isinstance(model, str) else model
