"""The models by name: frozen facts about each, known without loading anything, and `resolve` for any name."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mmsearch.errors import HintKind, UsageError
from mmsearch.types import Modality

_PREFIX = "open_clip:"
# A film is its pooled frames: what embeds pictures embeds films.
_PICTURES: frozenset[Modality] = frozenset({"text", "image", "video"})
_SOUNDS: frozenset[Modality] = frozenset({"text", "audio"})
_FILMS: frozenset[Modality] = frozenset({"text", "video"})
_ALL: frozenset[Modality] = frozenset({"text", "image", "audio", "video"})
_ENGLISH, _MANY = "English", "many languages"
_OF_MANY_LANGUAGES = re.compile(r"siglip2|i18n|xlm|mt5|nllb|multilingual", re.IGNORECASE)  # open_clip's architectures
_TORCH = ("torch", "open_clip")
_TRANSFORMERS = (*_TORCH, "transformers")
_TRANSFORMERS_ALONE = ("torch", "transformers")


@dataclass(frozen=True, slots=True)
class Entry:
    """One model.

    ``architecture`` and ``pretrained`` are open_clip's names, ``repository`` where on the Hugging Face hub the
    weights are. ``dim`` and ``download_mb`` (megabytes, rounded: about what will be fetched) are None where only the
    model itself knows. ``needs`` names the packages it runs on, ``checkpoint`` a file or folder in place of a tag.
    ``languages`` is *English* or *many languages*, empty where nobody knows.
    """

    name: str
    runtime: Literal["mini", "open_clip", "clap", "pe_av"]
    architecture: str
    pretrained: str
    modalities: frozenset[Modality] = _PICTURES
    dim: int | None = None
    download_mb: int | None = None
    licence: str = "see the model's own page"
    note: str = ""
    repository: str = ""
    needs: tuple[str, ...] = _TORCH
    checkpoint: Path | None = None
    languages: str = ""

    @property
    def is_transformers(self) -> bool:
        """Whether it runs through transformers, from a folder that holds all its files."""
        return self.runtime in ("clap", "pe_av")

    @property
    def reads_all(self) -> bool:
        """Whether it was trained on texts of many languages and scripts."""
        return self.languages == _MANY

    @property
    def scripts(self) -> frozenset[str] | None:
        """The scripts that its texts were written in, as names of Unicode characters begin; None where any may be."""
        return frozenset({"LATIN"}) if self.languages == _ENGLISH else None

    @property
    def extra(self) -> str:
        """The extra of mmsearch that installs what it needs."""
        return "audio" if self.is_transformers else "clip"

    @property
    def local_name(self) -> str:
        """How a checkpoint of its kind on this machine is named."""
        if not self.is_transformers:
            return f"{_PREFIX}{self.architecture}@/path"
        return "clap@/path" if self.runtime == "clap" else f"{self.name.partition('@')[0]}@/path"


# Best first, by the authors' published zero-shot retrieval: `auto` takes the first whose weights are on this machine.
# Models of sounds and films follow; a collection has them beside its model, so `auto` passes them over.
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
        languages=_MANY,
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
        languages=_ENGLISH,
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
        languages=_MANY,
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
        languages=_ENGLISH,
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
        languages=_ENGLISH,
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
        languages=_ENGLISH,
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
        languages=_ENGLISH,
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
        languages=_ENGLISH,
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
        languages=_MANY,
        repository="laion/CLIP-ViT-B-32-xlm-roberta-base-laion5B-s13B-b90k",
        needs=_TRANSFORMERS,
    ),
    Entry(
        name="clap",
        runtime="clap",
        architecture="CLAP HTSAT-tiny",
        pretrained="laion/clap-htsat-unfused",
        modalities=_SOUNDS,
        dim=512,
        download_mb=615,
        licence="Apache-2.0",
        note="sounds; English; runs on a CPU",
        languages=_ENGLISH,
        repository="laion/clap-htsat-unfused",
        needs=_TRANSFORMERS_ALONE,
    ),
    Entry(
        name="clap-general",
        runtime="clap",
        architecture="CLAP HTSAT-base",
        pretrained="laion/larger_clap_general",
        modalities=_SOUNDS,
        dim=512,
        download_mb=780,
        licence="Apache-2.0",
        note="sounds, music and speech; English",
        languages=_ENGLISH,
        repository="laion/larger_clap_general",
        needs=_TRANSFORMERS_ALONE,
    ),
    Entry(
        name="pe-av-audio",
        runtime="pe_av",
        architecture="PE-AV base, audio head",
        pretrained="facebook/pe-av-base",
        modalities=_SOUNDS,
        dim=1024,
        download_mb=4130,
        licence="Apache-2.0",
        note="sounds, music and speech; wants a GPU",
        languages=_ENGLISH,
        repository="facebook/pe-av-base",
        needs=_TRANSFORMERS_ALONE,
    ),
    Entry(
        name="pe-av-video",
        runtime="pe_av",
        architecture="PE-AV base, video head",
        pretrained="facebook/pe-av-base",
        modalities=_FILMS,
        dim=1024,
        download_mb=4130,
        licence="Apache-2.0",
        note="films; same download as pe-av-audio; wants a GPU",
        languages=_ENGLISH,
        repository="facebook/pe-av-base",
        needs=(*_TRANSFORMERS_ALONE, "timm"),
    ),
    Entry(
        name="mini",
        runtime="mini",
        architecture="EfficientNet-Lite2 + token table + YAMNet",
        pretrained="mini-v1",
        modalities=_ALL,
        dim=256,
        download_mb=0,
        licence="research data: see MODEL_LICENSE",
        note="built in; English; no network, no torch",
        languages=_ENGLISH,
        needs=(),
    ),
)


def resolve(name: str) -> Entry:
    """The entry for a catalogue name, ``open_clip:ARCH/TAG``, ``open_clip:ARCH@/path`` (a file or a folder), or
    ``clap@/path``, ``pe-av-audio@/path``, ``pe-av-video@/path`` (a folder as transformers saves it).

    A tag that the catalogue has under a short name gives that entry, so that both share one space. Whether
    open_clip knows the architecture and tag shows when the model is loaded.

    Raises:
        UsageError: no such name, or nothing at the path.
    """
    for entry in CATALOGUE:
        if name in (entry.name, f"{_PREFIX}{entry.architecture}/{entry.pretrained}"):
            return entry
    if not name.startswith(_PREFIX):
        return _resolve_folder(name)
    reference = name.removeprefix(_PREFIX)
    architecture, separator, rest = re.fullmatch(r"([^/@]*)([/@]?)(.*)", reference, re.DOTALL).groups()  # type: ignore[union-attr]
    if not architecture or not rest:
        raise UsageError(
            f"{name!r} is no model; write open_clip:ARCH/TAG, for example open_clip:ViT-B-32/openai, "
            "or open_clip:ARCH@/path/to/checkpoint"
        )
    if separator == "/":
        languages = _MANY if _OF_MANY_LANGUAGES.search(architecture) else _ENGLISH
        return Entry(name, "open_clip", architecture, rest, repository="", languages=languages)
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


def _resolve_folder(name: str) -> Entry:
    kind, at, path = name.partition("@")
    kinds = {entry.name: entry for entry in CATALOGUE if entry.is_transformers}
    if not at or kind not in kinds:
        raise UsageError(_unknown(name), hint=HintKind.LIST_MODELS)
    folder = Path(path).expanduser().absolute()
    if not path or not folder.is_dir():
        raise UsageError(f"no folder of a checkpoint at {folder if path else name!r}; write {kind}@/path/to/folder")
    model = kinds[kind]
    return Entry(
        name=f"{kind}@{folder}",
        runtime=model.runtime,
        architecture=model.architecture,
        pretrained="",
        modalities=model.modalities,
        needs=model.needs,
        checkpoint=folder,
    )


def _unknown(name: str) -> str:
    known = [entry.name for entry in CATALOGUE]
    close = difflib.get_close_matches(name.partition("@")[0].lower(), known, n=2, cutoff=0.5)
    meant = f" (did you mean {' or '.join(close)}?)" if close else ""
    return f"no model {name!r}{meant}; open_clip:ARCH/TAG names any of open_clip's"
