"""Output of commands: results go to stdout, everything else to stderr.

A stream may be closed, full, or have an encoding without some characters. Text, such as a file's name, may contain
control characters, which would steer a terminal, or invisible ones. This module handles all of that.
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

# Unicode's categories Cc, Cf, Zl and Zp, lone surrogates and blank letters: control and invisible characters.
_CONTROLS = "\x00-\x1f\x7f-\x9f"
_INVISIBLE = (
    "\u00ad\u034f\u061c\u070f\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_TO_ESCAPE = re.compile(f"[{_CONTROLS}{_INVISIBLE}]")
_TO_ESCAPE_IN_JSON = re.compile(f"[\x7f-\x9f{_INVISIBLE}]")
_JOINERS = "\u200c\u200d"
_JOINED = re.compile("[\u0600-\u0dff\u1000-\u109f\u1780-\u17ff\ufe0f\u2190-\u2bff\U0001f000-\U0001faff]")
"""Characters of scripts that need joiners (Arabic to Sinhala, Burmese, Khmer), and emoji."""


def prepare_streams() -> None:
    """Make stdin, stdout and stderr usable: open the null device for closed ones, escape what an encoding lacks."""
    for descriptor in (0, 1, 2):  # otherwise the next file that is opened would get the number of a standard stream
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free descriptor, which is this one
    codecs.register_error(_ERRORS, _plain)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_ERRORS)


def final_exit_code(code: int | str | None) -> int | str | None:
    """Flush stdout, and return the exit code: 1 if flushing fails. After that, Python's own flush at exit succeeds."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        discard_stdout()
    except OSError as error:
        discard_stdout()
        say(f"mmsearch: {describe_os_error(error)}")
        return code or 1
    return code


def discard_stdout() -> None:
    """Send the rest of stdout to the null device, because its reader has closed the pipe or its disk is full."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def describe_os_error(error: OSError) -> str:
    """An error of the operating system in one line."""
    reason = error.strerror or str(error) or type(error).__name__
    if error.filename is not None:
        return f"{terminal_safe(os.fsdecode(error.filename))}: {reason}"
    if error.errno in _OF_OUTPUT:
        return f"cannot write the output: {reason}"
    try:
        os.getcwd()
    except OSError:
        return "the working folder does not exist any more: change to another"
    return reason


def echo(line: str = "") -> None:
    """Print a line of results to stdout."""
    sys.stdout.write(line + "\n")


def say(line: str) -> None:
    """Print a line that is not a result to stderr; ignore a stderr that is closed or full."""
    with suppress(OSError, ValueError):
        sys.stderr.write(terminal_safe(line) + "\n")
        sys.stderr.flush()


def print_json(data: Any) -> None:
    """Print one JSON object in one line to stdout, with control and invisible characters escaped."""
    import json

    text = json.dumps(data, ensure_ascii=not _holds_unicode(sys.stdout))
    echo(_TO_ESCAPE_IN_JSON.sub(lambda match: json.dumps(match[0])[1:-1], text))


def terminal_safe(text: str) -> str:
    """Text that is safe to print on a terminal: undecodable bytes, control and invisible characters are escaped."""
    text = printable(text)
    return _TO_ESCAPE.sub(lambda match: match[0] if _joins(match) else _escaped(match[0]), text)


def _joins(match: re.Match[str]) -> bool:
    """Whether a joiner stands between characters of a script that needs it, or between emoji."""
    before, after = match.string[: match.start()][-1:], match.string[match.end() :][:1]
    return match[0] in _JOINERS and bool(_JOINED.match(before)) and bool(_JOINED.match(after))


def _escaped(character: str) -> str:
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _holds_unicode(stream: Any) -> bool:
    """Whether a stream's encoding can express every character."""
    try:
        return codecs.lookup(stream.encoding).name.startswith("utf")
    except (LookupError, TypeError, AttributeError):
        return False


def _plain(error: UnicodeError) -> tuple[str | bytes, int]:
    """An error handler of codecs: replace typographic characters by plain ones, escape all others."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    refused = error.object[error.start : error.end]
    return "".join(_PLAIN.get(c) or _escaped(c) for c in refused), error.end
