"""Notices: remarks on a run or an answer, as records that apps can tell apart, and as plain sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mmsearch.errors import Hint, HintKind

_MOST_NAMED = 3  # words or files that a sentence lists


class NoticeKind(StrEnum):
    """What a notice is about; the values that each comes with are those of its sentence below."""

    EXCLUDE_UNMATCHED = "exclude_unmatched"
    NO_LONGER_INDEXED = "no_longer_indexed"
    PATH_MISSING = "path_missing"
    INDEX_BELOW_RECALL = "index_below_recall"
    INDEX_TRAINED_ANEW = "index_trained_anew"
    INDEX_MEASURED_ANEW = "index_measured_anew"
    MODEL_CAUGHT_UP = "model_caught_up"
    MODEL_SWITCHED = "model_switched"
    MODEL_WAITS = "model_waits"
    SPACE_NOT_SEARCHED = "space_not_searched"
    QUERY_READ_AS = "query_read_as"
    HEARD = "heard"
    TERM_IS_FILE = "term_is_file"
    TERM_IS_WORDS = "term_is_words"
    PLACE_IS_WORDS = "place_is_words"
    CAMERA_IS_WORDS = "camera_is_words"
    LINE_READ_AS = "line_read_as"
    READING_LEAVES_NOTHING = "reading_leaves_nothing"
    WORDS_UNKNOWN = "words_unknown"
    LEVELS_UNKNOWN = "levels_unknown"
    WORDS_NOT_INDEXED = "words_not_indexed"
    TEXT_SPLIT = "text_split"
    FILE_SAMPLED = "file_sampled"
    PARTS_MISSING = "parts_missing"
    PAIRS_NOT_SCORED = "pairs_not_scored"
    PAIRS_NOT_INDEXED = "pairs_not_indexed"
    BATCHES_HALVED = "batches_halved"
    LEVELS_KEPT = "levels_kept"
    LEVELS_NOT_FITTED = "levels_not_fitted"


@dataclass(frozen=True, slots=True)
class Notice:
    """A remark on a run or an answer. ``str(notice)`` is a sentence.

    Attributes:
        kind: what it is about.
        values: the values of its sentence by name, such as the model or the words.
        hint: a way out, where there is one.
    """

    kind: NoticeKind
    values: Mapping[str, Any] = field(default_factory=dict, hash=False)
    hint: Hint | None = None

    def __str__(self) -> str:
        return _SENTENCES[self.kind](**self.values)


def _recall(recall: Mapping[str, float]) -> str:
    return ", ".join(f"{kind} {value:.3f}" for kind, value in recall.items())


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """``1 file``, ``1,234 files``; ``plural`` is for nouns that do not just take an s."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def _switched(model: str, beside: list[str], dropped: list[str]) -> str:
    if dropped and not beside:
        return f"the collection is now searched with {model}; the vectors before it are dropped"
    switched = f"the collection is now searched with {model}, and with {' and '.join(beside)} for the rest"
    return switched + (f"; the vectors of {' and '.join(dropped)} are dropped" if dropped else "")


def _waits(model: str, searched: Sequence[str], missing: str | None) -> str:
    why = (
        "the run was stopped; run it again to go on"
        if missing is None
        else f"{missing} is missing; run again when it is back"
    )
    return f"{model} is not searched with yet, {' and '.join(searched)} still is: {why}"


def _trained_anew(modality: str, rows: int, trained_for: int, far_share: float | None) -> str:
    why = f"it has {rows:,} rows and was trained for {trained_for:,}"
    if far_share is not None:
        why = f"{far_share:.0%} of the rows added lie far from what it had learned"
    return f"the {modality} index was trained anew: {why}"


def _words_unknown(
    model: str, languages: str, words: list[str], means_nothing: bool, others: list[str], file: str = ""
) -> str:
    named = ", ".join(words[:_MOST_NAMED]) + (", …" if len(words) > _MOST_NAMED else "")
    reads = f"{model} reads {languages} and" if languages else model
    meaning = ": these hits mean nothing" if means_nothing else ""
    more = f"; models of many languages: {', '.join(others)}" if others else ""
    return (f"{file}: " if file else "") + f"{reads} does not know {named}{meaning}{more}"


_FITTED_ON = {"catalogue": "measured for the model", "pairs": "fitted on pairs"}

