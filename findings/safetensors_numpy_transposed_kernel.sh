#!/usr/bin/env bash
# Guess: a convolution of Keras, transposed from height x width x in x out to out x in x height x width and saved with
#   safetensors.numpy.save_file, comes back with the values that the array had.
# Happens: shape and dtype come back, the values do not: the bytes are written in the order in which they lie in
#   memory, which a transposed view does not change, and are read in the order of the shape. Nothing warns. With 0.7.0
#   the same lines come back right. A network converted this way loads with every key and shape matched, and its
#   filters are scrambled. numpy.ascontiguousarray before saving mends it.
# Version: safetensors 0.8.0 (0.7.0 behaves as guessed), numpy 2.4.6
# Source: github.com/safetensors/safetensors, issue 825 (Fortran-ordered arrays; open in November 2026)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for version in 0.7.0 0.8.0; do
  python3 -m venv "$folder/$version"
  "$folder/$version/bin/pip" install -q --disable-pip-version-check \
    "safetensors==$version" "numpy==2.4.6" 2>&1 | grep -v WARNING || true
  "$folder/$version/bin/python" - "$folder/kernel.safetensors" <<'PYTHON' | tee -a "$folder/seen"
import sys

import numpy as np
import safetensors
from safetensors.numpy import load_file, save_file

keras = np.arange(3 * 3 * 2 * 4, dtype=np.float32).reshape(3, 3, 2, 4)
torch_layout = keras.transpose(3, 2, 0, 1)
packed = np.ascontiguousarray(torch_layout)
save_file({"as_is": torch_layout, "packed": packed}, sys.argv[1])
back = load_file(sys.argv[1])
assert back["as_is"].shape == torch_layout.shape and back["as_is"].dtype == torch_layout.dtype
same = {name: bool(np.array_equal(back[name], torch_layout)) for name in ("as_is", "packed")}
print(f"safetensors {safetensors.__version__}: transposed {same['as_is']}, packed first {same['packed']}")
PYTHON
done
expected="safetensors 0.7.0: transposed True, packed first True
safetensors 0.8.0: transposed False, packed first True"
if [ "$(cat "$folder/seen")" = "$expected" ]; then echo "behaves as described"; else echo "has changed"; exit 1; fi
