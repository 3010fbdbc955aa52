"""A file, or a moment of one, as the vector to search by: decoded in a worker, embedded part by part.

Of a long file, a bounded number of parts are embedded, spread evenly over it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import CannotEmbedError, DecodeError, NoSuchFileError
from mmsearch.notices import Notice, NoticeKind
from mmsearch.retrieval.encoders.pooling import pooled
from mmsearch.retrieval.encoders.protocol import AudioEncoder, Encoder, VideoEncoder
from mmsearch.retrieval.encoders.routing import as_image_encoder, as_text_encoder, decode_spec_of
from mmsearch.retrieval.media.decode_spec import Rejection, plural_of
from mmsearch.retrieval.media.formats import MODALITY_OF_KIND
from mmsearch.retrieval.media.texts.encoded_data import readable_passages
from mmsearch.retrieval.media.workers.decoder import Decoder
from mmsearch.retrieval.media.workers.jobs import Decoded, Job, Part, TextPart
from mmsearch.retrieval.progress import Progress
from mmsearch.retrieval.search.even_sample import EvenSample
from mmsearch.retrieval.search.item_paths import is_item, written
from mmsearch.retrieval.search.listener import NO_LISTENER, QueryListener
from mmsearch.retrieval.search.word_coverage import notice_of_text
from mmsearch.types import clock, printable
from mmsearch.unit import Vector

if TYPE_CHECKING:
    from typing import Self

_PARTS_AT_ONCE = 16  # frames or windows that are embedded at a time
_WAITING_BYTES = 128 << 20  # decoded parts held before they are embedded: those dropped from the sample cost nothing
_MOST_PARTS = 128  # shots, windows or pages of a file; the mean of 64 comes close to that of all
_MOST_PASSAGES = 512  # or rows of a table; embedding a passage takes a tenth of a picture's time, or less


class FileEmbedder:
    """Embeds files to search by; a context manager. One worker process decodes them all, from the first one on.

    Args:
        encoder: the model.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._decoder: Decoder | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        decoder, self._decoder = self._decoder, None
        if decoder is not None:
            decoder.close()

    def of_file(
        self, path: Path, moment: tuple[float, float | None] | None = None, listener: QueryListener = NO_LISTENER
    ) -> Vector:
        """The vector of a file, float32 ``[dim]``, of any length above 0.

        Of a text it is the mean of its passages, of a film that of its shots (of its sound, if the model embeds no
        frames), of a sound that of its windows: the same as of the file's stored rows, see `stored_vectors`. If these
        are very many, an even sample of them is taken.

        Args:
            path: the file, or an item of an archive: ``shard.tar#1.jpg``.
            moment: from … to in seconds, or a time and None; only that part of a film or sound is embedded, frame by
                frame.
            listener: is called as the file is read and, if only a sample of it was embedded, with a notice.

        Raises:
            NoSuchFileError: there is no such file, or it is a folder.
            CannotEmbedError: the model embeds no such files.
            DecodeError: it cannot be read, or there is nothing in it.
        """
        from mmsearch.retrieval.search.item_file import content_at

        if not is_item(path):
            _check_there(path)
        with content_at(path) as content:
            return self._embed(path, written(path), moment, listener, content)

    def of_bytes(self, data: bytes, listener: QueryListener = NO_LISTENER) -> Vector:
        """The vector of a file's bytes; see `of_file`."""
        import tempfile  # costs a query by a file that is named some milliseconds

        with tempfile.TemporaryDirectory(prefix="mmsearch-") as folder:
            path = Path(folder, "query")
            path.write_bytes(data)
            return self._embed(path, "the bytes given", None, listener)

    def _embed(
        self,
        path: Path,
        name: str,
        moment: tuple[float, float | None] | None,
        listener: QueryListener,
        content: bytes | None = None,
    ) -> Vector:
        """The vector of a file that exists; ``name`` is what errors and notices call it. ``content`` holds its
        bytes, where it is an item of an archive."""
        if self._decoder is None:
            self._decoder = Decoder(1, decode_spec_of(self._encoder), slots=2)
        job = Job(os.fsencode(os.path.abspath(path)), explicitly_requested=True, moment=moment, content=content)
        return _embed_job(self._decoder, job, printable(name), self._encoder, listener)


