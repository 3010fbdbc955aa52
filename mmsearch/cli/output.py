"""What a command writes: results on stdout, all else on stderr, on any stream that it may be given.

A stream may be closed, full, or unable to hold every character; a name may hold characters that steer a terminal or
that cannot be seen. None of it ends a command with nothing printed.
"""

from __future__ import annotations

import codecs
import errno
import os
import re
import sys
from contextlib import suppress
from typing import Any

from mmsearch.types import printable

_PLAIN = {"–": "-", "—": "-", "…": "...", "×": "x", "·": "*", "→": "->", "≥": ">=", "≤": "<=", "▀": "#", "’": "'"}
_ERRORS = "mmsearch.plain"
_OF_OUTPUT = (errno.ENOSPC, errno.EIO, errno.EBADF, errno.EFBIG, errno.EAGAIN, getattr(errno, "EDQUOT", errno.ENOSPC))

# Cc, Cf, Zl and Zp of Unicode, lone surrogates, and letters that are blank: they steer a terminal or cannot be seen.
_CONTROLS = "\x00-\x1f\x7f-\x9f"
_UNSEEN = (
    "\u00ad\u034f\u061c\u070f\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_STEERING = re.compile(f"[{_CONTROLS}{_UNSEEN}]")
_STEERING_IN_JSON = re.compile(f"[\x7f-\x9f{_UNSEEN}]")
_JOINERS = "\u200c\u200d"
_JOINED = re.compile("[\u0600-\u0dff\u1000-\u109f\u1780-\u17ff\ufe0f\u2190-\u2bff\U0001f000-\U0001faff]")
"""Scripts that are written with joiners (Arabic to Sinhala, Burmese, Khmer), and emoji."""


def prepare_streams() -> None:
    """Make stdin, stdout and stderr usable: closed ones lead to nowhere, and no character is refused."""
    for descriptor in (0, 1, 2):  # the next file that is opened must not become somebody's stdout
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free descriptor, which is this one
    codecs.register_error(_ERRORS, _plain)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_ERRORS)


def finished(code: int | str | None) -> int | str | None:
    """The exit code once stdout is flushed: 1 where that fails. Python itself must not fail again at exit."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        discard_stdout()
    except OSError as error:
        discard_stdout()
        say(f"mmsearch: {explained(error)}")
        return code or 1
    return code


def discard_stdout() -> None:
    """Let all that is still to be written to stdout go nowhere: whoever reads it has left, or its disk is full."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def explained(error: OSError) -> str:
    """One line for what the operating system refused."""
    reason = error.strerror or str(error) or type(error).__name__
    if error.filename is not None:
        return f"{harmless(os.fsdecode(error.filename))}: {reason}"
    if error.errno in _OF_OUTPUT:
        return f"cannot write the output: {reason}"
    try:
        os.getcwd()
    except OSError:
        return "the working folder does not exist any more: change to another"
    return reason


def echo(line: str = "") -> None:
    """A line of results on stdout."""
    sys.stdout.write(line + "\n")


def say(line: str) -> None:
    """A line on stderr, where everything goes that is no result; a stderr that takes nothing is no failure."""
    with suppress(OSError, ValueError):
        sys.stderr.write(harmless(line) + "\n")
        sys.stderr.flush()


def print_json(data: Any) -> None:
    """One JSON object on stdout, in a line; what steers a terminal or cannot be seen is escaped."""
    import json

    text = json.dumps(data, ensure_ascii=not _holds_unicode(sys.stdout))
    echo(_STEERING_IN_JSON.sub(lambda match: json.dumps(match[0])[1:-1], text))


def harmless(text: str) -> str:
    """Text for a terminal: undecodable bytes, control characters and what cannot be seen, shown as escapes."""
    text = printable(text)
    return _STEERING.sub(lambda match: match[0] if _joins(match) else _escaped(match[0]), text)


def _joins(match: re.Match[str]) -> bool:
    """Whether a joiner stands where scripts and emoji need one."""
    before, after = match.string[: match.start()][-1:], match.string[match.end() :][:1]
    return match[0] in _JOINERS and bool(_JOINED.match(before)) and bool(_JOINED.match(after))


def _escaped(character: str) -> str:
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _holds_unicode(stream: Any) -> bool:
    """Whether a stream's encoding has every character."""
    try:
        return codecs.lookup(stream.encoding).name.startswith("utf")
    except (LookupError, TypeError, AttributeError):
        return False


def _plain(error: UnicodeError) -> tuple[str | bytes, int]:
    """Error handler: typographic characters become plain ones, all others escapes."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    refused = error.object[error.start : error.end]
    return "".join(_PLAIN.get(c) or _escaped(c) for c in refused), error.end
