"""Makes an open_clip model and fills it from a checkpoint, safely; chooses device and precision."""

from __future__ import annotations

import pickle
from copy import deepcopy
from pathlib import Path
from typing import Any

from mmsearch.errors import ModelUnavailableError, UsageError
from mmsearch.retrieval.encoders.openclip.config import ModelConfig

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "float32", "bfloat16", "float16")


def choose_device(device: str) -> str:
    """``cuda``, ``mps`` or ``cpu``: what was asked for, or with ``auto`` the first of these that is there.

    Raises:
        UsageError: no such device here.
    """
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return next(name for name, is_there in there.items() if is_there)
    if not there.get(device, False):
        here = ", ".join(name for name, is_there in there.items() if is_there)
        raise UsageError(f"no device {device!r} for torch on this machine; there is: {here}")
    return device


def choose_precision(precision: str, device: str) -> str:
    """``float32``, ``bfloat16`` or ``float16``; with ``auto`` bfloat16 where the hardware multiplies it natively.

    On a CPU that means AMX (Intel, since Sapphire Rapids). Measured on two such cores with ViT-B-32, batches of 32:
    155 pictures a second against 37 in float32; but with AVX512-BF16 alone 23 against 35, and without either 8.

    Raises:
        UsageError: the precision is none that torch towers run in.
    """
    import torch

    if precision not in PRECISIONS:
        raise UsageError(f"precision {precision!r} is none of {', '.join(PRECISIONS)} for this model")
    if precision != "auto":
        return precision
    native = {
        "cuda": lambda: torch.cuda.is_bf16_supported(including_emulation=False),
        "cpu": torch.cpu._is_amx_tile_supported,  # the public get_capabilities() came with torch 2.10
    }
    return "bfloat16" if device in native and native[device]() else "float32"


def load_model(config: ModelConfig, device: str, precision: str) -> Any:
    """The torch module in evaluation mode, on the device, all weights in the precision.

    Raises:
        ModelUnavailableError: the checkpoint cannot be read, holds code, or does not fit the architecture.
    """
    import torch
    from open_clip import load_checkpoint

    check_safe(config.weights)
    model = _make_model(config)
    try:
        load_checkpoint(model, str(config.weights), weights_only=True)
    except Exception as error:  # the state of a stranger's file can break open_clip's conversions in any way
        raise ModelUnavailableError(f"{config.weights} does not fit the architecture: {_first_lines(error)}") from None
    return model.requires_grad_(False).eval().to(device, getattr(torch, precision))


def check_safe(weights: Path) -> None:
    """Refuses a checkpoint that could run code: only safetensors, and pickles of nothing but tensors, pass.

    open_clip's own reader falls back to an unrestricted load on a ``TypeError``, so a pickle is read here first;
    memory-mapped, which leaves the tensors on disk.

    Raises:
        ModelUnavailableError: it holds code or is no checkpoint.
    """
    import torch

    if weights.suffix == ".safetensors":
        return  # a header and raw numbers; open_clip reads files of this name in no other way
    try:
        torch.load(weights, map_location="cpu", weights_only=True, mmap=_is_zip(weights))
    except pickle.UnpicklingError:
        raise ModelUnavailableError(
            f"{weights} holds more than weights and could run code when loaded: refused; "
            "ask for a .safetensors file, or save its state_dict alone"
        ) from None
    except Exception as error:
        raise ModelUnavailableError(f"{weights} cannot be read as a checkpoint: {_first_lines(error)}") from None


def _is_zip(path: Path) -> bool:
    """Whether torch can map the file: its format since 1.6 is a zip archive."""
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _make_model(config: ModelConfig) -> Any:
    """The module that open_clip's factory would make, with no weights fetched for its parts."""
    from open_clip import CLIP, CoCa, CustomTextCLIP

    model = deepcopy(config.model)
    text, vision = model["text_cfg"], model["vision_cfg"]
    if "timm_model_name" in vision:
        vision["timm_model_pretrained"] = False
    if "hf_model_name" in text:
        text["hf_model_pretrained"] = False
        text["hf_model_name"] = str(config.text_files or text["hf_model_name"])
    custom = model.pop("custom_text", False) or "hf_model_name" in text
    kind = (CoCa if "multimodal_cfg" in model else CustomTextCLIP) if custom else CLIP
    try:
        return kind(**model)
    except Exception as error:  # timm, transformers and open_clip each raise their own
        raise ModelUnavailableError(f"the architecture cannot be made: {_first_lines(error)}") from None


def _first_lines(error: Exception) -> str:
    """The error in one line: torch lists each key that does not fit on lines of its own."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return " ".join(lines[:2])[:300]
