"""Which camera or phone made a picture or film: its maker and model, as one name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

_MAKE, _MODEL = 0x010F, 0x0110
_LONGEST = 80
_OF_FILMS = (
    ("com.apple.quicktime.make", "com.apple.quicktime.model"),
    ("com.android.manufacturer", "com.android.model"),
    ("make", "model"),
)


def camera_name(make: object, model: object) -> str | None:
    """A name such as ``Canon EOS 80D``: the model, after its maker if it does not begin with it; None for no model."""
    maker, name = _words(make), _words(model)
    if not name:
        return None
    is_said = not maker or name.lower().startswith(maker.split()[0].lower())
    return (name if is_said else f"{maker} {name}")[:_LONGEST].rstrip()


def camera_of_picture(exif: Mapping[int, Any]) -> str | None:
    """The camera that EXIF or TIFF tags name."""
    try:
        return camera_name(exif.get(_MAKE), exif.get(_MODEL))
    except Exception:  # metadata may be cut off, or of any type
        return None


def camera_of_film(metadata: Iterable[Mapping[str, str]]) -> str | None:
    """The camera that the metadata of a film's container or tracks name."""
    for table in metadata:
        lower = {name.lower(): value for name, value in table.items()}
        for make, model in _OF_FILMS:
            if camera := camera_name(lower.get(make), lower.get(model)):
                return camera
    return None


def _words(value: object) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")
    return " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", text).split())
