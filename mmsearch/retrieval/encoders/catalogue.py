"""The models by name: what is known of each without loading anything, and `resolve` for any name."""

from __future__ import annotations

import re
from pathlib import Path

from mmsearch.errors import HintKind, UsageError
from mmsearch.retrieval.encoders.model_info import (
    ENGLISH,
    MANY_LANGUAGES,
    OPEN_CLIP,
    TORCH,
    TRANSFORMERS_ALONE,
)
from mmsearch.retrieval.encoders.model_info import ModelInfo as ModelInfo
from mmsearch.types import Modality

_SOUNDS: frozenset[Modality] = frozenset({"text", "audio"})
_FILMS: frozenset[Modality] = frozenset({"text", "video"})
_ALL: frozenset[Modality] = frozenset({"text", "image", "audio", "video"})
_NOTHING: frozenset[Modality] = frozenset()
_WHISPER_FILES = ("config.json", "generation_config.json", "preprocessor_config.json", "tokenizer.json")
_OF_MANY_LANGUAGES = re.compile(r"siglip2|i18n|xlm|mt5|nllb|multilingual", re.IGNORECASE)  # open_clip's architectures
_TRANSFORMERS = (*TORCH, "transformers")


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
        languages=MANY_LANGUAGES,
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
        languages=ENGLISH,
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
        languages=MANY_LANGUAGES,
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
        languages=ENGLISH,
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
        languages=ENGLISH,
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
        languages=ENGLISH,
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
        languages=ENGLISH,
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
        languages=ENGLISH,
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
        languages=MANY_LANGUAGES,
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
        languages=ENGLISH,
        repository="laion/clap-htsat-unfused",
        needs=TRANSFORMERS_ALONE,
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
        languages=ENGLISH,
        repository="laion/larger_clap_general",
        needs=TRANSFORMERS_ALONE,
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
        languages=ENGLISH,
        repository="facebook/pe-av-base",
        needs=TRANSFORMERS_ALONE,
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
        languages=ENGLISH,
        repository="facebook/pe-av-base",
        needs=(*TRANSFORMERS_ALONE, "timm"),
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
        languages=ENGLISH,
        needs=(),
        prompts=("next to {article} {word}", "with the {word}", "in the {word}", "of {word}"),
    ),
)

# Models that turn speech into text, the first to take first: the first whose weights are on this machine.
TRANSCRIBERS: tuple[ModelInfo, ...] = (
    ModelInfo(
        name="parakeet",
        family="onnx_asr",
        architecture="nemo-conformer-tdt",
        pretrained="istupakov/parakeet-tdt-0.6b-v3-onnx",
        modalities=_NOTHING,
        download_mb=670,
        licence="CC-BY-4.0 (NVIDIA)",
        note="speech; 25 languages of Europe; runs on a CPU, without torch",
        repository="istupakov/parakeet-tdt-0.6b-v3-onnx",
        needs=("onnx_asr",),
        files=("config.json", "vocab.txt", "decoder_joint-model.int8.onnx", "encoder-model.int8.onnx"),
    ),
    ModelInfo(
        name="whisper-turbo",
        family="whisper",
        architecture="Whisper large-v3-turbo",
        pretrained="openai/whisper-large-v3-turbo",
        modalities=_NOTHING,
        download_mb=1620,
        licence="MIT",
        note="speech; 99 languages; wants a GPU",
        languages=MANY_LANGUAGES,
        repository="openai/whisper-large-v3-turbo",
        needs=TRANSFORMERS_ALONE,
        files=_WHISPER_FILES,
    ),
    ModelInfo(
        name="whisper-small",
        family="whisper",
        architecture="Whisper small",
        pretrained="openai/whisper-small",
        modalities=_NOTHING,
        download_mb=970,
        licence="Apache-2.0",
        note="speech; 99 languages",
        languages=MANY_LANGUAGES,
        repository="openai/whisper-small",
        needs=TRANSFORMERS_ALONE,
        files=_WHISPER_FILES,
    ),
    ModelInfo(
        name="whisper-base",
        family="onnx_asr",
        architecture="whisper",
        pretrained="onnx-community/whisper-base",
        modalities=_NOTHING,
        download_mb=80,
        licence="Apache-2.0",
        note="speech; 99 languages; the smallest download, without torch",
        languages=MANY_LANGUAGES,
        repository="onnx-community/whisper-base",
        needs=("onnx_asr",),
        files=(
            *("config.json", "vocab.json", "added_tokens.json"),
            *("onnx/decoder_model_merged_int8.onnx", "onnx/encoder_model_int8.onnx"),
        ),
    ),
)
_FOLDERS = {"onnx-asr": TRANSCRIBERS[0], "whisper": TRANSCRIBERS[1]}  # names of the kind ``whisper@/path``


