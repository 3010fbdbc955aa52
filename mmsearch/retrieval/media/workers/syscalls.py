"""A filter of system calls (seccomp) for a process that decodes: no sockets, programs, processes, memory of others.

It lists the calls that are refused, not those that are allowed, because the calls that libraries make change with their
versions. Numbers are those of the kernel's tables ``syscall_64.tbl`` and ``unistd.h``.
"""

from __future__ import annotations

import errno
import struct

_ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}

# name: number on x86_64, number on aarch64; None where there is no such call
_REFUSED: dict[str, tuple[int | None, int | None]] = {
    # network, and sockets of programs on this machine
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    # processes and programs
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "unshare": (272, 97),
    "setns": (308, 268),
    # the memory and files of other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    # changes to files that Landlock does not cover
    "truncate": (76, 45),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "inotify_add_watch": (254, 27),
    "fanotify_init": (300, 262),
    # parts of the kernel with many known vulnerabilities
    "chroot": (161, 51),
    "pivot_root": (155, 41),
    "mount": (165, 40),
    "umount2": (166, 39),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "mount_setattr": (442, 442),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "perf_event_open": (298, 241),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
}
_CLONE, _CLONE3, _KILL, _TGKILL, _PRLIMIT = (56, 220), (435, 435), (62, 129), (234, 131), (302, 261)

_CLONE_THREAD = 0x10000
_X32 = 0x40000000  # numbers of x86_64's second table
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in `struct seccomp_data`
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000
_LOAD, _RETURN, _IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT = 0x20, 0x06, 0x15, 0x35, 0x45


def filter_of_calls(machine: str, pid: int) -> list[bytes] | None:
    """The instructions of a filter for process ``pid``, 8 bytes each; None for an unknown architecture."""
    if machine not in _ARCHITECTURES:
        return None
    architecture, column = _ARCHITECTURES[machine]
    refuse, absent = _step(_RETURN, _REFUSE | errno.EPERM), _step(_RETURN, _REFUSE | errno.ENOSYS)
    program = [
        _step(_LOAD, _ARCHITECTURE),
        _step(_IF_EQUAL, architecture, 1, 0),
        refuse,
        _step(_LOAD, _NUMBER),
        _step(_IF_AT_LEAST, _X32, 0, 1),
        refuse,
    ]
    # Without clone3 the C library starts threads by `clone`, whose flags a filter can read.
    program += [_step(_IF_EQUAL, _CLONE3[column], 0, 1), absent]
    for numbers in _REFUSED.values():
        number = numbers[column]
        if number is not None:
            program += [_step(_IF_EQUAL, number, 0, 1), refuse]
    for numbers_of_call, test, wanted in (
        (_CLONE, _IF_ANY_BIT, _CLONE_THREAD),
        (_KILL, _IF_EQUAL, pid),
        (_TGKILL, _IF_EQUAL, pid),
        (_PRLIMIT, _IF_EQUAL, 0),
    ):
        program += [
            _step(_IF_EQUAL, numbers_of_call[column], 0, 4),
            _step(_LOAD, _FIRST_ARGUMENT),
            _step(test, wanted, 1, 0),
            refuse,
            _step(_RETURN, _ALLOW),
        ]
    return [*program, _step(_RETURN, _ALLOW)]


def _step(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("HBBI", code, then, otherwise, value)