_SENTENCES: dict[NoticeKind, Callable[..., str]] = {
    NoticeKind.EXCLUDE_UNMATCHED: "nothing matched the exclude pattern {pattern}".format,
    NoticeKind.NO_LONGER_INDEXED: lambda files: (
        f"{counted(files, 'file')} indexed before and passed over now: no longer among the answers"
    ),
    NoticeKind.PATH_MISSING: "{path} is missing, and nothing of it is stored".format,
    NoticeKind.INDEX_BELOW_RECALL: lambda modality, target, recall: (
        f"the {modality} index does not reach recall {target:g} ({_recall(recall)}): in the memory that they may take"
        " its codes are too coarse"
    ),
    NoticeKind.INDEX_TRAINED_ANEW: _trained_anew,
    NoticeKind.INDEX_MEASURED_ANEW: lambda modality, far_share, recall: (
        f"{far_share:.0%} of the {modality} rows added lie far from what their index had learned;"
        f" its recall was measured again: {_recall(recall)}"
    ),
    NoticeKind.MODEL_CAUGHT_UP: lambda files, models: (
        f"{counted(files, 'file')} new to {' and '.join(models)} too, embedded with it"
    ),
    NoticeKind.MODEL_SWITCHED: _switched,
    NoticeKind.MODEL_WAITS: _waits,
    NoticeKind.SPACE_NOT_SEARCHED: "not searched with {model}: {reason}".format,
    NoticeKind.QUERY_READ_AS: "asked: {terms}".format,
    NoticeKind.HEARD: "heard: {words}".format,
    NoticeKind.TERM_IS_FILE: "{term} is taken as the file of that name; text:{term} asks for the words".format,
    NoticeKind.TERM_IS_WORDS: "{term} is taken as words; ./{term} is the folder of that name".format,
    NoticeKind.PLACE_IS_WORDS: "no file says where it was made, so {place} is taken as words, not as a place".format,
    NoticeKind.CAMERA_IS_WORDS: "no file was made with a camera called {camera}, which is taken as a word".format,
    NoticeKind.LINE_READ_AS: "read as: {reading}".format,
    NoticeKind.READING_LEAVES_NOTHING: "nothing is left of what the line was read as ({reading})".format,
    NoticeKind.WORDS_UNKNOWN: _words_unknown,
    NoticeKind.LEVELS_UNKNOWN: lambda model, modalities: (
        f"no levels are known for {', '.join(modalities)} found with {model} by such a query: these hits are left out"
    ),
    NoticeKind.WORDS_NOT_INDEXED: lambda rows: (
        f"the words of {counted(rows, 'row')} are not indexed yet: there only vectors are compared"
    ),
    NoticeKind.TEXT_SPLIT: (
        "longer than the {tokens} tokens that {model} reads at once: asked as the mean of {passages} passages".format
    ),
    NoticeKind.FILE_SAMPLED: "{file}: searched by {sample}".format,
    NoticeKind.PARTS_MISSING: lambda parts: (
        "parts of the collection are not among the answers: "
        + ", ".join(f"{part} ({why})" for part, why in parts.items())
    ),
    NoticeKind.PAIRS_NOT_SCORED: "not scored with every model: {reason}".format,
    NoticeKind.BATCHES_HALVED: (
        "memory was short where {model} runs: it was given smaller batches, of {batch} at the end".format
    ),
    NoticeKind.LEVELS_KEPT: lambda direction, model, source: (
        f"{direction} keeps its levels, which were {_FITTED_ON[source]}: they are better than what the contents tell"
        f" (model {model})"
    ),
    NoticeKind.LEVELS_NOT_FITTED: ("{direction} needs {needed} {what}, there are {found} (model {model})".format),
    NoticeKind.PAIRS_NOT_INDEXED: lambda files, example: (
        f"missed, for they are not in the collection: {counted(files, 'file')} of the pairs, such as {example}"
    ),
}


def index_below_recall(modality: str, target: float, recall: Mapping[str, float]) -> Notice:
    """An approximate index whose measured recall stays below the target."""
    values = {"modality": modality, "target": target, "recall": dict(recall)}
    return Notice(NoticeKind.INDEX_BELOW_RECALL, values, Hint(HintKind.MORE_MEMORY))
