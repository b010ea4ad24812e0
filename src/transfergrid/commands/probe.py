"""What torch and timm say, asked in a separate process: they are slow, and may crash or hang."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Probe:
    """What was said.

    Attributes:
        fault: Why torch cannot be used at all; empty if it can.
        torch: Version of torch.
        cuda: The CUDA version it was built for, or None.
        rocm: The ROCm version it was built for, or None.
        available: Whether it can use a GPU.
        said: What it said about that.
        devices: Name and compute capability, as (major, minor), of each GPU that it sees.
        built_for: The GPU generations for which it has kernels: ``sm_90``, ``compute_90``.
        weights: For each timm name, the repository of its weights and their file in the hub's cache
            or None; or only ``fault``, a sentence.
    """

    fault: str = ""
    torch: str = ""
    cuda: str | None = None
    rocm: str | None = None
    available: bool = False
    said: str = ""
    devices: Sequence[tuple[str, Sequence[int]]] = ()
    built_for: Sequence[str] = ()
    weights: Mapping[str, Mapping[str, str | None]] | None = None


def ask(timm_names: Sequence[str] = ()) -> Probe:
    """Ask a fresh Python about torch, and about released weights by their timm names."""
    command = [sys.executable, "-m", __name__, *timm_names]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return Probe(fault=f"torch gave no answer in {_TIMEOUT_S:.0f} s")
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        last = lines[-1].strip()[:300] if lines else f"exit status {done.returncode}"
        return Probe(fault=f"torch cannot be imported ({last.rstrip('.')})")
    return Probe(**json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Print what torch and timm say about this machine and the networks on the command line."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        import torch

        available = torch.cuda.is_available()
        devices = []
        if available:
            for number in range(torch.cuda.device_count()):
                capability = torch.cuda.get_device_capability(number)
                devices.append((torch.cuda.get_device_name(number), list(capability)))
    said = [str(warning.message) for warning in caught if "CUDA" in str(warning.message)]
    probe = Probe(
        torch=torch.__version__,
        cuda=torch.version.cuda,
        rocm=torch.version.hip,
        available=available,
        said=" ".join(" ".join(said).split())[:400],
        devices=devices,
        built_for=torch.cuda.get_arch_list(),
        weights={name: _released(name) for name in sys.argv[1:]},
    )
    print(json.dumps(asdict(probe)))


def _released(name: str) -> dict[str, str | None]:
    from huggingface_hub import try_to_load_from_cache

    from transfergrid.models.releases import HUB_FILES
    from transfergrid.models.zoo import timm_config
    from transfergrid.runtime.errors import UserError

    try:
        config: Mapping[str, Any] = timm_config(name)
    except UserError as error:
        return {"fault": str(error)}
    repository, _, revision = str(config.get("hf_hub_id") or "").partition("@")
    if not repository:
        return {"fault": f"{name} is not on the hub that timm loads from; use kind 'file'."}
    file = config.get("hf_hub_filename")
    for wanted in [file] if file else HUB_FILES:
        found = try_to_load_from_cache(repository, wanted, revision=revision or None)
        if isinstance(found, str) and Path(found).exists():
            return {"repository": repository, "file": found}
    return {"repository": repository, "file": None}


if __name__ == "__main__":
    main()
