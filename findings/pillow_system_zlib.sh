#!/usr/bin/env bash
# Guess: Pillow's Linux wheel, which says that it has zlib-ng, brings it along and inflates PNGs with it, as it
#   brings its own libjpeg-turbo.
# Happens: the wheel has no zlib of any kind. It was compiled for zlib-ng 2.3.3 and loads whichever libz.so.1 the
#   system has (1.2.13 here), so two machines with the same wheel inflate at different speeds.
# Version: Pillow 13.0.0, manylinux wheel
# Source: libz.so.1 stands on the list of libraries that a manylinux wheel may take from the system, so that
#   auditwheel does not bundle it; zlib-ng in its compatible form has the same name.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "pillow==13.0.0" 2>&1 | grep -v WARNING || true
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from pathlib import Path

import PIL
from PIL import Image, features

Image.new("L", (1, 1))
mapped = {line.split()[-1] for line in open("/proc/self/maps") if "/libz.so" in line}
beside = [path.name for path in Path(PIL.__file__).parents[1].glob("pillow.libs/libz[.-]*")]
print("Pillow", PIL.__version__)
print("compiled for zlib-ng", features.version_feature("zlib_ng"))
print("zlib in use", features.version("zlib"), "from", *mapped)
print("zlib in the wheel", *(beside or ["none"]))
ours = [path for path in mapped if "site-packages" in path]
same = features.check_feature("zlib_ng") and not beside and mapped and not ours
print("behaves as described" if same else "has changed")
sys.exit(not same)
PYTHON
