"""Labels and where they come from: words of a user, a file, or a vocabulary of mmsearch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmsearch.errors import NoSuchFileError, UsageError
from mmsearch.types import Modality, printable

MOST_LABELS = 20_000
"""Labels of one vocabulary."""

LEAST_PROBABILITY = 0.5
"""The probability from which on a label is given, if nothing else is said."""

WORDS = "words"
"""The name of the vocabulary that holds words of a user."""

BUILT_IN: dict[str, Sequence[tuple[str, tuple[Modality, ...]]]] = {
    "everyday": (("everyday_seen.txt", ("image", "video")), ("everyday_heard.txt", ("audio",))),
    "moderation": (("moderation.txt", ("image", "video")),),
}
"""The vocabularies of mmsearch: their files, and what they are for."""

KINDS: tuple[Modality, ...] = ("image", "video", "audio")
"""What can be labelled. Texts are found by their words."""

_MOST_CHARACTERS, _MOST_PROMPTS, _MOST_BYTES = 200, 20, 16 << 20


@dataclass(frozen=True, slots=True)
class Label:
    """A label.

    Attributes:
        name: what it is called.
        prompts: what the model is asked; empty for templates with the name.
        min_probability: the probability from which on it is given.
        to: the modalities that it may be given to.
    """

    name: str
    prompts: tuple[str, ...] = ()
    min_probability: float = LEAST_PROBABILITY
    to: tuple[Modality, ...] = KINDS

    @property
    def digest(self) -> str:
        """What changes whenever the label would be given otherwise."""
        return hashlib.sha256(json.dumps(self.to_json()).encode()).hexdigest()[:16]

    def to_json(self) -> list[Any]:
        """A JSON array."""
        return [self.name, list(self.prompts), self.min_probability, list(self.to)]

    @classmethod
    def from_json(cls, data: Sequence[Any]) -> Label:
        """The inverse of `to_json`."""
        name, prompts, least, to = data
        return cls(name, tuple(prompts), least, tuple(to))


def word_labels(words: Iterable[str], least: float | None, to: tuple[Modality, ...]) -> list[Label]:
    """Words of a user as labels.

    Raises:
        UsageError: one is empty or too long.
    """
    least = LEAST_PROBABILITY if least is None else least
    return _once([Label(_checked_name(word, "a label"), (), least, to) for word in words], "")


def vocabulary(name: str, least: float | None, to: tuple[Modality, ...]) -> tuple[str, list[Label]]:
    """A vocabulary by its name, or by its file; its name, and its labels.

    Args:
        name: of a vocabulary of mmsearch, or of a file.
        least: a probability that goes before that of each label.
        to: modalities that labels are limited to.

    Raises:
        NoSuchFileError: there is neither.
        UsageError: the file cannot be read, or is no file of labels.
    """
    if name in BUILT_IN:
        labels = [
            label
            for file, kinds in BUILT_IN[name]
            for label in _read(Path(__file__).with_name(file), least, tuple(kind for kind in to if kind in kinds))
        ]
        return name, _joined(label for label in labels if label.to)
    path = Path(name).expanduser()
    return path.name, _read(path, least, to)


def _joined(labels: Iterable[Label]) -> list[Label]:
    """Labels of a name as one: a helicopter is seen and heard."""
    found: dict[str, Label] = {}
    for label in labels:
        known = found.get(label.name)
        found[label.name] = label if known is None else replace(known, to=(*known.to, *label.to))
    return list(found.values())


def _read(path: Path, least: float | None, to: tuple[Modality, ...]) -> list[Label]:
    """The labels of a file.

    Raises:
        NoSuchFileError: it is not there.
        UsageError: it cannot be read, or is no file of labels.
    """
    shown = printable(str(path))
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UsageError(f"{shown} has more than {_MOST_BYTES >> 20} MB; a file of labels has a label in each line")
        data = path.read_bytes()
    except FileNotFoundError:
        known = ", ".join(BUILT_IN)
        raise NoSuchFileError(f"there is no file of labels {shown}; the built-in vocabularies: {known}") from None
    except OSError as error:
        raise UsageError(f"cannot read {shown}: {error.strerror}") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise UsageError(f"{shown} is no text in UTF-8; a file of labels has a label in each line")
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    lines = [(number, line) for number, line in lines if line and not line.startswith("#")]
    if not lines:
        raise UsageError(f"{shown} has no label; a file of labels has one in each line")
    if len(lines) > MOST_LABELS:
        raise UsageError(f"{shown} has {len(lines):,} labels; {MOST_LABELS:,} are the most")
    return _once([_read_line(line, f"{shown}, line {number}", least, to) for number, line in lines], shown)


def _read_line(line: str, where: str, least: float | None, to: tuple[Modality, ...]) -> Label:
    """One line: a label, or a label, prompts and probability with tabs between them, or these as JSON."""
    given: list[Any]
    if line.startswith("{"):
        try:
            fields = json.loads(line)
            given = [fields["label"], fields.get("prompts", []), fields.get("min")]
        except (ValueError, KeyError, RecursionError):
            raise UsageError(f'{where}: no JSON object such as {{"label": "dog", "prompts": ["a dog"]}}') from None
    else:
        name, prompts, probability, *more = [*line.split("\t"), "", ""][: max(3, line.count("\t") + 1)]
        if more:
            raise UsageError(f"{where}: more than a label, its prompts and a probability")
        given = [name, [prompt for prompt in prompts.split("|") if prompt.strip()], probability.strip() or None]
    name, prompts, probability = given
    if not isinstance(prompts, list) or len(prompts) > _MOST_PROMPTS:
        raise UsageError(f"{where}: prompts are a list of at most {_MOST_PROMPTS}")
    own = tuple(_checked_name(prompt, f"{where}: a prompt") for prompt in prompts)
    chosen = LEAST_PROBABILITY if probability is None else checked_probability(probability, f"{where}: ")
    return Label(_checked_name(name, f"{where}: a label"), own, chosen if least is None else least, to)


def checked_probability(value: Any, where: str = "") -> float:
    """A probability from 0 to 1.

    Raises:
        UsageError: it is none.
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if not 0 <= number <= 1:
        raise UsageError(f"{where}{value!r} is no probability; it is a number from 0 to 1")
    return number


def _checked_name(name: Any, what: str) -> str:
    if not isinstance(name, str) or not (cleaned := " ".join(name.split())):
        raise UsageError(f"{what} is a text of some letters, not {name!r}")
    if len(cleaned) > _MOST_CHARACTERS:
        raise UsageError(f"{what} has at most {_MOST_CHARACTERS} characters, not {len(cleaned):,}")
    if not cleaned.isprintable():
        raise UsageError(f"{what} has letters that cannot be shown: {cleaned!r}")
    return cleaned


def _once(labels: Sequence[Label], where: str) -> list[Label]:
    """Labels without those that are there twice.

    Raises:
        UsageError: a label is there twice with other prompts or another probability.
    """
    found: dict[str, Label] = {}
    for label in labels:
        if found.setdefault(label.name, label) != label:
            raise UsageError(f"{where}: the label {label.name!r} is there twice, and not the same")
    return list(found.values())