def _check_there(path: Path) -> None:
    """Raise a `NoSuchFileError` if there is no such file; whether it can be read shows when it is decoded."""
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL in the name
        raise NoSuchFileError(f"there is no file {printable(str(path))}") from None
    except OSError:
        return
    if stat.S_ISDIR(mode):
        raise NoSuchFileError(f"{printable(str(path))} is a folder: search by a file in it")


def _embed_job(decoder: Decoder, job: Job, name: str, encoder: Encoder, listener: QueryListener) -> Vector:
    """The vector of a file that is decoded."""
    mean = _MeanOfParts(encoder, by_shot=job.moment is None)
    passages = _MeanOfPassages(encoder)
    for decoded in decoder.map([job]):
        if isinstance(decoded, Part):
            at_s = None if decoded.kind == "page" else decoded.end_s
            listener.progress(Progress("decode", path=name, at_s=at_s, of_s=decoded.of_s))
            mean.add(decoded)
        elif isinstance(decoded, TextPart):
            listener.progress(Progress("decode", path=name))
            passages.add(text for _, text in decoded.texts)
        elif decoded is not None:
            file = decoded
    pixels = None if file.pixels is None else file.pixels[None].copy()
    decoder.release(file)
    _check(file, name, encoder)
    if job.moment is not None and file.kind == "document":
        raise DecodeError(f"cannot search by a time in {name}: it is a document")
    if mean.count and not (file.kind == "document" and passages.count):
        _report_sample(listener, name, mean.sample())
        return mean.vector()
    if job.moment is not None:
        raise DecodeError(f"cannot search by a time in {name}: it is no film or sound")
    if pixels is not None:
        picture: Vector = as_image_encoder(encoder).encode_images(pixels)[0]
        return picture
    if file.kind != "document":  # its pages have all come before
        passages.add([text for *_, text in file.texts or file.cues] or [file.text or ""])
    vector = passages.vector(name)
    _report_sample(listener, name, passages.sample(_texts_of(file)))
    if notice := passages.notice(name):
        listener.notice(notice)
    return vector


def _texts_of(file: Decoded) -> str:
    """What the texts of a file are, in plural."""
    return "cues" if file.cues else "pages" if file.kind == "document" else "rows"


def _report_sample(listener: QueryListener, name: str, sample: str | None) -> None:
    if sample is not None:
        listener.notice(Notice(NoticeKind.FILE_SAMPLED, {"file": name, "sample": sample}))


@dataclass(slots=True)
class _SampledPart:
    """A part that may go into the mean: a shot's frames, a window or a page, until it is embedded; then its vector."""

    items: list[NDArray[Any]]
    vector: Vector | None = None


