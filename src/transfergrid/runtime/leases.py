"""GPU leases: one lock file per device and node, which the kernel frees when its holder dies.

Several users and several runs of Snakemake share a machine. Every GPU has one lock file, named
after its UUID, in a folder that all of them use; a job holds an exclusive `flock` on it for as long
as it lives. The file's content is for people to read and decides nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pwd
import secrets
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from transfergrid.runtime.errors import UserError, listed
from transfergrid.runtime.gpus import VISIBLE, Gpu, list_boards, visible

FOLDER = "/tmp/transfergrid-gpus"
"""Not under TMPDIR, which differs between users."""
FOLDER_VARIABLE = "TRANSFERGRID_GPU_LOCKS"

_POLL_S = 1.0
_TELL_S = 60.0
# O_NOFOLLOW and O_NONBLOCK: everyone can write to the folder, so a name may be a link or a pipe.
_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_NOTE_BYTES = 1000
_ATTEMPTS = 100


@dataclass(frozen=True)
class Lease:
    """A GPU that this process has to itself until it ends.

    Attributes:
        uuid: UUID of the GPU or MIG instance, which ``CUDA_VISIBLE_DEVICES`` now names.
        name: Name of the product.
        descriptor: The open lock file; the lease ends when it is closed.
    """

    uuid: str
    name: str
    descriptor: int


def _go_on() -> None:
    pass


def take_gpu(
    gpus: int, say: Callable[[str], None], label: str = "", check: Callable[[], None] = _go_on
) -> Lease | None:
    """Lease a GPU for the life of this process and show CUDA no other; wait until one is free.

    Call it before torch is imported and before threads are started.

    Args:
        gpus: GPUs that Snakemake granted the job; 0 asks for none. A job never takes more than one.
        say: Receives a sentence at once and about every minute while all GPUs are leased.
        label: What the job does, for those who wait.
        check: Called about every second while waiting; what it raises ends the waiting.

    Returns:
        The lease; None if `gpus` is 0, if no GPU is visible, and inside a Slurm allocation of one
        GPU, because Slurm decides there.

    Raises:
        UserError: The GPUs cannot be listed, or the lock files cannot be used.
    """
    setting = os.environ.get(VISIBLE)
    in_slurm = "SLURM_JOB_ID" in os.environ
    # In an allocation of several GPUs, Slurm does not divide them among local jobs.
    if gpus == 0 or (in_slurm and "," not in (setting or "")):
        return None
    boards = list_boards()
    candidates = visible(boards, setting)
    if in_slurm and len(candidates) < 2:
        return None
    if not candidates:
        if boards:  # CUDA might read the setting differently; without a lease it gets no GPU.
            os.environ[VISIBLE] = ""
        return None
    lease = _wait_for_one(candidates, open_folder(), say, label, check)
    os.environ[VISIBLE] = lease.uuid
    return lease


def open_folder() -> Path:
    """Return the folder of the lock files, created for all users if it is missing.

    Raises:
        UserError: It cannot be created, or is not a folder.
    """
    folder = Path(os.environ.get(FOLDER_VARIABLE) or FOLDER)
    try:
        with contextlib.suppress(FileExistsError), _no_umask():
            os.mkdir(folder, 0o1777)
        usable = stat.S_ISDIR(os.lstat(folder).st_mode)
    except OSError as error:
        raise _refused(folder, error) from None
    if not usable:
        raise UserError(
            f"{folder} should hold the GPU locks but is not a folder; remove it, or name another "
            f"with {FOLDER_VARIABLE}, the same for all users."
        )
    return folder


def holders(gpus: Sequence[Gpu], folder: Path) -> dict[str, str]:
    """Return who holds each lease, by UUID, as far as known; free GPUs are left out.

    Raises:
        UserError: A lock file cannot be read.
    """
    held = {}
    for gpu in gpus:
        path = _lock_file(folder, gpu)
        try:
            descriptor = os.open(path, os.O_RDONLY | _FLAGS)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise _refused(path, error) from None
        try:
            # Shared, so that two processes looking at once do not take each other for holders.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            held[gpu.uuid] = _holder(path)
        finally:
            os.close(descriptor)
    return held


def _wait_for_one(
    candidates: Sequence[Gpu],
    folder: Path,
    say: Callable[[str], None],
    label: str,
    check: Callable[[], None],
) -> Lease:
    last = -_TELL_S
    while True:
        for gpu in candidates:
            descriptor = _try_lock(_lock_file(folder, gpu))
            if descriptor is not None:
                _keep_from_cleaners(folder)
                _sign(descriptor, label)
                _leave_behind_in_forks(descriptor)
                return Lease(gpu.uuid, gpu.name, descriptor)
        check()
        if time.monotonic() - last >= _TELL_S:
            last = time.monotonic()
            say(_waiting(candidates, folder))
        # Jitter, so that many waiting jobs do not all ask at once.
        time.sleep(_POLL_S * (0.5 + secrets.randbelow(1000) / 1000))


def _waiting(candidates: Sequence[Gpu], folder: Path) -> str:
    count = len(candidates)
    those = "the one GPU is" if count == 1 else f"all {count} GPUs are"
    who = [f"{gpu.uuid[:12]}: {_holder(_lock_file(folder, gpu))}" for gpu in candidates]
    return f"waiting for a GPU: {those} leased ({listed(who, 8)})"


def _lock_file(folder: Path, gpu: Gpu) -> Path:
    return folder / f"{gpu.uuid.replace('/', '_')}.lock"


def _try_lock(path: Path) -> int | None:
    """Return a descriptor that holds the lock, or None where another process does."""
    for _ in range(_ATTEMPTS):
        try:
            descriptor = _open(path)
        except OSError as error:
            raise _refused(path, error) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Something that cleans /tmp may have removed the file between the two calls; a lock on
            # a file without a name keeps nobody out.
            if os.path.samestat(os.fstat(descriptor), os.lstat(path)):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except FileNotFoundError:
            pass
        except OSError as error:
            os.close(descriptor)
            raise _refused(path, error) from None
        os.close(descriptor)
    raise UserError(f"the GPU lock {path} keeps vanishing; stop whatever removes it.")


def _open(path: Path) -> int:
    """Open a lock file, creating it if it is missing; another user's may be read-only."""
    while True:
        # Never O_CREAT on an existing file: with fs.protected_regular the kernel refuses it for
        # another user's file in a sticky folder.
        for mode in (os.O_RDWR, os.O_RDONLY):
            try:
                return _plain(os.open(path, mode | _FLAGS), path)
            except PermissionError:
                if mode == os.O_RDONLY:
                    raise
            except FileNotFoundError:
                break
        with contextlib.suppress(FileExistsError), _no_umask():
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS, 0o666)


