"""Inside the confinement, tries every call that could signal the parent, and similar calls that FFmpeg needs."""

import ctypes
import errno
import fcntl
import os
import struct

PARENT = os.getppid()
READ, WRITE = os.pipe()
F_SETOWN_EX, F_SETPIPE_SZ, F_GETPIPE_SZ = 15, 1031, 1032
FIOSETOWN, SIOCSPGRP = 0x8901, 0x8902
LIBC = ctypes.CDLL(None, use_errno=True)


def tell(name, attempt):
    try:
        attempt()
        print(f"{name}: allowed")
    except OSError as error:
        print(f"{name}: refused" if error.errno == errno.ENOSYS else f"{name}: {error}")


def call(name, *arguments):
    if getattr(LIBC, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)


tell("F_SETOWN", lambda: fcntl.fcntl(READ, fcntl.F_SETOWN, PARENT))
tell("F_SETOWN of a group", lambda: fcntl.fcntl(READ, fcntl.F_SETOWN, -PARENT))
tell("F_SETOWN_EX", lambda: fcntl.fcntl(READ, F_SETOWN_EX, struct.pack("ii", 1, PARENT)))
tell("F_SETSIG", lambda: fcntl.fcntl(READ, fcntl.F_SETSIG, 9))
tell("FIOSETOWN", lambda: fcntl.ioctl(READ, FIOSETOWN, struct.pack("i", PARENT)))
tell("SIOCSPGRP", lambda: fcntl.ioctl(READ, SIOCSPGRP, struct.pack("i", PARENT)))
tell("kill", lambda: os.kill(PARENT, 0))
tell("pidfd_open", lambda: os.pidfd_open(PARENT))
tell("tgkill", lambda: call("tgkill", PARENT, PARENT, 0))
tell("sigqueue", lambda: call("sigqueue", PARENT, 0, None))
tell("setpgid", lambda: os.setpgid(0, PARENT))
tell("F_SETFL", lambda: fcntl.fcntl(READ, fcntl.F_SETFL, os.O_NONBLOCK))
tell("F_SETFD", lambda: fcntl.fcntl(READ, fcntl.F_SETFD, fcntl.FD_CLOEXEC))
tell("F_DUPFD", lambda: fcntl.fcntl(READ, fcntl.F_DUPFD, 3))
tell("F_SETPIPE_SZ", lambda: fcntl.fcntl(WRITE, F_SETPIPE_SZ, fcntl.fcntl(WRITE, F_GETPIPE_SZ)))
