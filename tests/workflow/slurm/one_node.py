"""A Slurm cluster of one node in one folder, to try profiles/slurm on or to test it.

    python tests/workflow/slurm/one_node.py start /tmp/my-slurm
    . /tmp/my-slurm/use            # in each shell that is to speak to it
    ...
    python tests/workflow/slurm/one_node.py stop /tmp/my-slurm

The programs are Debian's (slurmctld, slurmd, slurm-client, munge). They run as the user who starts
them, root or not, with a key, ports and files of their own, so they disturb no other Slurm. There
is no accounting and nothing is enforced: the node's two GPUs are empty files, and memory and time
are what was asked for.
"""

from __future__ import annotations

import argparse
import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol")
SYSTEM_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
GPUS = 2
# Rules ask for up to eight; more than the machine has does no harm, Slurm only counts them.
CPUS = max(8, os.cpu_count() or 1)

CONFIG = """\
ClusterName=onenode
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
AuthType=auth/munge
CredType=cred/munge
# A requeued job waits until its old credential has expired, by default for two minutes.
AuthInfo=socket={folder}/munge.socket,cred_expire=5
# No cgroups: they need root and, in a container, often do not work.
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
# The node may claim more processors than the machine has.
SlurmdParameters=config_overrides
MpiDefault=none
ReturnToService=2
# As on many clusters: a job that is to be requeued has to say so.
JobRequeue=0
# A job that a returning node does not know is requeued once it is this many seconds old.
BatchStartTimeout=1
MessageTimeout=5
SchedulerParameters=sched_interval=2,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=64000 Gres=gpu:{gpus}
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP PriorityTier=1
# Its jobs push those of main out, which are requeued.
PartitionName=urgent Nodes={host} MaxTime=INFINITE State=UP PriorityTier=9
"""


def missing_programs() -> list[str]:
    """Return the programs of Slurm and MUNGE that are not installed."""
    return [name for name in PROGRAMS if not _program(name)]


def _program(name: str) -> str | None:
    return shutil.which(name, path=SYSTEM_PATH)


@dataclass(frozen=True)
class OneNode:
    """The cluster that lives in `folder`, running or not."""

    folder: Path

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables with which Slurm's commands speak to this cluster."""
        return {
            "PATH": f"{self.folder / 'bin'}:{SYSTEM_PATH}",
            "SLURM_CONF": str(self.folder / "slurm.conf"),
        }

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment with the cluster's variables."""
        return {**os.environ, **self.variables}

    def start(self) -> None:
        """Start MUNGE, the controller and the node; RuntimeError with the log if one does not."""
        missing = missing_programs()
        if missing:
            raise RuntimeError(
                f"{', '.join(missing)} not found; on Debian and Ubuntu: apt-get install "
                "slurmctld slurmd slurm-client munge"
            )
        self._write_files()
        self._start_munge()
        self._run("slurmctld")
        self.start_node()

    def _write_files(self) -> None:
        for name in ("bin", "state", "spool"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(GPUS):
            (self.folder / f"gpu{index}").touch()
        key = self.folder / "munge.key"
        if not key.exists():
            key.touch(mode=0o600)
            key.write_bytes(secrets.token_bytes(128))
        controller_port, node_port = _free_ports(2)
        config = CONFIG.format(
            folder=self.folder,
            host=socket.gethostname().partition(".")[0],
            user=getpass.getuser(),
            controller_port=controller_port,
            node_port=node_port,
            cpus=CPUS,
            gpus=GPUS,
        )
        (self.folder / "slurm.conf").write_text(config)
        devices = f"Name=gpu File={self.folder}/gpu[0-{GPUS - 1}]\n"
        (self.folder / "gres.conf").write_text(devices)
        exports = "".join(f"export {key}={value!r}\n" for key, value in self.variables.items())
        (self.folder / "use").write_text(exports)
        # Snakemake's plugin hides SLURM_CONF from the srun inside a job.
        srun = self.folder / "bin" / "srun"
        srun.write_text(
            f"#!/bin/sh\nSLURM_CONF='{self.folder}/slurm.conf' exec {_program('srun')} \"$@\"\n"
        )
        srun.chmod(0o755)

    def _start_munge(self) -> None:
        # --force: pytest's folders are closed to other users, which MUNGE takes for a mistake.
        self._run(
            "munged",
            "--force",
            f"--key-file={self.folder}/munge.key",
            f"--socket={self.folder}/munge.socket",
            f"--pid-file={self.folder}/munged.pid",
            f"--log-file={self.folder}/munged.log",
            f"--seed-file={self.folder}/munge.seed",
        )

    def start_node(self, *arguments: str) -> None:
        """Start the node's daemon and wait until it can take jobs."""
        self._run("slurmd", *arguments)
        if not _wait_for(lambda: self._state() in {"idle", "mixed", "allocated"}, 300):
            log = (self.folder / "slurmd.log").read_text()[-3000:]
            raise RuntimeError(f"the node is {self._state() or 'unknown'}:\n{log}")

    def _state(self) -> str:
        done = subprocess.run(
            ["sinfo", "--noheader", "--partition=main", "--format=%T"],
            env=self.environment,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def crash_node(self) -> None:
        """End the node as a power cut would: its daemon and every process of its jobs at once."""
        for process in self._processes():
            os.kill(process, signal.SIGKILL)

    def _processes(self) -> Iterator[int]:
        ours = f"SLURM_CONF={self.folder}/slurm.conf".encode()
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                name = (entry / "comm").read_text().strip()
                variables = (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            in_job = any(variable.startswith(b"SLURM_JOB_ID=") for variable in variables)
            if ours in variables and (in_job or name in {"slurmd", "slurmstepd"}):
                yield int(entry.name)

    def cancel_all(self) -> None:
        """Cancel every job, and wait until none is left."""
        self._run("scancel", "--user", getpass.getuser())
        _wait_for(lambda: not self._run("squeue", "--noheader"), 300)

    def stop(self) -> None:
        """End all jobs and the daemons."""
        self.crash_node()
        for name in ("slurmctld", "munged"):
            path = self.folder / f"{name}.pid"
            if path.exists():
                _end(int(path.read_text()))

    def command(self, *words: str) -> str:
        """Return what one of Slurm's commands prints."""
        return self._run(*words)

    def _run(self, *words: str) -> str:
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)}: {done.stdout}{done.stderr}".strip())
        return done.stdout


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.2)
    return condition()


def _end(process: int) -> None:
    try:
        os.kill(process, signal.SIGTERM)
    except ProcessLookupError:
        return
    if not _wait_for(lambda: not Path(f"/proc/{process}").exists(), 10):
        os.kill(process, signal.SIGKILL)


def main() -> None:
    """Start or stop a cluster from the command line."""
    parser = argparse.ArgumentParser(description="A Slurm cluster of one node, to try things on.")
    parser.add_argument("what", choices=["start", "stop"])
    parser.add_argument("folder", type=Path, help="where it keeps its files; made if missing")
    arguments = parser.parse_args()
    node = OneNode(arguments.folder.resolve())
    try:
        getattr(node, arguments.what)()
    except RuntimeError as error:
        raise SystemExit(f"error: {error}") from None
    if arguments.what == "start":
        print(f"Slurm runs. In each shell that is to use it: . {node.folder}/use")


if __name__ == "__main__":
    main()
