"""The library's hints as commands and options of the command line."""

from __future__ import annotations

import shlex
from pathlib import Path

from mmsearch import Hint, HintKind, MMSearchError

_WORDS = {  # {path}: the subject, quoted for a shell if it must be; {words}: quoted in any case; {option}: as an option
    HintKind.INDEX_FOLDER: "`mmsearch index {path}` adds its files",
    HintKind.NAME_COLLECTION: "-c DIR names another place",
    HintKind.INDEX_OR_NAME_COLLECTION: "`mmsearch index FOLDER` makes one, -c DIR names another",
    HintKind.REPAIR: "`mmsearch doctor --repair` mends the collection",
    HintKind.UPGRADE: "upgrade with `pip install -U mmsearch`",
    HintKind.NAME_MODEL: "name the model that is to embed files with --model",
    HintKind.LIST_MODELS: "`mmsearch models list` shows all",
    HintKind.USE_MINI: "or use --model mini",
    HintKind.NAME_CHECKPOINT: "or name a checkpoint's folder: --model {subject}",
    HintKind.NAME_CHECKPOINT_OR_USE_MINI: "or name a checkpoint (--model {subject}), or use --model mini",
    HintKind.NAME_TRANSCRIBER: "or name a folder that holds a model: --transcribe {subject}",
    HintKind.FETCH_TRANSCRIBER: 'pip install "mmsearch[speech]", then `mmsearch models pull parakeet` fetches one',
    HintKind.TRANSCRIBE_WITH: "name it with --transcribe",
    HintKind.LEAVE_DEVICE: "leave --device out, or take another model",
    HintKind.LEAVE_PRECISION: "leave --precision out, or take another model",
    HintKind.EMBED_ANEW: "put the old weights back, or `mmsearch index --model {subject} PATH` embeds everything again",
    HintKind.ADD_SOUND_MODEL: "`mmsearch index --model clap` adds one",
    HintKind.INDEX_KINDS: "for example `--index ivfpq` or `--index IVF1024,PQ64x4fsr`",
    HintKind.MORE_MEMORY: "--memory gives more, --index exact compares every row",
    HintKind.FORGET_MISSING: "--prune-missing forgets them",
    HintKind.FOLLOW_LINKS: "--follow-links follows it",
    HintKind.REMOVE: "or `mmsearch remove {path}`",
    HintKind.TEXT_COLUMN: "name one with --text-column",
    HintKind.OVERWRITE: "--force writes over it",
    HintKind.TAKE_AS_WORDS: "to search for these words, write `mmsearch query --text {words}`",
    HintKind.TAKE_LITERALLY: "--literal takes all of it as words",
    HintKind.SUBTRACT: "`--minus {path}` pushes away from it",
    HintKind.FOLDER_IN_QUERY: (
        "`mmsearch index {path}` indexes it, --under {path} searches in it, and --text takes the words"
    ),
    HintKind.INDEX_WORDS: "the next `mmsearch index`, or `mmsearch compact`, does it",
    HintKind.CALIBRATE: "`mmsearch eval --calibrate` fits levels, for queries by files with PAIRS",
    HintKind.GROUPS: "`mmsearch groups` finds and lists them",
    HintKind.TAG: "`mmsearch tag {words}` looks for it",
    HintKind.CHANGE_ARGUMENT: "give --{option} another value",
    HintKind.WHERE_EXAMPLE: "for example --where \"width > 1000 and note != 'truncated'\"",
}


def worded(hint: Hint) -> str:
    """The hint as text for a person at the command line."""
    if hint.kind is HintKind.INDEX_FOLDER and not hint.subject:
        return f"name a folder, for example `mmsearch index {Path.home()}`"
    if hint.kind is HintKind.TAG and not hint.subject:
        return "`mmsearch tag LABEL` gives some"
    subject = hint.subject
    quoted = shlex.quote(subject)
    words = quoted if quoted != subject else f"'{subject}'"
    return _WORDS[hint.kind].format(subject=subject, path=quoted, words=words, option=subject.replace("_", "-"))


def with_hint(text: str, hint: Hint | None) -> str:
    """A message, followed by its hint if it has one."""
    return text if hint is None else f"{text}; {worded(hint)}"


def explained_error(error: MMSearchError) -> str:
    """An error's message and hint, in one line."""
    return with_hint(str(error), error.hint)