def is_catalogue_name(name: str) -> bool:
    """Whether a name has the form of those that `resolve` takes."""
    known = {*_FOLDERS, *(info.name for info in (*CATALOGUE, *TRANSCRIBERS))}
    return name.startswith(OPEN_CLIP) or name.partition("@")[0] in known


def resolve(name: str) -> ModelInfo:
    """The facts of a model by its name. Loads nothing.

    Args:
        name: a name of the catalogue, ``open_clip:ARCH/TAG``, ``open_clip:ARCH@/path`` (a weights file or its
            folder), ``clap@/path``, ``pe-av-audio@/path``, ``pe-av-video@/path`` or ``whisper@/path`` (a folder that
            transformers saved), or ``onnx-asr@/path`` (a folder as onnx-asr takes it). If the catalogue has a short
            name for a tag, both names give the same model and space. Whether open_clip knows an architecture and tag
            is checked when the model is loaded.

    Raises:
        UsageError: there is no such model, or nothing at the path.
    """
    for info in (*CATALOGUE, *TRANSCRIBERS):
        if name in (info.name, f"{OPEN_CLIP}{info.architecture}/{info.pretrained}"):
            return info
    if not name.startswith(OPEN_CLIP):
        return _resolve_folder(name)
    reference = name.removeprefix(OPEN_CLIP)
    architecture, separator, rest = re.fullmatch(r"([^/@]*)([/@]?)(.*)", reference, re.DOTALL).groups()  # type: ignore[union-attr]
    if not architecture or not rest:
        raise UsageError(
            f"{name!r} is no model; write open_clip:ARCH/TAG, for example open_clip:ViT-B-32/openai, "
            "or open_clip:ARCH@/path/to/checkpoint"
        )
    if separator == "/":
        languages = MANY_LANGUAGES if _OF_MANY_LANGUAGES.search(architecture) else ENGLISH
        return ModelInfo(name, "open_clip", architecture, rest, repository="", languages=languages)
    checkpoint = Path(rest).expanduser().absolute()
    if not checkpoint.exists():
        raise UsageError(f"no checkpoint at {checkpoint}: name a weights file, or a folder that holds one")
    return ModelInfo(
        name=f"{OPEN_CLIP}{architecture}@{checkpoint}",
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
    kinds = {info.name: info for info in CATALOGUE if info.is_transformers} | _FOLDERS
    if not at or kind not in kinds:
        raise UsageError(_unknown(name), hint=HintKind.LIST_MODELS)
    folder = Path(path).expanduser().absolute()
    if not path or not folder.is_dir():
        raise UsageError(f"no folder of a checkpoint at {folder if path else name!r}; write {kind}@/path/to/folder")
    model = kinds[kind]
    return ModelInfo(
        name=f"{kind}@{folder}",
        family=model.family,
        architecture="" if model.is_transcriber else model.architecture,
        pretrained="",
        modalities=model.modalities,
        needs=model.needs,
        checkpoint=folder,
    )


def _unknown(name: str) -> str:
    import difflib  # imported only here: it would slow every query

    known = [info.name for info in (*CATALOGUE, *TRANSCRIBERS)]
    close = difflib.get_close_matches(name.partition("@")[0].lower(), known, n=2, cutoff=0.5)
    meant = f" (did you mean {' or '.join(close)}?)" if close else ""
    return f"no model {name!r}{meant}; open_clip:ARCH/TAG names any of open_clip's"
