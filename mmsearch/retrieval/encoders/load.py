"""From a model's name to an encoder: which library runs it, and whether its packages and weights are here."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from typing import TYPE_CHECKING

from mmsearch.errors import HintKind, ModelUnavailableError, UsageError
from mmsearch.retrieval.encoders.catalogue import ModelInfo, is_catalogue_name, resolve
from mmsearch.retrieval.encoders.runtime import DEFAULT_RUNTIME, Runtime, each_device

if TYPE_CHECKING:
    from pathlib import Path

    from mmsearch.retrieval.encoders.huggingface.clap import ClapEncoder
    from mmsearch.retrieval.encoders.huggingface.pe_av import PeAvAudioEncoder, PeAvVideoEncoder
    from mmsearch.retrieval.encoders.mini import MiniEncoder
    from mmsearch.retrieval.encoders.onnx import OnnxEncoder
    from mmsearch.retrieval.encoders.openclip.encoder import OpenClipEncoder
    from mmsearch.retrieval.encoders.protocol import Encoder


def load_encoder(
    model: str | Encoder,
    runtime: Runtime = DEFAULT_RUNTIME,
    *,
    throughput: bool = False,
    from_manifest: bool = False,
) -> Encoder:
    """The encoder of a model. Weights that are not on this machine are fetched.

    Args:
        model: a name that `resolve` takes, or an encoder of the caller's own: an object with the methods of
            `encoders.protocol`, ``"module:Class"``, or a name that a package registers (see `encoders.custom`).
        runtime: device, precision and threads.
        throughput: whether many items are to be embedded. If not, or if torch is not installed, networks exported to
            ONNX are preferred: they start sooner, but run only on the CPU and in float32. If so, and the device stands
            for several GPUs, the encoder is a `SeveralDevices`, which embeds on all of them.
        from_manifest: whether the name comes from a collection on disk. Then ``"module:Class"`` is not imported: the
            collection may be a stranger's, and importing runs code.

    Raises:
        UsageError: there is no such model, it does not run on this device or in this precision, or the object is no
            encoder.
        ModelUnavailableError: packages or weights are missing and cannot be fetched, or the encoder of a collection is
            not known; the text says what to do.
    """
    if not isinstance(model, str):
        from mmsearch.retrieval.encoders.custom import checked_encoder

        return checked_encoder(model)
    devices = each_device(runtime.device) if throughput else ()
    if len(devices) > 1:
        from mmsearch.retrieval.encoders.several_devices import SeveralDevices

        local = load_encoder(model, replace(runtime, device=devices[0]), from_manifest=from_manifest)
        return SeveralDevices(model, devices, runtime, local)
    if not is_catalogue_name(model):
        from mmsearch.retrieval.encoders.custom import load_by_name

        own = load_by_name(model, runtime, imports=not from_manifest)
        if own is not None:
            return own
    info = resolve(model)
    if info.is_transcriber:
        raise UsageError(f"{info.name} turns speech into text; it embeds nothing", hint=HintKind.TRANSCRIBE_WITH)
    if info.family == "mini":
        return _load_mini(runtime)
    if info.is_transformers:
        return _load_transformers(info, runtime)
    if runtime.device in ("auto", "cpu") and runtime.precision in ("auto", "float32"):
        exported = _load_export(info, runtime.threads, throughput)
        if exported is not None:
            return exported
    return _load_open_clip(info, runtime)


def _load_mini(runtime: Runtime) -> MiniEncoder:
    from mmsearch.retrieval.encoders.mini import MiniEncoder

    if runtime.device not in ("auto", "cpu"):
        raise UsageError(f"mini runs only on the CPU, not on {runtime.device!r}", hint=HintKind.LEAVE_DEVICE)
    if runtime.precision not in ("auto", "int8"):
        raise UsageError(f"mini is int8, not {runtime.precision!r}", hint=HintKind.LEAVE_PRECISION)
    return MiniEncoder(runtime.threads)


def _load_export(info: ModelInfo, threads: int | None, throughput: bool) -> OnnxEncoder | None:
    from mmsearch.retrieval.encoders.onnx import OnnxEncoder, find_export

    has_torch = not _missing(info)
    if throughput and has_torch:
        return None
    weights = _weights_without_torch(info) if has_torch else None
    folder = find_export(info.name, _digest(weights))
    return None if folder is None else OnnxEncoder(folder, threads=threads)


def _load_open_clip(info: ModelInfo, runtime: Runtime) -> OpenClipEncoder:
    require_packages(info)
    from mmsearch.retrieval.encoders.hub import fetch_weights, text_files_here
    from mmsearch.retrieval.encoders.openclip.config import read_config
    from mmsearch.retrieval.encoders.openclip.encoder import OpenClipEncoder

    config = read_config(info, fetch_weights(info), text_files_here(info))
    return OpenClipEncoder(info.name, config, runtime)


def _load_transformers(info: ModelInfo, runtime: Runtime) -> ClapEncoder | PeAvAudioEncoder | PeAvVideoEncoder:
    require_packages(info)
    from mmsearch.retrieval.encoders.hub import fetch_weights
    from mmsearch.retrieval.encoders.huggingface import clap, pe_av
    from mmsearch.retrieval.encoders.huggingface.checkpoint import read_checkpoint

    module = clap if info.family == "clap" else pe_av
    checkpoint = read_checkpoint(fetch_weights(info), module.MODEL_TYPE, info.modalities)
    if info.family == "clap":
        return clap.ClapEncoder(info.name, checkpoint, runtime)
    kind = pe_av.PeAvAudioEncoder if "audio" in info.modalities else pe_av.PeAvVideoEncoder
    return kind(info.name, checkpoint, runtime)


def require_packages(info: ModelInfo) -> None:
    """Check that the packages a model needs are installed.

    Raises:
        ModelUnavailableError: one is not; the text names the extra of mmsearch.
    """
    missing = _missing(info)
    if missing:
        raise ModelUnavailableError(
            f'{info.name} needs {" and ".join(missing)}: pip install "mmsearch[{info.extra}]"',
            hint=None if info.is_transformers or info.is_transcriber else HintKind.USE_MINI,
        )


def is_ready(info: ModelInfo) -> bool:
    """Whether a model can run without a download: its packages and weights, or its export, are on this machine."""
    if info.family == "mini":
        return True
    if info.is_transcriber:
        from mmsearch.retrieval.encoders.hub import folder_here

        return not _missing(info) and folder_here(info) is not None
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
    """The weights that an export was made of, if they can be found without importing torch."""
    if not info.repository and info.checkpoint is None:
        return None
    from mmsearch.retrieval.encoders.hub import weights_here

    return weights_here(info)


def _digest(weights: Path | None) -> str | None:
    if weights is None:
        return None
    from mmsearch.retrieval.encoders.digests import file_sha256

    return file_sha256(weights)[:16]
