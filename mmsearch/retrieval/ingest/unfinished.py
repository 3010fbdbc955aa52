"""Files that take long to embed: their vectors are kept on disk now and then, so that a later run can go on."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from mmsearch.retrieval.media.decode_spec import DecodeSpec
from mmsearch.retrieval.media.resume import ResumePoint, ResumePoints
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
"""Seconds of work on a long file that may be lost, beside the batch that is being embedded."""


class UnfinishedFiles:
    """The vectors that are kept on disk of files that are not embedded to their end.

    Args:
        root: the collection's folder.
        digest: the `vector_digest` of the run: vectors of a run with another digest are not used.
        spec: what the run decodes.
        spaces: the space of each modality.

    Attributes:
        kept: what earlier runs kept, by the hash of the file's content.
        resume_points: where decoding may begin in those files, by the hash of the file's content.
    """

    def __init__(self, root: Path, digest: str, spec: DecodeSpec, spaces: Mapping[Modality, Space]) -> None:
        self._root, self._digest = root, digest
        dims = {modality: space.dim for modality, space in spaces.items()}
        self.kept: dict[bytes, PartialPieces] = {}
        self._names = set(partial_names(root))
        for name in self._names:
            content_hash, _, of_digest = name.partition("-")
            if of_digest == digest and (pieces := read_pieces(root, name, dims)):
                self.kept[bytes.fromhex(content_hash)] = pieces
        self.resume_points = {content_hash: _resume_points(pieces, spec) for content_hash, pieces in self.kept.items()}
        self._finished: deque[tuple[int, bytes]] = deque()

    def keep(self, content_hash: bytes, modality: Modality, first: int, pieces: Sequence[PartialPiece]) -> None:
        """Write pieces of a file to disk; ``first`` is the number of the first of them among its modality's."""
        self._names.add(self._name(content_hash))
        append_pieces(self._root, self._name(content_hash), modality, first, pieces)

    def finish(self, content_hash: bytes, after: int = 0) -> None:
        """Mark a file as embedded or unusable: its pieces are removed once ``after`` files are committed."""
        if self._name(content_hash) in self._names:
            self._finished.append((after, content_hash))

    def remove_finished(self, committed: int) -> None:
        """Remove the pieces of finished files, now that so many files are ``committed``."""
        while self._finished and self._finished[0][0] <= committed:
            name = self._name(self._finished.popleft()[1])
            remove_partial(self._root, name)
            self._names.discard(name)

    def _name(self, content_hash: bytes) -> str:
        return f"{content_hash.hex()}-{self._digest}"


def _resume_points(kept: PartialPieces, spec: DecodeSpec) -> ResumePoints:
    """The last shot and the last window that are kept and that decoding may begin with."""
    places: dict[Literal["shot", "window"], ResumePoint] = {}
    pieces = kept.get("video", ())
    last = len(pieces) - 1
    if last > 0 and pieces[last].can_go_on:
        shot = next(piece for piece in reversed(pieces) if not piece.continues)
        places["shot"] = _resume_point(last, pieces[last], shot)
    windows = kept.get("audio", ())
    for index in range(len(windows) - 1, 0, -1):
        # The very last window of a sound ends where the sound does, so that it may start between two hops.
        if abs((windows[index].start or 0.0) - index * spec.hop_s) < 0.5 / (spec.sample_rate or 1):
            if windows[index].can_go_on:
                places["window"] = _resume_point(index, windows[index], windows[index])
            break
    return places


def _resume_point(index: int, piece: PartialPiece, shot: PartialPiece) -> ResumePoint:
    return ResumePoint(index, piece.start or 0.0, shot.start or 0.0, piece.damage)
