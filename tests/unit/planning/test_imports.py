from __future__ import annotations

import subprocess
import sys

HEAVY = ("torch", "torchvision", "timm", "numpy", "pandas", "scipy", "pyarrow")


def test_planning_imports_nothing_heavy() -> None:
    # In a process of its own: here, other tests have imported everything already.
    code = "import sys, transfergrid.planning.plan; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(HEAVY) & set(done.stdout.split())
