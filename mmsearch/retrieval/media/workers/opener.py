"""Opens the files of a worker's jobs, in a process of its own, because a confined worker cannot open files."""

from __future__ import annotations

import array
import ctypes
import errno
import os
import signal
import socket
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.workers.messages import path_in

_SET_PARENT_DEATH_SIGNAL, _SET_DUMPABLE = 1, 4
_RECEIVE_BYTES = 1 << 16
_OPENED, _NOT_REGULAR = 0, -1


def open_regular(path: bytes) -> IO[bytes]:
    """Open a regular file for reading. Pipes and devices are refused before they are opened, and once more after.

    Raises:
        DecodeError: it is no regular file.
        OSError: it cannot be opened.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise DecodeError("not a regular file")
    # If a pipe has replaced the file since, O_NONBLOCK keeps open() from waiting for a writer.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    file = os.fdopen(os.open(path, flags), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise DecodeError("not a regular file")
    return file


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """What came of opening a job's file in the opener's process.

    Attributes:
        state: 0 if it is open, -1 if it is no regular file, else the number of the error; None: nothing opened it yet.
        file: the open file.
    """

    state: int | None = None
    file: IO[bytes] | None = None

    def file_of(self, path: bytes) -> IO[bytes]:
        """The open file; where nothing has opened it yet, it is opened now.

        Raises:
            DecodeError, OSError: as `open_regular`.
        """
        if self.state is None:
            return open_regular(path)
        if self.file is not None:
            return self.file
        if self.state == _NOT_REGULAR:
            raise DecodeError("not a regular file")
        raise OSError(self.state, os.strerror(self.state))


def fork_opener(lines: IO[bytes], replies: IO[bytes]) -> socket.socket | None:
    """Fork a process that reads ``lines`` from now on, opens the file of each job, and passes both on to the worker.

    It reads no file, and receives nothing from the worker, so that the worker cannot ask for other files. It ends with
    the worker. Returns the worker's end of the socket; None on systems where workers are not confined.
    """
    if sys.platform != "linux":
        return None
    worker = os.getpid()
    here, there = socket.socketpair()
    if os.fork():
        there.close()
        os.close(lines.fileno())
        return here
    try:
        prctl = ctypes.CDLL(None).prctl
        prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
        prctl(_SET_DUMPABLE, 0, 0, 0, 0)
        if os.getppid() == worker:
            here.close()
            os.close(replies.fileno())  # the main process is to see the worker's end
            os.dup2(0, 2)  # the null device
            _forward(lines, there)
    finally:
        os._exit(0)


def _forward(lines: IO[bytes], there: socket.socket) -> None:
    for line in lines:
        state, file = _OPENED, None
        if line.startswith(b"{"):
            try:
                file = open_regular(path_in(line))
            except DecodeError:
                state = _NOT_REGULAR
            except OSError as error:
                state = error.errno or errno.EIO
        message = b"%d %s" % (state, line)
        sent = socket.send_fds(there, [message], [file.fileno()]) if file is not None else 0
        there.sendall(message[sent:])
        if file is not None:
            file.close()


def received(here: socket.socket) -> Iterator[tuple[bytes, OpenedFile]]:
    """The lines that the opener passes on, each with its opened file, until the opener ends."""
    waiting, descriptors = b"", array.array("i")
    while data := _receive(here, descriptors):
        waiting += data
        *whole, waiting = waiting.split(b"\n")
        for message in whole:
            state, _, line = message.partition(b" ")
            has_file = line.startswith(b"{") and int(state) == _OPENED
            yield line + b"\n", OpenedFile(int(state), os.fdopen(descriptors.pop(0), "rb") if has_file else None)


def _receive(here: socket.socket, descriptors: array.array[int]) -> bytes:
    data, found, _, _ = socket.recv_fds(here, _RECEIVE_BYTES, 8)
    descriptors.extend(found)
    return data
