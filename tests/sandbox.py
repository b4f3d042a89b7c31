"""A process that may open no socket of the internet: the kernel kills it, native code and child processes included.

`python -m tests.sandbox PROGRAM ARGUMENT...` runs a program so (seccomp, Linux 3.17 or newer; man 2 seccomp).
"""

from __future__ import annotations

import ctypes
import os
import platform
import socket
import struct
import sys

NUMBERS = {"x86_64": 41, "aarch64": 198}
"""Of the system call `socket`."""
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_KILL, _ALLOW = 0x8000_0000, 0x7FFF_0000
_NUMBER_AT, _FAMILY_AT = 0, 16
"""Places in seccomp_data: the call's number, and the lower half of its first argument."""
_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2


def forbid_sockets() -> None:
    """From here on this process, its threads and its children are killed where they open a socket of the internet."""
    steps = [
        (_LOAD, 0, 0, _NUMBER_AT),
        (_EQUAL, 0, 4, NUMBERS[platform.machine()]),
        (_LOAD, 0, 0, _FAMILY_AT),
        (_EQUAL, 1, 0, socket.AF_INET),
        (_EQUAL, 0, 1, socket.AF_INET6),
        (_RETURN, 0, 0, _KILL),
        (_RETURN, 0, 0, _ALLOW),
    ]
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    # struct sock_fprog: how many steps, and where they are.
    described = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(steps), ctypes.addressof(program)))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in ((_NO_NEW_PRIVILEGES, 1, 0, 0, 0), (_SET_SECCOMP, _FILTER, ctypes.addressof(described), 0, 0)):
        if libc.prctl(*(ctypes.c_ulong(one) for one in arguments)):
            raise OSError(ctypes.get_errno(), "seccomp is not allowed here")


if __name__ == "__main__":
    forbid_sockets()
    os.execv(sys.argv[1], sys.argv[1:])
