"""Limits what a decoding worker can reach: no other files, no network, no other processes, bounded memory.

On Linux this uses Landlock for files and a filter of system calls (seccomp) for the rest, as far as the kernel has
them; neither needs privileges. SECURITY.md says what this protects, and from whom.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mmsearch.retrieval.media.workers.syscalls import filter_of_calls

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_ABI_VERSION = 1  # flag of the first: which version of Landlock there is
_PATH_BENEATH = 1

_WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE = 1 << 1, 1 << 2, 1 << 3, 1 << 14
_FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}  # known since that version
_TCP_RIGHTS = {4: 0b11}
_SCOPES = {6: 0b11}  # abstract Unix sockets and signals

_SET_NO_NEW_PRIVILEGES, _SET_SECCOMP, _SECCOMP_FILTER = 38, 22, 2
_OPEN_FILES = 256
_SYSTEM = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/nix/store", "/sys/devices/system/cpu")


def landlock_version() -> int:
    """The version of Landlock's interface that this kernel has; 0: none."""
    return max(_call(_CREATE_RULESET, None, 0, _ABI_VERSION), 0) if sys.platform == "linux" else 0


def limit_resources(address_space: int) -> None:
    """Forbid core dumps, which would hold private pictures, and bound the open files and the memory.

    Args:
        address_space: in bytes. Libraries reserve far more than they use, so it must be generous.
    """
    _limit("RLIMIT_CORE", 0)
    _limit("RLIMIT_NOFILE", _OPEN_FILES)
    _limit("RLIMIT_AS", address_space)


def _limit(name: str, wanted: int) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    kind = getattr(resource, name)
    hard = resource.getrlimit(kind)[1]
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with contextlib.suppress(ValueError, OSError):  # macOS knows RLIMIT_AS but may refuse it
        resource.setrlimit(kind, (limit, limit))


def confine(writes_to: bytes | None = None) -> None:
    """Give up access to files other than libraries, to the network and to other processes, for good.

    Must be called while the process has one thread. Limits that the kernel does not have are left out. Files that are
    open stay open.

    Args:
        writes_to: an existing file that may be written to.
    """
    if writes_to is None:
        _limit("RLIMIT_FSIZE", 0)
    if sys.platform != "linux":
        return
    if _prctl(_SET_NO_NEW_PRIVILEGES, 1) != 0:
        return
    _restrict_files(landlock_version(), writes_to)
    program = filter_of_calls(os.uname().machine, os.getpid())
    if program is not None:
        _filter_calls(program)


def _restrict_files(version: int, writes_to: bytes | None) -> None:
    if version < 1:
        return
    rights = _up_to(version, _FILE_RIGHTS)
    attributes = (ctypes.c_uint64 * 3)(rights, _up_to(version, _TCP_RIGHTS), _up_to(version, _SCOPES))
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = _call(_CREATE_RULESET, ctypes.byref(attributes), size, 0)
    if ruleset < 0:
        return
    try:
        for path in _readable():
            _allow(ruleset, path, rights & (_READ_FILE | _READ_DIR))
        _allow(ruleset, os.devnull, rights & (_READ_FILE | _WRITE_FILE))
        _allow(ruleset, "/dev/urandom", rights & _READ_FILE)
        if writes_to is not None:
            _allow(ruleset, writes_to, rights & (_READ_FILE | _WRITE_FILE | _TRUNCATE))
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _up_to(version: int, rights: dict[int, int]) -> int:
    """The rights by version of the interface: those of the newest one up to ``version``."""
    return max((bits for since, bits in rights.items() if since <= version), default=0)


def _readable() -> Iterator[str]:
    """The folders of the interpreter, its libraries and its packages, from which decoders are loaded when needed."""
    yield from _SYSTEM
    yield from {sys.prefix, sys.base_prefix, sys.exec_prefix, *sysconfig.get_paths().values()}
    own = Path(__file__).resolve().parents[3]
    yield str(own)
    named = [os.environ.get(name, "").split(os.pathsep) for name in ("PYTHONPATH", "LD_LIBRARY_PATH")]
    stated = {Path(entry).resolve() for entries in named for entry in entries if entry} - {own.parent}
    homes = _homes()
    for entry in {*map(Path, sys.path), *stated, Path(site.getusersitepackages())}:
        entry = entry.resolve()
        packages = entry.name in ("site-packages", "dist-packages")
        if packages or (entry in stated and not any(home.is_relative_to(entry) for home in homes)):
            yield str(entry)


def _homes() -> list[Path]:
    """The user's home folder; a folder that contains it is not a folder of libraries."""
    with contextlib.suppress(ImportError, KeyError):
        import pwd

        return [Path(pwd.getpwuid(os.getuid()).pw_dir).resolve()]
    return []


def _allow(ruleset: int, path: str | bytes, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # not on this machine
        return
    try:
        if not os.path.isdir(path):
            rights &= ~_READ_DIR  # the kernel refuses it for a file
        rule = rights.to_bytes(8, sys.byteorder) + descriptor.to_bytes(4, sys.byteorder)
        _call(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
    finally:
        os.close(descriptor)


def _filter_calls(program: Sequence[bytes]) -> None:
    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))

    _prctl(_SET_SECCOMP, _SECCOMP_FILTER, ctypes.byref(Program(len(program), b"".join(program))))


def _call(number: int, *arguments: object) -> int:
    return int(_libc().syscall(ctypes.c_long(number), *_wide(arguments)))


def _prctl(*arguments: object) -> int:
    return int(_libc().prctl(*_wide([*arguments, *[0] * (5 - len(arguments))])))


def _wide(arguments: Iterable[object]) -> list[object]:
    """The arguments with whole numbers as the kernel expects them; ctypes would pass 32 bits."""
    return [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
