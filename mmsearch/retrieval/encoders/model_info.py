"""What is known of a model without loading anything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mmsearch.types import Modality

OPEN_CLIP = "open_clip:"
"""How the names of open_clip's models begin."""

PICTURES: frozenset[Modality] = frozenset({"text", "image", "video"})
"""What a model of pictures embeds: films too, as the mean of their frames."""

ENGLISH, MANY_LANGUAGES = "English", "many languages"
TORCH = ("torch", "open_clip")
TRANSFORMERS_ALONE = ("torch", "transformers")


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One model that mmsearch can load by name.

    Attributes:
        name: what `Collection.create` and ``index`` take.
        family: which of mmsearch's encoders, or engines for speech, runs it.
        architecture: open_clip's name of the architecture, or onnx-asr's of the kind of model; of another family, a
            description.
        pretrained: open_clip's tag of the weights, or their repository on the Hugging Face hub.
        modalities: what it embeds; empty for a model that turns speech into text.
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
        files: of a model for speech: the files that must be there, relative to the folder that holds them.
    """

    name: str
    family: Literal["mini", "open_clip", "clap", "pe_av", "onnx_asr", "whisper"]
    architecture: str
    pretrained: str
    modalities: frozenset[Modality] = PICTURES
    dim: int | None = None
    download_mb: int | None = None
    licence: str = "see the model's own page"
    note: str = ""
    repository: str = ""
    needs: tuple[str, ...] = TORCH
    checkpoint: Path | None = None
    languages: str = ""
    prompts: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def is_built_in(self) -> bool:
        """Whether its weights come with mmsearch."""
        return self.family == "mini"

    @property
    def is_transformers(self) -> bool:
        """Whether it runs through the package transformers, from a folder with all its files."""
        return self.family in ("clap", "pe_av")

    @property
    def is_transcriber(self) -> bool:
        """Whether it turns speech into text, and embeds nothing."""
        return self.family in ("onnx_asr", "whisper")

    @property
    def is_multilingual(self) -> bool:
        """Whether it was trained on texts of many languages and scripts."""
        return self.languages == MANY_LANGUAGES

    @property
    def scripts(self) -> frozenset[str] | None:
        """The scripts of its training texts, as Unicode names them (``LATIN``); None if it reads any, or if unknown."""
        return frozenset({"LATIN"}) if self.languages == ENGLISH else None

    @property
    def extra(self) -> str:
        """The extra of mmsearch that installs the packages it needs: ``pip install "mmsearch[…]"``."""
        if self.family == "onnx_asr":
            return "speech"
        return "audio" if self.is_transformers or self.is_transcriber else "clip"

    @property
    def local_name(self) -> str:
        """The form of name that loads a checkpoint of its family from a path on this machine."""
        if self.is_transcriber:
            return f"{self.family.replace('_', '-')}@/path"
        if not self.is_transformers:
            return f"{OPEN_CLIP}{self.architecture}@/path"
        return "clap@/path" if self.family == "clap" else f"{self.name.partition('@')[0]}@/path"
