"""The models by name: frozen facts about each, known without loading anything, and `resolve` for any name."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mmsearch.errors import UsageError
from mmsearch.types import Modality

_PREFIX = "open_clip:"
_TEXT_AND_IMAGE: frozenset[Modality] = frozenset({"text", "image"})
_TORCH = ("torch", "open_clip")
_TRANSFORMERS = (*_TORCH, "transformers")


@dataclass(frozen=True, slots=True)
class Entry:
    """One model.

    ``architecture`` and ``pretrained`` are open_clip's names, ``repository`` where on the Hugging Face hub the
    weights are. ``dim`` and ``download_mb`` (megabytes, rounded: about what will be fetched) are None where only the
    model itself knows. ``needs`` names the packages it runs on, ``checkpoint`` a file or folder in place of a tag.
    """

    name: str
    runtime: Literal["mini", "open_clip"]
    architecture: str
    pretrained: str
    modalities: frozenset[Modality] = _TEXT_AND_IMAGE
    dim: int | None = None
    download_mb: int | None = None
    licence: str = "see the model's own page"
    note: str = ""
    repository: str = ""
    needs: tuple[str, ...] = _TORCH
    checkpoint: Path | None = None


# Best first, by the authors' published zero-shot retrieval: `auto` takes the first whose weights are on this machine.
CATALOGUE: tuple[Entry, ...] = (
    Entry(
        name="siglip2-large",
        runtime="open_clip",
        architecture="ViT-SO400M-14-SigLIP2",
        pretrained="webli",
        dim=1152,
        download_mb=4580,
        licence="Apache-2.0",
        note="many languages; wants a GPU",
        repository="timm/ViT-SO400M-14-SigLIP2",
        needs=_TRANSFORMERS,
    ),
    Entry(
        name="pe-core-l",
        runtime="open_clip",
        architecture="PE-Core-L-14-336",
        pretrained="meta",
        dim=1024,
        download_mb=2690,
        licence="Apache-2.0",
        note="English; fine detail at 336 pixels; reads 30 tokens of a text; wants a GPU",
        repository="timm/PE-Core-L-14-336",
    ),
    Entry(
        name="siglip2",
        runtime="open_clip",
        architecture="ViT-B-16-SigLIP2-256",
        pretrained="webli",
        dim=768,
        download_mb=1540,
        licence="Apache-2.0",
        note="many languages; the one to take if unsure",
        repository="timm/ViT-B-16-SigLIP2-256",
        needs=_TRANSFORMERS,
    ),
    Entry(
        name="mobileclip2-s4",
        runtime="open_clip",
        architecture="MobileCLIP2-S4",
        pretrained="dfndr2b",
        dim=768,
        download_mb=1780,
        licence="Apple ML Research (research only)",
        note="English",
        repository="timm/MobileCLIP2-S4-OpenCLIP",
    ),
    Entry(
        name="pe-core-b",
        runtime="open_clip",
        architecture="PE-Core-B-16",
        pretrained="meta",
        dim=1024,
        download_mb=1790,
        licence="Apache-2.0",
        note="English; reads 30 tokens of a text",
        repository="timm/PE-Core-B-16",
    ),
    Entry(
        name="clip-large",
        runtime="open_clip",
        architecture="ViT-L-14",
        pretrained="datacomp_xl_s13b_b90k",
        dim=768,
        download_mb=1710,
        licence="MIT",
        note="English; wants a GPU",
        repository="laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K",
    ),
    Entry(
        name="clip",
        runtime="open_clip",
        architecture="ViT-B-32-256",
        pretrained="datacomp_s34b_b86k",
        dim=512,
        download_mb=610,
        licence="MIT",
        note="English; the fastest on a CPU",
        repository="laion/CLIP-ViT-B-32-256x256-DataComp-s34B-b86K",
    ),
    Entry(
        name="mobileclip2-s0",
        runtime="open_clip",
        architecture="MobileCLIP2-S0",
        pretrained="dfndr2b",
        dim=512,
        download_mb=300,
        licence="Apple ML Research (research only)",
        note="English; the smallest download",
        repository="timm/MobileCLIP2-S0-OpenCLIP",
    ),
    Entry(
        name="xlm-clip",
        runtime="open_clip",
        architecture="xlm-roberta-base-ViT-B-32",
        pretrained="laion5b_s13b_b90k",
        dim=512,
        download_mb=1470,
        licence="MIT",
        note="many languages, older than siglip2",
        repository="laion/CLIP-ViT-B-32-xlm-roberta-base-laion5B-s13B-b90k",
        needs=_TRANSFORMERS,
    ),
    Entry(
        name="mini",
        runtime="mini",
        architecture="EfficientNet-Lite1 + token table",
        pretrained="mini-v0",
        dim=256,
        download_mb=0,
        licence="research data: see MODEL_LICENSE",
        note="built in; English; no network, no torch",
        needs=(),
    ),
)


def resolve(name: str) -> Entry:
    """The entry for a catalogue name, ``open_clip:ARCH/TAG`` or ``open_clip:ARCH@/path`` (a file or a folder).

    A tag that the catalogue has under a short name gives that entry, so that both share one space. Whether
    open_clip knows the architecture and tag shows when the model is loaded.

    Raises:
        UsageError: no such name, or nothing at the path.
    """
    for entry in CATALOGUE:
        if name in (entry.name, f"{_PREFIX}{entry.architecture}/{entry.pretrained}"):
            return entry
    if not name.startswith(_PREFIX):
        raise UsageError(_unknown(name))
    reference = name.removeprefix(_PREFIX)
    architecture, separator, rest = re.fullmatch(r"([^/@]*)([/@]?)(.*)", reference, re.DOTALL).groups()  # type: ignore[union-attr]
    if not architecture or not rest:
        raise UsageError(
            f"{name!r} is no model; write open_clip:ARCH/TAG, for example open_clip:ViT-B-32/openai, "
            "or open_clip:ARCH@/path/to/checkpoint"
        )
    if separator == "/":
        return Entry(name, "open_clip", architecture, rest, repository="")
    checkpoint = Path(rest).expanduser().absolute()
    if not checkpoint.exists():
        raise UsageError(f"no checkpoint at {checkpoint}: name a weights file, or a folder that holds one")
    return Entry(
        name=f"{_PREFIX}{architecture}@{checkpoint}",
        runtime="open_clip",
        architecture=architecture,
        pretrained="",
        checkpoint=checkpoint,
    )


def _unknown(name: str) -> str:
    known = [entry.name for entry in CATALOGUE]
    close = difflib.get_close_matches(name.lower(), known, n=2, cutoff=0.5)
    meant = f" (did you mean {' or '.join(close)}?)" if close else ""
    return f"no model {name!r}{meant}; `mmsearch models list` shows all, and open_clip:ARCH/TAG names any other"
