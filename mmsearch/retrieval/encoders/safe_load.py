"""Checkpoints from strangers: only those that hold nothing but weights are loaded."""

from __future__ import annotations

import pickle
from pathlib import Path

from mmsearch.errors import ModelUnavailableError


def check_safe(weights: Path) -> None:
    """Check that loading a checkpoint cannot run code: it is safetensors, or a pickle of nothing but tensors.

    open_clip falls back to an unrestricted load on a ``TypeError``, so a pickle is read here first; memory-mapped, so
    that the tensors stay on disk.

    Raises:
        ModelUnavailableError: it holds code, or is no checkpoint.
    """
    import torch

    if weights.suffix == ".safetensors":
        return  # a JSON header and raw numbers; such files are never read as pickles
    try:
        torch.load(weights, map_location="cpu", weights_only=True, mmap=_is_zip(weights))
    except pickle.UnpicklingError:
        raise ModelUnavailableError(
            f"{weights} holds more than weights and could run code when loaded: refused; "
            "ask for a .safetensors file, or save its state_dict alone"
        ) from None
    except Exception as error:
        raise ModelUnavailableError(f"{weights} cannot be read as a checkpoint: {first_lines(error)}") from None


def first_lines(error: Exception) -> str:
    """The first two lines of an error in one, at most 300 characters: torch lists each key that does not fit."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return " ".join(lines[:2])[:300]


def _is_zip(path: Path) -> bool:
    """Whether torch can map the file: its format since 1.6 is a zip archive."""
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"