class _MeanOfParts:
    """The mean of the shots of a film, the windows of a sound or the pages of a document, embedded a few at a time.

    A shot's frames are pooled as those of its row are; without ``by_shot`` each frame is a part of its own. If a film
    comes with its sound, only its frames count.
    """

    def __init__(self, encoder: Encoder, by_shot: bool) -> None:
        self._encoder = encoder
        self._by_shot = by_shot
        self._kind: str | None = None
        self._sample = EvenSample[_SampledPart](_MOST_PARTS)
        self._end_s = 0.0

    @property
    def count(self) -> int:
        """How many parts there were."""
        return self._sample.offered

    def add(self, part: Part) -> None:
        self._kind = self._kind or part.kind
        if part.kind != self._kind:
            return
        self._end_s = part.end_s
        by_frame = part.kind == "shot" and not isinstance(self._encoder, VideoEncoder)
        items = list(part.array) if by_frame else [part.array]
        for own in [items] if self._by_shot else [[item] for item in items]:
            self._sample.offer(_SampledPart(own))
        if sum(item.nbytes for waiting in self._waiting() for item in waiting.items) >= _WAITING_BYTES:
            self._embed()

    def vector(self) -> Vector:
        self._embed()
        total: Any = 0.0
        for part in self._sample.held:
            assert part.vector is not None
            total = total + part.vector.astype(np.float64)
        mean: Vector = np.asarray(total / len(self._sample.held), np.float32)
        return mean

    def sample(self) -> str | None:
        """Which parts were embedded, in words; None if all were."""
        held = len(self._sample.held)
        if self._sample.is_whole:
            return None
        if self._kind == "page":
            return f"{held} of its {self.count:,} pages"
        return f"{held} {'shots' if self._kind == 'shot' else 'windows'} spread over its {clock(self._end_s)}"

    def _waiting(self) -> list[_SampledPart]:
        return [part for part in self._sample.held if part.vector is None]

    def _embed(self) -> None:
        group: list[_SampledPart] = []
        items: list[NDArray[Any]] = []
        waiting = self._waiting()
        for part in waiting:
            group.append(part)
            items += part.items
            if len(items) >= _PARTS_AT_ONCE or part is waiting[-1]:
                vectors = np.split(self._encode()(items), np.cumsum([len(one.items) for one in group])[:-1])
                for one, own in zip(group, vectors, strict=True):
                    one.vector, one.items = pooled(own), []
                group, items = [], []

    def _encode(self) -> Callable[[list[NDArray[Any]]], NDArray[np.float32]]:
        encoder = self._encoder
        if self._kind == "window":
            assert isinstance(encoder, AudioEncoder)
            return encoder.encode_sounds
        if isinstance(encoder, VideoEncoder) and self._kind == "shot":
            return encoder.encode_films
        image_encoder = as_image_encoder(encoder)
        return lambda frames: image_encoder.encode_images(np.stack(frames))


def _check(file: Decoded, name: str, encoder: Encoder) -> None:
    """Raise an error that says why a file cannot be searched by, where it was skipped."""
    if file.outcome != "skipped":
        return
    if file.rejection is Rejection.NOT_EMBEDDED and file.kind is not None:
        reason = f"model {encoder.space.model} does not embed {plural_of(MODALITY_OF_KIND[file.kind])}"
        raise CannotEmbedError(f"cannot search by {name}: {reason}", hint=file.hint)
    raise DecodeError(f"cannot search by {name}: {file.reason}", hint=file.hint)


class _MeanOfPassages:
    """The mean of the passages of a text, or of those of a table's rows or of subtitles."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._texts = EvenSample[str](_MOST_PASSAGES)
        self._passages = EvenSample[str](_MOST_PASSAGES)

    @property
    def count(self) -> int:
        """How many texts there were."""
        return self._texts.offered

    def add(self, texts: Iterable[str]) -> None:
        for text in texts:
            self._texts.offer(text)

    def vector(self, name: str) -> Vector:
        text_encoder = as_text_encoder(self._encoder)
        for text in self._texts.held:
            for _, words in readable_passages(text, [], text_encoder.count_tokens, text_encoder.max_tokens):
                self._passages.offer(words)
        if not self._passages.held:
            raise DecodeError(f"cannot search by {name}: there is no text in it")
        mean: Vector = text_encoder.encode_texts(self._passages.held).mean(axis=0)
        return mean

    def notice(self, name: str) -> Notice | None:
        """A notice if the model can read none of the passages."""
        return notice_of_text(self._passages.held, as_text_encoder(self._encoder), name)

    def sample(self, of: str) -> str | None:
        """Which texts were embedded, in words; None if all were. ``of``: what the texts are, in plural."""
        passages, texts = self._passages, self._texts
        if texts.is_whole:
            return None if passages.is_whole else f"{len(passages.held)} of its {passages.offered:,} passages"
        held = len(texts.held) if passages.is_whole else f"{len(passages.held)} passages from {len(texts.held)}"
        return f"{held} of its {texts.offered:,} {of}"
