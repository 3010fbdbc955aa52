"""Files that take long: what is embedded of them is kept every so often, and a later run goes on from there."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from mmsearch.retrieval.media.decode_spec import DecodeSpec
from mmsearch.retrieval.media.resume import Beginnings, Since
from mmsearch.retrieval.store.partial_files import (
    PartialPiece,
    PartialPieces,
    append_pieces,
    partial_names,
    read_pieces,
    remove_partial,
)
from mmsearch.types import Modality, Space

KEEP_AFTER_S = 20.0
"""What is lost of a long file is the work of so long, and that of the batch that is being embedded."""


class Unfinished:
    """What is kept of the files that are being read. ``maker`` tells runs apart that make other pieces of a file.

    ``found`` is what earlier runs left, by the hash of the content.
    """

    def __init__(self, root: Path, maker: str, recipe: DecodeSpec, spaces: Mapping[Modality, Space]) -> None:
        self._root, self._maker = root, maker
        dims = {modality: space.dim for modality, space in spaces.items()}
        self.found: dict[bytes, PartialPieces] = {}
        self._names = set(partial_names(root))
        for name in self._names:
            digest, _, made_by = name.partition("-")
            if made_by == maker and (kept := read_pieces(root, name, dims)):
                self.found[bytes.fromhex(digest)] = kept
        self.places = {digest: _beginnings(kept, recipe) for digest, kept in self.found.items()}
        self._done: deque[tuple[int, bytes]] = deque()

    def keep(self, content_hash: bytes, modality: Modality, first: int, pieces: Sequence[PartialPiece]) -> None:
        """Put pieces on the disk."""
        self._names.add(self._name(content_hash))
        append_pieces(self._root, self._name(content_hash), modality, first, pieces)

    def finish(self, content_hash: bytes, after: int = 0) -> None:
        """A file is whole or good for nothing: forget what is kept of it once ``after`` files are committed."""
        if self._name(content_hash) in self._names:
            self._done.append((after, content_hash))

    def forget(self, committed: int) -> None:
        """Remove what is kept of files that are finished and that are among the first so many committed ones."""
        while self._done and self._done[0][0] <= committed:
            name = self._name(self._done.popleft()[1])
            remove_partial(self._root, name)
            self._names.discard(name)

    def _name(self, content_hash: bytes) -> str:
        return f"{content_hash.hex()}-{self._maker}"


def _beginnings(kept: PartialPieces, recipe: DecodeSpec) -> Beginnings:
    """With which shot and window to begin: the last ones that are kept, so that there is something to begin with."""
    places: dict[Literal["shot", "window"], Since] = {}
    shots = kept.get("video", ())
    last = len(shots) - 1
    if last > 0 and shots[last].can_go_on:
        of_shot = next(shot for shot in reversed(shots) if not shot.continues)
        places["shot"] = _since(last, shots[last], of_shot)
    windows = kept.get("audio", ())
    for index in range(len(windows) - 1, 0, -1):  # the very last window of a sound ends with it, off the others' grid
        if abs((windows[index].start or 0.0) - index * recipe.hop_s) < 0.5 / (recipe.sample_rate or 1):
            if windows[index].can_go_on:
                places["window"] = _since(index, windows[index], windows[index])
            break
    return places


def _since(index: int, piece: PartialPiece, of_shot: PartialPiece) -> Since:
    return Since(index, piece.start or 0.0, of_shot.start or 0.0, piece.damage)
