"""From a model's name to an encoder: which runtime, whether its packages and weights are here."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from mmsearch.errors import HintKind, ModelUnavailableError, UsageError
from mmsearch.retrieval.encoders.catalogue import ModelInfo, resolve

if TYPE_CHECKING:
    from pathlib import Path

    from mmsearch.retrieval.encoders.huggingface.clap import ClapEncoder
    from mmsearch.retrieval.encoders.huggingface.pe_av import PeAvAudioEncoder, PeAvVideoEncoder
    from mmsearch.retrieval.encoders.mini import MiniEncoder
    from mmsearch.retrieval.encoders.onnx import OnnxEncoder
    from mmsearch.retrieval.encoders.openclip.encoder import OpenClipEncoder
    from mmsearch.retrieval.encoders.protocol import Encoder


def load_encoder(
    name: str,
    *,
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    throughput: bool = False,
) -> Encoder:
    """The encoder of a model by any name that `resolve` takes; fetches weights that are not on this machine.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        precision: ``auto``, ``float32``, ``bfloat16`` or ``float16``; `mini` knows only its own, ``int8``.
        threads: threads of the towers on a CPU; None leaves the runtime's choice.
        throughput: many items are to be embedded. Else, and where torch is not installed, towers exported to
            ONNX are preferred, which start sooner but know neither GPU nor bfloat16.

    Raises:
        UsageError: no such model, or the model has no such device or precision.
        ModelUnavailableError: packages or weights are missing and cannot be fetched; the text names the ways out.
    """
    info = resolve(name)
    if info.family == "mini":
        return _load_mini(device, precision, threads)
    if info.is_transformers:
        return _load_transformers(info, device, precision, threads)
    if device in ("auto", "cpu") and precision in ("auto", "float32"):
        exported = _load_export(info, threads, throughput)
        if exported is not None:
            return exported
    return _load_open_clip(info, device, precision, threads)


def _load_mini(device: str, precision: str, threads: int | None) -> MiniEncoder:
    from mmsearch.retrieval.encoders.mini import MiniEncoder

    if device not in ("auto", "cpu"):
        raise UsageError(f"mini runs on the CPU alone, not on {device!r}", hint=HintKind.LEAVE_DEVICE)
    if precision not in ("auto", "int8"):
        raise UsageError(f"mini is int8, not {precision!r}", hint=HintKind.LEAVE_PRECISION)
    return MiniEncoder(threads)


def _load_export(info: ModelInfo, threads: int | None, throughput: bool) -> OnnxEncoder | None:
    from mmsearch.retrieval.encoders.onnx import OnnxEncoder, find_export

    torch_is_here = not _missing(info)
    if throughput and torch_is_here:
        return None
    weights = _weights_without_torch(info) if torch_is_here else None
    folder = find_export(info.name, _digest(weights))
    return None if folder is None else OnnxEncoder(folder, threads=threads)


def _load_open_clip(info: ModelInfo, device: str, precision: str, threads: int | None) -> OpenClipEncoder:
    require_packages(info)
    from mmsearch.retrieval.encoders.hub import fetch_weights, text_files_here
    from mmsearch.retrieval.encoders.openclip.config import read_config
    from mmsearch.retrieval.encoders.openclip.encoder import OpenClipEncoder

    config = read_config(info, fetch_weights(info), text_files_here(info))
    return OpenClipEncoder(info.name, config, device=device, precision=precision, threads=threads)


def _load_transformers(
    info: ModelInfo, device: str, precision: str, threads: int | None
) -> ClapEncoder | PeAvAudioEncoder | PeAvVideoEncoder:
    require_packages(info)
    from mmsearch.retrieval.encoders.hub import fetch_weights
    from mmsearch.retrieval.encoders.huggingface import clap, pe_av
    from mmsearch.retrieval.encoders.huggingface.checkpoint import read_checkpoint

    module = clap if info.family == "clap" else pe_av
    checkpoint = read_checkpoint(fetch_weights(info), module.MODEL_TYPE, info.modalities)
    if info.family == "clap":
        return clap.ClapEncoder(info.name, checkpoint, device=device, precision=precision, threads=threads)
    kind = pe_av.PeAvAudioEncoder if "audio" in info.modalities else pe_av.PeAvVideoEncoder
    return kind(info.name, checkpoint, device=device, precision=precision, threads=threads)


def require_packages(info: ModelInfo) -> None:
    """Check that the packages a model needs are installed.

    Raises:
        ModelUnavailableError: one is not; the text names the extra of mmsearch.
    """
    missing = _missing(info)
    if missing:
        raise ModelUnavailableError(
            f'{info.name} needs {" and ".join(missing)}: pip install "mmsearch[{info.extra}]"',
            hint=None if info.is_transformers else HintKind.USE_MINI,
        )


def is_ready(info: ModelInfo) -> bool:
    """Whether a model can run without a download: its packages and weights, or its export, are on this machine."""
    if info.family == "mini":
        return True
    if not _missing(info):
        from mmsearch.retrieval.encoders.hub import weights_here

        if weights_here(info) is not None:
            return True
    from mmsearch.retrieval.encoders.onnx import find_export

    return find_export(info.name, None) is not None


def _missing(info: ModelInfo) -> list[str]:
    """Packages that the model needs and that are not installed. Imports none of them."""
    return [package for package in info.needs if importlib.util.find_spec(package) is None]


def _weights_without_torch(info: ModelInfo) -> Path | None:
    """The weights of an export's source, where finding them imports no torch."""
    if not info.repository and info.checkpoint is None:
        return None
    from mmsearch.retrieval.encoders.hub import weights_here

    return weights_here(info)


def _digest(weights: Path | None) -> str | None:
    if weights is None:
        return None
    from mmsearch.retrieval.encoders.digests import file_sha256

    return file_sha256(weights)[:16]
