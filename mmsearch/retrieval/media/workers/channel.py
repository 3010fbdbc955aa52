"""The way from a decoding worker to the main process, while a job is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.media.workers.jobs import PartFacts, TextPart
from mmsearch.retrieval.media.workers.messages import Message, PartInMemory


@dataclass(frozen=True, slots=True)
class WorkerChannel:
    """The way to the main process, while a job is done.

    ``send`` sends a message; ``wait`` returns when the main process has taken a part.
    """

    send: Callable[[Message], None]
    wait: Callable[[], object]
    content_hash: bytes = b""

    def send_part(self, memory: NDArray[np.uint8], facts: PartFacts, array: NDArray[Any]) -> None:
        """Put a part where the main process sees it, and wait until it has been taken."""
        data = np.ascontiguousarray(array)
        memory[: data.nbytes] = data.reshape(-1).view(np.uint8)
        self.send(PartInMemory(facts, data.shape, self.content_hash))
        self.wait()

    def send_texts(self, texts: list[tuple[int, str]], unit: Literal["row", "page"] = "row") -> None:
        """Send some rows of a table, or pages of a document, and wait until they have been taken."""
        self.send(TextPart(b"", texts, self.content_hash, unit))
        self.wait()
