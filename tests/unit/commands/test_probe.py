from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest

from transfergrid.commands import probe
from transfergrid.commands.probe import ask
from transfergrid.planning.paths import PROJECT


def test_torch_and_the_hub_s_cache_are_asked(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(PROJECT / "src"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    name = "resnet18.tv_in1k"
    # The layout of huggingface_hub's cache.
    home = tmp_path / "models--timm--resnet18.tv_in1k"
    file = home / "snapshots" / "abc" / "model.safetensors"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"weights")
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text("abc")
    found = ask([name, "resnet34.tv_in1k", "resnet18.no_such_tag"])
    assert not found.fault
    assert found.torch.split("+")[0] == metadata.version("torch").split("+")[0]
    assert found.weights is not None
    assert found.weights[name] == {"repository": f"timm/{name}", "file": str(file)}
    assert found.weights["resnet34.tv_in1k"]["file"] is None
    assert "resnet18" in str(found.weights["resnet18.no_such_tag"]["fault"])


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("raise ImportError('libcudart.so.12: cannot open')", "libcudart.so.12: cannot open"),
        ("import os; os.abort()", "cannot be imported"),
        ("import time; time.sleep(100)", "no answer"),
    ],
)
def test_a_torch_that_cannot_be_used_is_a_fault_in_words(
    tmp_path: Path, monkeypatch, code: str, fault: str
) -> None:
    (tmp_path / "torch.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{PROJECT / 'src'}")
    monkeypatch.setattr(probe, "_TIMEOUT_S", 2.0)
    assert fault in ask().fault
