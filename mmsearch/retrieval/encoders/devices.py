"""Where torch towers run and in which numbers; checks that come before any of them loads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mmsearch.errors import UsageError

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

    checked_precision(precision)
    if precision != "auto":
        return precision
    native = {
        "cuda": lambda: torch.cuda.is_bf16_supported(including_emulation=False),
        "cpu": torch.cpu._is_amx_tile_supported,  # the public get_capabilities() came with torch 2.10
    }
    return "bfloat16" if device in native and native[device]() else "float32"


def checked_precision(precision: str) -> str:
    """The precision itself.

    Raises:
        UsageError: it is none that torch towers run in.
    """
    if precision not in PRECISIONS:
        raise UsageError(f"precision {precision!r} is none of {', '.join(PRECISIONS)} for this model")
    return precision


@contextmanager
def full_float32(precision: str) -> Iterator[None]:
    """float32 convolutions in float32: cuDNN would round their inputs to 10 bits (TF32) unless told not to."""
    import torch

    if precision != "float32" or not torch.cuda.is_available():
        yield
        return
    with torch.backends.cudnn.flags(
        enabled=torch.backends.cudnn.enabled, benchmark=False, deterministic=True, allow_tf32=False
    ):
        yield
