"""RTF: the text, page by page where it has page breaks, and the properties. Pictures and objects are passed over."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import IO

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.documents.own_facts import document_facts
from mmsearch.retrieval.media.documents.sections import Sections
from mmsearch.retrieval.media.documents.sink import DocumentSink
from mmsearch.types import Facts, sized

MAX_BYTES = 128 * 1024 * 1024
"""Larger files are refused. Pictures in them take two bytes for each of theirs."""

_MAGIC = b"{\\rtf"
_TOKEN = re.compile(
    rb"\\(?:([a-zA-Z]{1,32})(-?\d{1,10})? ?|'([0-9a-fA-F]{2})|([^a-zA-Z]))|([{}])|[\r\n]+|([^\\{}\r\n]+)", re.S
)
_MOST_GROUPS = 1000
_SKIPPED_NAMES = """
fonttbl colortbl stylesheet listtable listoverridetable rsidtbl generator pict object themedata colorschememapping
datastore latentstyles xmlnstbl mmathPr header headerl headerr headerf footer footerl footerr footerf fldinst filetbl
revtbl pgptbl private nonshppict blipuid template panose falt bkmkstart bkmkend
"""
_SKIPPED = frozenset(_SKIPPED_NAMES.split())
_INFO = frozenset(("title", "keywords", "creatim"))
_SYMBOLS = {
    **{"par": "\n", "line": "\n", "sect": "\n", "row": "\n", "cell": "\t", "tab": "\t"},
    **{"emdash": "—", "endash": "–", "bullet": "•", "lquote": "‘", "rquote": "’", "ldblquote": "“", "rdblquote": "”"},
    **{"emspace": " ", "enspace": " "},
}
_ENCODINGS = {"mac": "mac_roman", "pc": "cp437", "pca": "cp850"}


@dataclass(frozen=True, slots=True)
class _Group:
    """What holds within braces: whether text is passed over, the property it is of, the bytes that follow ``\\u``."""

    skipped: bool = False
    info: str = ""
    following: int = 1


@dataclass(slots=True)
class _State:
    groups: list[_Group] = field(default_factory=lambda: [_Group()])
    encoding: str = "cp1252"
    bytes: bytearray = field(default_factory=bytearray)
    parts: list[str] = field(default_factory=list)
    to_skip: int = 0
    info: dict[str, str] = field(default_factory=dict)
    date: dict[str, int] = field(default_factory=dict)


def read(source: IO[bytes], format: str, sink: DocumentSink) -> Facts:
    """The reader of RTF; see `read.Reader`."""
    data = source.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise DecodeError(f"an RTF document of over {sized(MAX_BYTES)}: not read")
    if not data.startswith(_MAGIC):
        raise DecodeError("it does not begin as an RTF document does")
    reader = _RtfReader(Sections(sink))
    reader.read(data)
    return reader.facts()


class _RtfReader:
    def __init__(self, sections: Sections) -> None:
        self._sections = sections
        self._state = _State()

    def read(self, data: bytes) -> None:
        state = self._state
        at = 0
        while token := _TOKEN.search(data, at):
            at = token.end()
            word, number, coded, symbol, brace, plain = token.groups()
            if plain is not None:
                self._add_bytes(plain)
            elif word == b"bin":
                at += max(0, int(number or 0))
            elif word is not None:
                self._on_word(word.decode("ascii"), None if number is None else int(number))
            elif coded is not None:
                self._add_bytes(bytes.fromhex(coded.decode("ascii")))
            elif brace == b"{":
                if len(state.groups) >= _MOST_GROUPS:
                    raise DecodeError("a damaged RTF document: too many braces")
                self._flush_bytes()
                state.groups.append(state.groups[-1])
            elif brace == b"}":
                self._flush_bytes()
                if len(state.groups) > 1:
                    state.groups.pop()
            elif symbol is not None:
                self._on_symbol(symbol)
        self._finish_line()

    def facts(self) -> Facts:
        """What the document says of itself."""
        info, date = self._state.info, self._state.date
        created = None
        if {"yr", "mo", "dy"} <= date.keys():
            clock = f"{date.get('hr', 0):02d}:{date.get('min', 0):02d}:{date.get('sec', 0):02d}"
            created = f"{date['yr']:04d}-{date['mo']:02d}-{date['dy']:02d} {clock}"
        return document_facts(title=info.get("title"), tags=info.get("keywords", ""), created=created)

    def _on_word(self, word: str, number: int | None) -> None:
        state = self._state
        group = state.groups[-1]
        if word == "u" and number is not None:
            self._flush_bytes()
            self._add_text(chr(number & 0xFFFF))
            state.to_skip = group.following
        elif word == "uc" and number is not None:
            state.groups[-1] = replace(group, following=min(max(number, 0), 8))
        elif word in _SKIPPED:
            state.groups[-1] = replace(group, skipped=True)
        elif word == "shptxt":  # a text box, in a group that may be passed over
            state.groups[-1] = replace(group, skipped=False)
        elif word == "info":
            state.groups[-1] = replace(group, info="info")
        elif group.info and word in _INFO:
            state.groups[-1] = replace(group, info=word)
        elif group.info == "creatim" and number is not None:
            state.date[word] = abs(number)
        elif word in _ENCODINGS:
            state.encoding = _ENCODINGS[word]
        elif word == "ansicpg" and number:
            state.encoding = _known(f"cp{number}" if number != 65001 else "utf-8")
        elif word == "page" and not (group.skipped or group.info):
            self._finish_line()
            self._sections.turn()
        elif word in _SYMBOLS:
            self._add_text(_SYMBOLS[word])

    def _on_symbol(self, symbol: bytes) -> None:
        if symbol in b"\\{}":
            self._add_bytes(symbol)
        elif symbol == b"~":
            self._add_text(" ")
        elif symbol == b"_":
            self._add_text("-")
        elif symbol in (b"\r", b"\n"):
            self._add_text("\n")
        elif symbol == b"*":  # a group that readers may pass over if they do not know it
            self._state.groups[-1] = replace(self._state.groups[-1], skipped=True)

    def _add_bytes(self, data: bytes) -> None:
        state = self._state
        if state.to_skip:
            left = data[state.to_skip :]
            state.to_skip -= len(data) - len(left)
            data = left
        if not state.groups[-1].skipped:
            state.bytes += data

    def _add_text(self, text: str) -> None:
        self._flush_bytes()
        self._take(text)

    def _flush_bytes(self) -> None:
        state = self._state
        if state.bytes:
            text, state.bytes = state.bytes.decode(state.encoding, "replace"), bytearray()
            self._take(text)

    def _take(self, text: str) -> None:
        state = self._state
        group = state.groups[-1]
        if group.skipped:
            return
        if group.info:
            known = state.info.get(group.info, "")
            state.info[group.info] = known + text if len(known) < 10_000 else known
        elif text == "\n":
            self._finish_line()
        else:
            state.parts.append(text)

    def _finish_line(self) -> None:
        self._flush_bytes()
        text, self._state.parts = "".join(self._state.parts), []
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")  # \\u has halves of pairs
        self._sections.add(text.strip())


def _known(encoding: str) -> str:
    try:
        "".encode(encoding)
    except LookupError:
        return "cp1252"
    return encoding
