"""Read pickled checkpoints as tensors and plain data; none of their code is run.

PyTorch's reader of plain data (``weights_only=True``) calls only the functions on its own list.
Checkpoints often hold more than tensors: arguments, numpy scalars, a library's settings. For a
short list of such names, this module puts a stand-in in place of each: an empty object that
accepts anything and does nothing. The named classes are not even imported.
"""

from __future__ import annotations

import re
import warnings
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch

from transfergrid.runtime.errors import UserError, listed, printable


class _Opaque:
    """Stands for a value that no one will look at."""

    def __new__(cls, *_: object, **__: object) -> _Opaque:
        return super().__new__(cls)

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


class NumpyArray(_Opaque):
    """Stands for a numpy array, which some programs write instead of tensors."""


class _Mapping:
    """Stands for a kind of dict: its items are kept in a plain one, as they may be tensors."""

    def __new__(cls, *_: object) -> Any:
        return OrderedDict()


class _List:
    """Stands for a kind of list."""

    def __new__(cls, *_: object) -> Any:
        return []


_NAMES = {
    _Opaque: """
        argparse.Namespace types.SimpleNamespace typing.Any
        builtins.bool builtins.bytes builtins.dict builtins.float builtins.frozenset builtins.int
        builtins.list builtins.object builtins.range builtins.slice builtins.str builtins.tuple
        datetime.date datetime.datetime datetime.time datetime.timedelta datetime.timezone
        pathlib.PosixPath pathlib.PurePosixPath pathlib.PureWindowsPath pathlib.WindowsPath
        numpy.dtype numpy.ndarray numpy.core.multiarray.scalar numpy._core.multiarray.scalar
        omegaconf.base.ContainerMetadata omegaconf.base.Metadata omegaconf.dictconfig.DictConfig
        omegaconf.listconfig.ListConfig omegaconf.nodes.AnyNode omegaconf.nodes.BooleanNode
        omegaconf.nodes.BytesNode omegaconf.nodes.EnumNode omegaconf.nodes.FloatNode
        omegaconf.nodes.IntegerNode omegaconf.nodes.PathNode omegaconf.nodes.StringNode
        mmengine.logging.history_buffer.HistoryBuffer
    """,
    _Mapping: """
        collections.defaultdict addict.addict.Dict easydict.EasyDict fvcore.common.config.CfgNode
        lightning.fabric.utilities.data.AttributeDict
        lightning.pytorch.utilities.parsing.AttributeDict
        lightning_fabric.utilities.data.AttributeDict mmengine.config.config.ConfigDict
        pytorch_lightning.utilities.parsing.AttributeDict yacs.config.CfgNode
    """,
    _List: "collections.deque",
    NumpyArray: "numpy.core.multiarray._reconstruct numpy._core.multiarray._reconstruct",
}
STANDINS = {name: standin for standin, names in _NAMES.items() for name in names.split()}
"""What takes the place of a class or function in a file, by its full name."""

_FORBIDDEN = re.compile(r"(?:Unsupported global: GLOBAL|unsupported GLOBAL) (\S+)")
_SHORT = ("unexpected EOF", "Ran out of input", "central directory", "PytorchStreamReader")


def read_pickled(path: Path) -> Any:
    """Return the content of a torch checkpoint, with stand-ins for plain data beside its tensors.

    Args:
        path: A .pth file; the caller has checked by its first bytes that it may be one.

    Raises:
        UserError: It is cut short or broken, or names a class that is not known to be plain data.
    """
    known: list[Any] = [(standin, name) for name, standin in STANDINS.items()]
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(known):
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # an unpickler fails in as many ways as a file can be broken
        raise UserError(f"weight file {path} {_reason(path, str(error), error)}") from None


def _reason(path: Path, said: str, error: Exception) -> str:
    """Say why torch refused a file; torch's own message advises switching its safety off."""
    forbidden = _FORBIDDEN.search(said)
    if forbidden:
        names = _foreign(path) or [forbidden[1]]
        return (
            f"holds more than plain data ({listed(map(printable, names), 3)}), and nothing was "
            "run; if you trust it, load it with the program that wrote it and save only its "
            "tensors: torch.save(model.state_dict(), 'weights.pth')."
        )
    if "TorchScript" in said:
        return (
            "is a TorchScript program, and nothing was run; if you trust it, load it with "
            "torch.jit.load and save only its tensors: torch.save(program.state_dict(), "
            "'weights.pth')."
        )
    if isinstance(error, EOFError) or any(words in said for words in _SHORT):
        return "is cut short or damaged; get it again."
    return (
        "is not a checkpoint of plain data that torch can read, and nothing was run; get it "
        "again, or save its tensors as .safetensors with the program that wrote it."
    )


def _foreign(path: Path) -> list[str]:
    """Return every class and function that a file names and for which there is no stand-in."""
    try:
        found = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # files in an older format; the first name is known from the refusal
        return []
    return sorted(name for name in found if name not in STANDINS)
