"""Names of cameras as people write them, without their makers or in part."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mmsearch.retrieval.places.names import folded


def cameras_named(cameras: Iterable[str], name: str) -> tuple[str, ...]:
    """Those of some cameras whose names have all words of ``name``; a word may also be the beginning of one."""
    words = folded(name).split()
    return tuple(camera for camera in cameras if words and _has_words(folded(camera).split(), words))


def _has_words(own: Sequence[str], words: Sequence[str]) -> bool:
    return all(any(one.startswith(word) for one in own) for word in words)
