"""The process that decodes a live source: it writes mono 16-bit samples to standard output until the source ends.

Files and standard input are decoded in the sandbox of the decoding workers. A microphone needs a device and a stream
needs the network, so their processes are only limited in memory.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Callable
from typing import IO, Any

from mmsearch.retrieval.media.workers.confine import confine, limit_resources

_ADDRESS_SPACE = 8 << 30
_POLL_S = 0.1
# No playlists among them: those would open other files and servers.
_FORMATS = "wav,w64,aiff,au,caf,flac,ogg,mp3,aac,ac3,eac3,amr,matroska,mov,mpegts,mpeg,asf,flv,avi,nut"
_OPTIONS = {"ignore_length": "1", "probesize": "16384", "analyzeduration": "500000"}
_DEVICES = {"linux": ("alsa", "default", ""), "darwin": ("avfoundation", ":0", ":"), "win32": ("dshow", "", "audio=")}
"""By system: FFmpeg's input format, the name of the default microphone, and what stands before another name."""


class GrowingFile(io.RawIOBase):
    """A file that is read while another program writes it.

    It ends when it has not grown for some seconds, or when the process that asked for it is gone.
    """

    def __init__(
        self, file: IO[bytes], idle_s: float, sleep: Callable[[float], None] = time.sleep, poll_s: float = _POLL_S
    ) -> None:
        self._file, self._idle_s, self._sleep, self._poll_s = file, idle_s, sleep, poll_s
        self._parent = os.getppid()

    def readable(self) -> bool:
        """It can be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """At least one byte, waited for; none at the end."""
        waited = 0.0
        while not (data := self._file.read(size)):
            if waited >= self._idle_s or os.getppid() != self._parent:
                return b""
            self._sleep(self._poll_s)
            waited += self._poll_s
        return data


class _Pipe(io.RawIOBase):
    """Standard input, as much of it as is there."""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return os.read(0, size if size > 0 else 1 << 16)


def main() -> int:
    """Decode what the one argument says, JSON of kind, name, rate and idle_s; returns the exit status."""
    asked = json.loads(sys.argv[1])
    import av

    limit_resources(_ADDRESS_SPACE)
    try:
        container = _open(av, asked)
        if not container.streams.audio:
            raise ValueError("no sound track")
        _copy(av, container, asked["rate"], sys.stdout.buffer)
    except BrokenPipeError:
        return 0
    except (av.FFmpegError, OSError, ValueError) as error:
        sys.stderr.write((getattr(error, "strerror", None) or str(error) or type(error).__name__).strip().lower())
        return 1
    return 0


def _open(av: Any, asked: dict[str, Any]) -> Any:
    kind, name = asked["kind"], asked["name"]
    if kind == "microphone":
        format, default, prefix = _DEVICES.get(sys.platform, _DEVICES["linux"])
        if not name and not default:
            raise ValueError("name the microphone: this system has no default")
        return av.open(prefix + name if name else default, format=format)
    if kind == "stream":
        return av.open(name, timeout=30.0)
    source: io.RawIOBase = _Pipe()
    if kind == "file":
        source = GrowingFile(open(name, "rb", buffering=0), asked["idle_s"])  # noqa: SIM115  read to the end
    confine()
    return av.open(source, options={**_OPTIONS, "format_whitelist": _FORMATS})


def _copy(av: Any, container: Any, rate: int, out: IO[bytes]) -> None:
    """Write the sound track, packet by packet; what cannot be decoded is left out."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
    stream = container.streams.audio[0]
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            continue
        for frame in frames:
            frame.pts = None  # gaps of the source are no silence in the recording
            _write(resampler.resample(frame), out)
    _write(resampler.resample(None), out)


def _write(frames: list[Any], out: IO[bytes]) -> None:
    for frame in frames:
        out.write(frame.to_ndarray().tobytes())
    out.flush()


if __name__ == "__main__":
    sys.exit(main())
