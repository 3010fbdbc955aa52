"""From a model's name to an encoder: which runtime, whether its packages and weights are here."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from mmsearch.errors import HintKind, ModelUnavailableError, UsageError
from mmsearch.retrieval.encoders.catalogue import CATALOGUE, Entry, resolve

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
    entry = resolve(name)
    if entry.runtime == "mini":
        return _load_mini(device, precision, threads)
    if entry.is_transformers:
        return _load_transformers(entry, device, precision, threads)
    if device in ("auto", "cpu") and precision in ("auto", "float32"):
        exported = _load_export(entry, threads, throughput)
        if exported is not None:
            return exported
    return _load_open_clip(entry, device, precision, threads)


def auto_model() -> tuple[str, str]:
    """The best catalogue model of texts and pictures that can run here without fetching anything, else `mini`; and
    one line that says so.

    Imports neither torch nor open_clip.
    """
    for entry in CATALOGUE:
        if entry.runtime == "open_clip" and is_ready(entry):
            return entry.name, f"model {entry.name}: the best whose weights are on this machine ({entry.note})"
    return "mini", "model mini: built in, small, English"


def _load_mini(device: str, precision: str, threads: int | None) -> MiniEncoder:
    from mmsearch.retrieval.encoders.mini import MiniEncoder

    if device not in ("auto", "cpu"):
        raise UsageError(f"mini runs on the CPU alone, not on {device!r}", hint=HintKind.LEAVE_DEVICE)
    if precision not in ("auto", "int8"):
        raise UsageError(f"mini is int8, not {precision!r}", hint=HintKind.LEAVE_PRECISION)
    return MiniEncoder(threads)


def _load_export(entry: Entry, threads: int | None, throughput: bool) -> OnnxEncoder | None:
    from mmsearch.retrieval.encoders.onnx import OnnxEncoder, find_export

    torch_is_here = not _missing(entry)
    if throughput and torch_is_here:
        return None
    weights = _weights_without_torch(entry) if torch_is_here else None
    folder = find_export(entry.name, _digest(weights))
    return None if folder is None else OnnxEncoder(folder, threads=threads)


def _load_open_clip(entry: Entry, device: str, precision: str, threads: int | None) -> OpenClipEncoder:
    require_packages(entry)
    from mmsearch.retrieval.encoders.hub import pull, text_files_here
    from mmsearch.retrieval.encoders.openclip.config import read_config
    from mmsearch.retrieval.encoders.openclip.encoder import OpenClipEncoder

    config = read_config(entry, pull(entry), text_files_here(entry))
    return OpenClipEncoder(entry.name, config, device=device, precision=precision, threads=threads)


def _load_transformers(
    entry: Entry, device: str, precision: str, threads: int | None
) -> ClapEncoder | PeAvAudioEncoder | PeAvVideoEncoder:
    require_packages(entry)
    from mmsearch.retrieval.encoders.hub import pull
    from mmsearch.retrieval.encoders.huggingface import clap, pe_av
    from mmsearch.retrieval.encoders.huggingface.checkpoint import read_checkpoint

    module = clap if entry.runtime == "clap" else pe_av
    checkpoint = read_checkpoint(pull(entry), module.MODEL_TYPE, entry.modalities)
    if entry.runtime == "clap":
        return clap.ClapEncoder(entry.name, checkpoint, device=device, precision=precision, threads=threads)
    kind = pe_av.PeAvAudioEncoder if "audio" in entry.modalities else pe_av.PeAvVideoEncoder
    return kind(entry.name, checkpoint, device=device, precision=precision, threads=threads)


def require_packages(entry: Entry) -> None:
    """Raise a `ModelUnavailableError` that names the extra if packages of the model are not installed."""
    missing = _missing(entry)
    if missing:
        raise ModelUnavailableError(
            f'{entry.name} needs {" and ".join(missing)}: pip install "mmsearch[{entry.extra}]"',
            hint=None if entry.is_transformers else HintKind.USE_MINI,
        )


def is_ready(entry: Entry) -> bool:
    """Whether a model can run here without fetching anything: packages and weights, or an export, are here."""
    if entry.runtime == "mini":
        return True
    if not _missing(entry):
        from mmsearch.retrieval.encoders.hub import weights_here

        if weights_here(entry) is not None:
            return True
    from mmsearch.retrieval.encoders.onnx import find_export

    return find_export(entry.name, None) is not None


def _missing(entry: Entry) -> list[str]:
    """Packages that the entry needs and that are not installed; looks for them without importing them."""
    return [package for package in entry.needs if importlib.util.find_spec(package) is None]


def _weights_without_torch(entry: Entry) -> Path | None:
    """The weights of an export's source, where finding them imports no torch."""
    if not entry.repository and entry.checkpoint is None:
        return None
    from mmsearch.retrieval.encoders.hub import weights_here

    return weights_here(entry)


def _digest(weights: Path | None) -> str | None:
    if weights is None:
        return None
    from mmsearch.retrieval.encoders.digests import file_sha256

    return file_sha256(weights)[:16]
