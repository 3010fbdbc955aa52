"""The front of readers: a collection that they look up in, and the token that they are shown."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmsearch import Collection, MMSearchError
from mmsearch.scale.readers import Readers, open_front

TOKEN, TOKEN_FILE = "MMSEARCH_READER_TOKEN", "MMSEARCH_READER_TOKEN_FILE"
"""Variables of the environment with what readers ask for, or with the file that holds it."""


def front_of(
    path: str | os.PathLike[str],
    addresses: Sequence[str],
    late_after: float,
    *,
    device: str,
    precision: str,
    texts_kept: int,
) -> tuple[Collection, Readers]:
    """A collection that readers look up in, and these.

    Raises:
        MMSearchError: the token cannot be read, the readers do not fit together, or there is no collection.
    """
    readers = Readers(addresses, token_of_readers(os.environ), late_after)
    try:
        return open_front(path, readers, device=device, precision=precision, texts_kept=texts_kept), readers
    except BaseException:
        readers.close()
        raise


def token_of_readers(environment: Mapping[str, str]) -> str | None:
    """What readers ask for; None for nothing.

    Raises:
        MMSearchError: the file cannot be read, or is empty.
    """
    path = environment.get(TOKEN_FILE)
    if environment.get(TOKEN) or not path:
        return environment.get(TOKEN) or None
    try:
        token = Path(path).read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "it is no text"
        raise MMSearchError(f"${TOKEN_FILE} names {path}, which cannot be read: {why}") from error
    if not token:
        raise MMSearchError(f"${TOKEN_FILE} names {path}, which is empty")
    return token
