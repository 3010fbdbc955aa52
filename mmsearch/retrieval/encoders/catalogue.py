"""The models by name: what is known of each without loading anything, and `resolve` for any name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mmsearch.errors import HintKind, UsageError
from mmsearch.types import Modality

_PREFIX = "open_clip:"
# A model of pictures embeds films too: as the mean of their frames.
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
class ModelInfo:
    """One model that mmsearch can load by name.

    Attributes:
        name: what `Collection.create` and ``index`` take.
        family: which of mmsearch's encoders runs it.
        architecture: open_clip's name of the architecture; of another family, a description.
        pretrained: open_clip's tag of the weights, or their repository on the Hugging Face hub.
        modalities: what it embeds.
        dim: length of its vectors; None if only its files tell.
        download_mb: size of the download, in megabytes, rounded; 0 if it is built in, None if unknown.
        licence: licence of the weights.
        note: languages, hardware and limits, in a few words.
        repository: the repository of the weights on the Hugging Face hub.
        needs: packages that must be installed.
        checkpoint: a weights file or its folder on this machine, in place of ``pretrained``.
        languages: *English* or *many languages*; empty if unknown.
        prompts: a query of one word looks among pictures, sounds and films as the mean of these, with ``{word}`` and
            ``{article}`` filled in. Empty where nobody could measure a gain.
    """

    name: str
    family: Literal["mini", "open_clip", "clap", "pe_av"]
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
    prompts: tuple[str, ...] = ()

    @property
    def is_built_in(self) -> bool:
        """Whether its weights come with mmsearch."""
        return self.family == "mini"

    @property
    def is_transformers(self) -> bool:
        """Whether it runs through the package transformers, from a folder with all its files."""
        return self.family in ("clap", "pe_av")

    @property
    def is_multilingual(self) -> bool:
        """Whether it was trained on texts of many languages and scripts."""
        return self.languages == _MANY

    @property
    def scripts(self) -> frozenset[str] | None:
        """The scripts of its training texts, as Unicode names them (``LATIN``); None if it reads any, or if unknown."""
        return frozenset({"LATIN"}) if self.languages == _ENGLISH else None

    @property
    def extra(self) -> str:
        """The extra of mmsearch that installs the packages it needs: ``pip install "mmsearch[…]"``."""
        return "audio" if self.is_transformers else "clip"

    @property
    def local_name(self) -> str:
        """The form of name that loads a checkpoint of its family from a path on this machine."""
        if not self.is_transformers:
            return f"{_PREFIX}{self.architecture}@/path"
        return "clap@/path" if self.family == "clap" else f"{self.name.partition('@')[0]}@/path"


# Models of pictures first, the best first, by the zero-shot retrieval that their authors published: `best` takes the
# first whose weights are on this machine. Then models of sounds or films alone, which a collection uses beside another.
CATALOGUE: tuple[ModelInfo, ...] = (
    ModelInfo(
        name="siglip2-large",
        family="open_clip",
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
    ModelInfo(
        name="pe-core-l",
        family="open_clip",
        architecture="PE-Core-L-14-336",
        pretrained="meta",
        dim=1024,
        download_mb=2690,
        licence="Apache-2.0",
        note="English; fine detail at 336 pixels; reads 30 tokens of a text; wants a GPU",
        languages=_ENGLISH,
        repository="timm/PE-Core-L-14-336",
    ),
    ModelInfo(
        name="siglip2",
        family="open_clip",
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
    ModelInfo(
        name="mobileclip2-s4",
        family="open_clip",
        architecture="MobileCLIP2-S4",
        pretrained="dfndr2b",
        dim=768,
        download_mb=1780,
        licence="Apple ML Research (research only)",
        note="English",
        languages=_ENGLISH,
        repository="timm/MobileCLIP2-S4-OpenCLIP",
    ),
    ModelInfo(
        name="pe-core-b",
        family="open_clip",
        architecture="PE-Core-B-16",
        pretrained="meta",
        dim=1024,
        download_mb=1790,
        licence="Apache-2.0",
        note="English; reads 30 tokens of a text",
        languages=_ENGLISH,
        repository="timm/PE-Core-B-16",
    ),
    ModelInfo(
        name="clip-large",
        family="open_clip",
        architecture="ViT-L-14",
        pretrained="datacomp_xl_s13b_b90k",
        dim=768,
        download_mb=1710,
        licence="MIT",
        note="English; wants a GPU",
        languages=_ENGLISH,
        repository="laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K",
    ),
    ModelInfo(
        name="clip",
        family="open_clip",
        architecture="ViT-B-32-256",
        pretrained="datacomp_s34b_b86k",
        dim=512,
        download_mb=610,
        licence="MIT",
        note="English; the fastest on a CPU",
        languages=_ENGLISH,
        repository="laion/CLIP-ViT-B-32-256x256-DataComp-s34B-b86K",
    ),
    ModelInfo(
        name="mobileclip2-s0",
        family="open_clip",
        architecture="MobileCLIP2-S0",
        pretrained="dfndr2b",
        dim=512,
        download_mb=300,
        licence="Apple ML Research (research only)",
        note="English; the smallest download",
        languages=_ENGLISH,
        repository="timm/MobileCLIP2-S0-OpenCLIP",
    ),
    ModelInfo(
        name="xlm-clip",
        family="open_clip",
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
    ModelInfo(
        name="clap",
        family="clap",
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
    ModelInfo(
        name="clap-general",
        family="clap",
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
    ModelInfo(
        name="pe-av-audio",
        family="pe_av",
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
    ModelInfo(
        name="pe-av-video",
        family="pe_av",
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
    ModelInfo(
        name="mini",
        family="mini",
        architecture="EfficientNet-Lite2 + token table + YAMNet",
        pretrained="mini-v1",
        modalities=_ALL,
        dim=256,
        download_mb=0,
        licence="research data: see MODEL_LICENSE",
        note="built in; English; no network, no torch",
        languages=_ENGLISH,
        needs=(),
        prompts=("next to {article} {word}", "with the {word}", "in the {word}", "of {word}"),
    ),
)


def is_catalogue_name(name: str) -> bool:
    """Whether a name has the form of those that `resolve` takes."""
    return name.startswith(_PREFIX) or any(name.partition("@")[0] == info.name for info in CATALOGUE)


def resolve(name: str) -> ModelInfo:
    """The facts of a model by its name. Loads nothing.

    Args:
        name: a name of the catalogue, ``open_clip:ARCH/TAG``, ``open_clip:ARCH@/path`` (a weights file or its
            folder), or ``clap@/path``, ``pe-av-audio@/path``, ``pe-av-video@/path`` (a folder that transformers
            saved). If the catalogue has a short name for a tag, both names give the same model and space. Whether
            open_clip knows an architecture and tag is checked when the model is loaded.

    Raises:
        UsageError: there is no such model, or nothing at the path.
    """
    for info in CATALOGUE:
        if name in (info.name, f"{_PREFIX}{info.architecture}/{info.pretrained}"):
            return info
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
        return ModelInfo(name, "open_clip", architecture, rest, repository="", languages=languages)
    checkpoint = Path(rest).expanduser().absolute()
    if not checkpoint.exists():
        raise UsageError(f"no checkpoint at {checkpoint}: name a weights file, or a folder that holds one")
    return ModelInfo(
        name=f"{_PREFIX}{architecture}@{checkpoint}",
        family="open_clip",
        architecture=architecture,
        pretrained="",
        checkpoint=checkpoint,
    )


def find_model(name: str) -> ModelInfo | None:
    """The facts of a model by its name; None for an encoder of an app's own, and if its checkpoint is gone."""
    try:
        return resolve(name)
    except UsageError:
        return None


def _resolve_folder(name: str) -> ModelInfo:
    kind, at, path = name.partition("@")
    kinds = {info.name: info for info in CATALOGUE if info.is_transformers}
    if not at or kind not in kinds:
        raise UsageError(_unknown(name), hint=HintKind.LIST_MODELS)
    folder = Path(path).expanduser().absolute()
    if not path or not folder.is_dir():
        raise UsageError(f"no folder of a checkpoint at {folder if path else name!r}; write {kind}@/path/to/folder")
    model = kinds[kind]
    return ModelInfo(
        name=f"{kind}@{folder}",
        family=model.family,
        architecture=model.architecture,
        pretrained="",
        modalities=model.modalities,
        needs=model.needs,
        checkpoint=folder,
    )


def _unknown(name: str) -> str:
    import difflib  # imported only here: it would slow every query

    known = [info.name for info in CATALOGUE]
    close = difflib.get_close_matches(name.partition("@")[0].lower(), known, n=2, cutoff=0.5)
    meant = f" (did you mean {' or '.join(close)}?)" if close else ""
    return f"no model {name!r}{meant}; open_clip:ARCH/TAG names any of open_clip's"