def _plain(descriptor: int, path: Path) -> int:
    # A second name (a hard link) could make us overwrite some other file of ours.
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        os.close(descriptor)
        raise UserError(
            f"the GPU lock {path} is not a plain file with a single name; have its owner remove "
            f"it, or name another folder with {FOLDER_VARIABLE}, the same for all users."
        )
    return descriptor


@contextlib.contextmanager
def _no_umask() -> Iterator[None]:
    # No chmod afterwards: a process killed in between would shut other users out for good.
    before = os.umask(0)
    try:
        yield
    finally:
        os.umask(before)


def _refused(path: Path, error: OSError) -> UserError:
    return UserError(
        f"the GPU lock {path} cannot be used ({error.strerror}); its folder must be open to all "
        f"users (mode 1777) on a local file system: correct it, or name another with "
        f"{FOLDER_VARIABLE}, the same for all users."
    )


def _sign(descriptor: int, label: str) -> None:
    """Write who holds the lock and make the file look fresh; another user's may forbid both."""
    note = {"pid": os.getpid(), "user": _user(), "job": label[:200], "since": int(time.time())}
    with contextlib.suppress(OSError):
        os.utime(descriptor)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(note).encode(), 0)


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _holder(path: Path) -> str:
    """Return in words who signed a lock file; anybody can write to it, so it may hold anything."""
    try:
        descriptor = os.open(path, os.O_RDONLY | _FLAGS)
        try:
            note = json.loads(os.read(descriptor, _NOTE_BYTES))
        finally:
            os.close(descriptor)
        since = time.strftime("%Y-%m-%d %H:%M", time.localtime(int(note["since"])))
        job = f", {note['job']}" if note["job"] else ""
        text = f"process {int(note['pid'])} of {note['user']} since {since}{job}"
        return "".join(letter for letter in text if letter.isprintable())[:300]
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return "holder unknown"


def _keep_from_cleaners(folder: Path) -> None:
    """Hold a shared lock on the folder until the end: systemd-tmpfiles spares locked folders."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)


def _leave_behind_in_forks(descriptor: int) -> None:
    """Close the lock in forked children: one that outlived this process would keep the GPU.

    A child cannot use its parent's GPU, and a program that a child starts never inherits the lock.
    """
    ours = os.fstat(descriptor)

    def close() -> None:
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), ours):
                os.close(descriptor)

    os.register_at_fork(after_in_child=close)
