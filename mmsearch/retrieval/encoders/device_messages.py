"""What a run and its processes for devices say to each other: dataclasses, pickled, through pipes of their own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import MMSearchError
from mmsearch.retrieval.encoders.runtime import Runtime

Vectors = NDArray[np.float32]
Kind = str
"""``texts``, ``images``, ``sounds`` or ``films``: the end of the encoder's method."""


@dataclass(frozen=True, slots=True)
class DeviceSetup:
    """What a process is told first.

    Attributes:
        model: the name of the model.
        runtime: where and how it runs in this process.
        search_path: where modules are found, for an encoder of the user's own.
    """

    model: str
    runtime: Runtime
    search_path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SharedPart:
    """An array in shared memory.

    Attributes:
        handle: a path that this process can open; see `slots.open_shared`.
        size: bytes of the memory.
        offset: where the array begins in it.
        shape: of the array.
        dtype: its type as numpy writes it.
    """

    handle: str
    size: int
    offset: int
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class DeviceBatch:
    """Items to embed: texts as they are, others in shared memory; pictures are one array, others one for each item."""

    kind: Kind
    texts: tuple[str, ...] = ()
    parts: tuple[SharedPart, ...] = ()


@dataclass(frozen=True, slots=True)
class DeviceReply:
    """The vectors of a batch, float32 ``[n, dim]``, or why there are none.

    Attributes:
        vectors: of the batch.
        error: an error that mmsearch raises on purpose.
        is_memory: memory was short for the batch.
        text: what another error says.
    """

    vectors: Vectors | None = None
    error: MMSearchError | None = None
    is_memory: bool = False
    text: str = ""
