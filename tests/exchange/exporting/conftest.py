"""Disks that refuse."""

from __future__ import annotations

import builtins
import errno
import os
from contextlib import contextmanager
from typing import Any

import pytest


class Filling:
    """A file on a disk that takes so many more writes, counted over all its files, and then is full."""

    def __init__(self, file: Any, left: list[int]) -> None:
        self._file, self._left = file, left

    def write(self, data: Any) -> int:
        self._left[0] -= 1
        if self._left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._file.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> Filling:
        return self

    def __exit__(self, *what: object) -> None:
        self._file.close()


@pytest.fixture
def full_after(tmp_path, monkeypatch):
    """A disk under ``out`` that is full after so many writes."""

    @contextmanager
    def full(writes: int):
        real, left = builtins.open, [writes]

        def filling(path, mode="r", *rest, **options):
            file = real(path, mode, *rest, **options)
            is_there = isinstance(path, str | os.PathLike) and os.fspath(path).startswith(str(tmp_path / "out"))
            return Filling(file, left) if is_there and mode not in ("r", "rb") else file

        with monkeypatch.context() as patch:
            patch.setattr(builtins, "open", filling)
            yield

    return full
