"""Freed memory goes back to the system, so that a long recording's memory is that of a short one."""

import platform
import subprocess
import sys

from siren_cli.streaming.decoder import give_back_memory

_SCRIPT = """
import ctypes
import resource
from siren_cli.streaming.decoder import give_back_memory

def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
# Blocks too small for maps of their own, with one in use above them, which keeps the C library from shrinking.
blocks = [libc.malloc(65536) for _ in range(1600)]
for block in blocks:
    libc.memset(block, 1, 65536)
last = libc.malloc(65536)
for block in blocks:
    libc.free(block)
before = resident_bytes()
give_back_memory()
print(before - resident_bytes())
"""


def test_freed_memory_is_given_back() -> None:
    if platform.libc_ver()[0] != "glibc":
        give_back_memory()  # has nothing to call
        return
    run = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True)
    assert int(run.stdout) > 90e6
