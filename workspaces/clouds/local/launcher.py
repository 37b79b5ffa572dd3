"""What Hydra calls instead of ssh: start an MPI proxy under the host name of its node.

``python -I -S launcher.py <names> -x <address> "<proxy>" --control-port ...``; the last octet of
the address is the node's ordinal. Hydra means the words after the address for a remote shell,
so they are split as a shell would. Where the kernel gives no private host name, the proxy starts
under the machine's own. Runs on every node's Python (3.9 or newer), standard library only.
"""

from __future__ import annotations

import ctypes
import os
import shlex
import signal
import socket
import sys
from pathlib import Path

CLONE_NEWUTS = 0x04000000
CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1


def enter_node(name: str) -> bool:
    """Take ``name`` as host name, seen by this process and its children only."""
    libc = ctypes.CDLL(None)
    uid, gid = os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWUTS) != 0:
        if libc.unshare(CLONE_NEWUTS | CLONE_NEWUSER) != 0:
            return False
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    try:
        socket.sethostname(name)
    except OSError:
        return False
    return True


def main(argv: list[str]) -> None:
    prefix, *rest = argv
    while rest[0].startswith("-"):  # ssh's own options, as -x
        rest.pop(0)
    address, *words = rest
    enter_node(f"{prefix}-{address.rpartition('.')[2]}")
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # not to outlive mpiexec
    command = shlex.split(" ".join(words))
    os.execv(command[0], command)  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    main(sys.argv[1:])
