"""Where and how models run: device, precision, threads; and what torch offers of these on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from mmsearch.errors import UsageError

PRECISIONS = ("auto", "float32", "bfloat16", "float16")
"""The precisions of models that run in torch."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """How models run. Made once, and handed to every encoder that is loaded.

    Attributes:
        device: ``auto``, ``cpu``, ``mps``, ``cuda``, ``cuda:1``, or ``cuda:0,2`` for some GPUs. Where many items are
            embedded, ``cuda`` is every GPU that torch sees; a query runs on the first.
        precision: of weights and activations: ``auto``, ``float32``, ``bfloat16`` or ``float16``; `mini` has only its
            own, ``int8``.
        threads: threads of a model on the CPU; None leaves the choice to the library that runs it. In torch they are
            those of the whole process.
    """

    device: str = "auto"
    precision: str = "auto"
    threads: int | None = None


DEFAULT_RUNTIME = Runtime()


def device_kind(device: str) -> str:
    """``cuda`` of ``cuda:1``; other names as they are."""
    return device.partition(":")[0]


def each_device(device: str) -> tuple[str, ...]:
    """The devices that a name stands for where many items are embedded: ``cuda:0`` and ``cuda:2`` of ``cuda:0,2``.

    Raises:
        UsageError: it names no GPU, or one that torch does not see.
    """
    if device_kind(device) != "cuda":
        return (device,)
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "cuda":
        return tuple(f"cuda:{number}" for number in range(count)) if count > 1 else (device,)
    numbers = device.partition(":")[2].split(",")
    if not all(number.isdecimal() for number in numbers) or len(set(numbers)) < len(numbers):
        raise UsageError(f"{device!r} is no device; cuda:1 is a GPU, and cuda:0,2 are two")
    if missing := [number for number in numbers if int(number) >= count]:
        seen = f"it sees {count}, numbered from 0" if count else "it sees none"
        raise UsageError(f"torch sees no GPU {missing[0]} on this machine: {seen}")
    return tuple(f"cuda:{int(number)}" for number in numbers)


def choose_device(device: str) -> str:
    """The device that torch runs on: the one asked for, or with ``auto`` the first of ``cuda``, ``mps`` and ``cpu``.

    Of several GPUs it is the first.

    Raises:
        UsageError: torch has no such device on this machine.
    """
    import torch

    if device.startswith("cuda:"):
        return each_device(device)[0]

    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return next(name for name, is_available in available.items() if is_available)
    if not available.get(device, False):
        names = ", ".join(name for name, is_available in available.items() if is_available)
        raise UsageError(f"no device {device!r} for torch on this machine; there is: {names}")
    return device


def choose_precision(precision: str, device: str) -> str:
    """``float32``, ``bfloat16`` or ``float16``; ``auto`` is bfloat16 if the hardware multiplies it natively.

    On a CPU that means AMX (Intel, since Sapphire Rapids). Measured on two such cores with ViT-B-32 in batches of 32:
    155 pictures a second, against 37 in float32. With AVX512-BF16 but no AMX it was 23 against 35, with neither 8.

    Raises:
        UsageError: the precision is not one of `PRECISIONS`.
    """
    import torch

    checked_precision(precision)
    if precision != "auto":
        return precision
    native = {
        "cuda": lambda: torch.cuda.is_bf16_supported(including_emulation=False),
        "cpu": torch.cpu._is_amx_tile_supported,  # the public get_capabilities() came with torch 2.10
    }
    kind = device_kind(device)
    return "bfloat16" if kind in native and native[kind]() else "float32"


def checked_precision(precision: str) -> str:
    """The precision, unchanged.

    Raises:
        UsageError: it is not one of `PRECISIONS`.
    """
    if precision not in PRECISIONS:
        raise UsageError(f"precision {precision!r} is none of {', '.join(PRECISIONS)} for this model")
    return precision


@contextmanager
def full_float32(precision: str) -> Iterator[None]:
    """Within it, float32 convolutions are float32 on a GPU too: cuDNN's default rounds inputs to 10 bits (TF32)."""
    import torch

    if precision != "float32" or not torch.cuda.is_available():
        yield
        return
    with torch.backends.cudnn.flags(
        enabled=torch.backends.cudnn.enabled, benchmark=False, deterministic=True, allow_tf32=False
    ):
        yield
