#!/usr/bin/env bash
# Guess: an array that NumPy cannot write because the disk is full raises OSError with errno 28 (ENOSPC), by
#   ndarray.tofile as by numpy.savez, so that a program can tell a full disk by its number.
# Happens: ndarray.tofile raises OSError with errno None and the words "N requested and M written". numpy.savez
#   and Python's own write raise errno 28 on the same device.
# Version: numpy 2.4.6
# Source: numpy/_core/src/multiarray/convert.c, PyArray_ToFile: PyErr_Format(PyExc_OSError, "%ld requested and
#   %ld written", ...) after fwrite, where PyErr_SetFromErrno would have kept the reason.
set -euo pipefail
test -c /dev/full || { echo "needs /dev/full, a device that is always full (Linux)"; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "numpy==2.4.6" 2>&1 | grep -v WARNING || true
"$folder/venv/bin/python" - <<'PYTHON'
import errno
import sys

import numpy as np

values = np.zeros(10**6)
print("numpy", np.__version__)


def plain():
    with open("/dev/full", "wb", buffering=0) as file:
        file.write(values.tobytes())


def savez():
    with open("/dev/full", "wb") as file:
        np.savez(file, values=values)


ways = {"write": plain, "numpy.savez": savez, "ndarray.tofile": lambda: values.tofile("/dev/full")}
found = {}
for name, way in ways.items():
    try:
        way()
        found[name] = "no error"
    except OSError as error:
        found[name] = error.errno
        print(f"{name:15s} errno {error.errno}: {error}")
expected = {"write": errno.ENOSPC, "numpy.savez": errno.ENOSPC, "ndarray.tofile": None}
print("behaves as described" if found == expected else f"has changed: {found}")
sys.exit(found != expected)
PYTHON
