"""A Slurm cluster on the loopback device: munged, slurmctld and a slurmd per node, for as long as a test."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scancel", "squeue", "sinfo")
# The state directory is beside it, so nothing of the machine's own Slurm, if it has one, is touched.
CONFIGURATION = """\
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=2,sched_min_interval=50000,batch_sched_delay=0
MpiDefault=none
ReturnToService=2
SlurmdTimeout=300
MessageTimeout=30
KillWait=2
MinJobAge=600
JobRequeue=0
SlurmdParameters=config_overrides
"""


def missing() -> str | None:
    """Why no cluster can be started here, or None if one can."""
    # Debian puts daemons into /usr/sbin, which not every user has in the path.
    os.environ["PATH"] += os.pathsep * ("/usr/sbin" not in os.environ["PATH"]) + "/usr/sbin"
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent:
        return (
            f"Slurm is not installed ({', '.join(absent)} missing): apt-get install slurm-wlm munge, as root"
        )
    if os.geteuid() != 0:
        return "Slurm's daemons are started by root, and this user is not root"
    return None


class Cluster:
    """Nodes n1, n2, ... of one machine, each with its own slurmd, where the packages allow several.

    Parameters
    ----------
    folder : path
        Configuration, state and logs.
    nodes : int
    cpus, memory : int
        Of each node; memory in MB. They are what jobs may ask for, whatever the machine has.
    """

    def __init__(self, folder: Path, *, nodes: int = 2, cpus: int = 2, memory: int = 8000) -> None:
        self.folder, self.processes = Path(folder), {}
        for name in ("state", "bin"):
            (self.folder / name).mkdir(parents=True)
        self.nodes = [f"n{number + 1}" for number in range(nodes)]
        self.configuration = self.folder / "slurm.conf"
        ports = [_free_port() for _ in range(nodes + 1)]
        host = socket.gethostname().partition(".")[0]
        text = CONFIGURATION.format(folder=self.folder, host=host, port=ports[0])
        for name, port in zip(self.nodes, ports[1:], strict=True):
            text += (
                f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} "
                f"CPUs={cpus} RealMemory={memory} State=UNKNOWN\n"
            )
        text += f"PartitionName=main Nodes={','.join(self.nodes)} Default=YES MaxTime=INFINITE State=UP\n"
        self.configuration.write_text(text)
        # Slurm's commands find this cluster by themselves: the plug-in takes SLURM_CONF from its jobs.
        for command in ("sbatch", "srun", "scancel", "squeue", "sinfo", "scontrol"):
            wrapper = self.folder / "bin" / command
            wrapper.write_text(
                f'#!/bin/sh\nSLURM_CONF={self.configuration} exec {shutil.which(command)} "$@"\n'
            )
            wrapper.chmod(0o755)
        self.environment = {
            key: value for key, value in os.environ.items() if not key.startswith(("SLURM", "SBATCH", "SRUN"))
        } | {
            "SLURM_CONF": str(self.configuration),
            "PATH": f"{self.folder}/bin{os.pathsep}{os.environ['PATH']}",
        }

    def __enter__(self) -> Cluster:
        try:
            key = self.folder / "munge.key"
            key.write_bytes(os.urandom(128))
            key.chmod(0o600)
            self._start(
                "munged", "--foreground", "--force", f"--key-file={key}", f"--socket={self.folder}/munge.socket",
                f"--pid-file={self.folder}/munged.pid", f"--log-file={self.folder}/munged.log",
                f"--seed-file={self.folder}/munged.seed",
            )  # fmt: skip
            _wait(lambda: (self.folder / "munge.socket").exists(), "munged to start", self)
            self._start("slurmctld", "-D", "-i", "-f", str(self.configuration))
            for node in self.nodes:
                self.start_node(node)
            _wait(lambda: self.idle() == set(self.nodes), "the nodes to be idle", self)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self, program: str, *arguments: str, name: str | None = None) -> None:
        with open(self.folder / f"{name or program}.out", "ab") as log:
            self.processes[name or program] = subprocess.Popen(
                [shutil.which(program), *arguments], env=self.environment, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip

    def start_node(self, node: str) -> None:
        """Start a node's daemon."""
        self._start("slurmd", "-D", "-N", node, "-f", str(self.configuration), name=node)

    def stop_node(self, node: str) -> None:
        """Stop a node's daemon at once, with the jobs on it, as when its machine loses power.

        Slurm is told: by itself it sees a lost node only after ``SlurmdTimeout``, and a job that a daemon has
        forgotten only if it began some 20 s before the daemon did.
        """
        for job in self.run("squeue", "-h", "-o", "%A", "-w", node).split():
            for process in _processes_of(job):
                _signal(process, signal.SIGKILL)
        daemon = self.processes.pop(node)
        daemon.kill()
        daemon.wait()
        self.run("scontrol", "update", f"nodename={node}", "state=down", "reason=lost")

    def restart_node(self, node: str) -> None:
        """Start a stopped node's daemon again, and let jobs run there."""
        self.start_node(node)
        self.run("scontrol", "update", f"nodename={node}", "state=resume")

    def idle(self) -> set[str]:
        """Names of the nodes that are up and have no job."""
        lines = self.run("sinfo", "-h", "-N", "-o", "%N %T", check=False).splitlines()
        return {line.split()[0] for line in lines if line.split()[1:] == ["idle"]}

    def jobs(self) -> dict[str, tuple[str, str, str]]:
        """Running jobs: state, node and comment (the plug-in puts the rule's name there), by number."""
        lines = self.run("squeue", "-h", "-t", "RUNNING", "-o", "%A|%T|%N|%k").splitlines()
        return {line.split("|")[0]: tuple(line.split("|")[1:]) for line in lines}

    def run(self, *command: str, check: bool = True) -> str:
        """Output of one of Slurm's commands."""
        done = subprocess.run(command, check=False, env=self.environment, capture_output=True, text=True)
        assert not check or done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def logs(self) -> str:
        """The last of what each daemon said."""
        paths = [path for path in sorted(self.folder.iterdir()) if path.suffix in (".log", ".out")]
        return "\n".join(f"== {path.name}\n{path.read_text(errors='replace')[-1500:]}" for path in paths)

    def stop(self) -> None:
        """Stop what was started, newest first."""
        if "slurmctld" in self.processes and self.processes["slurmctld"].poll() is None:
            self.run("scancel", "-u", "root", check=False)
        for name in reversed(list(self.processes)):
            process = self.processes.pop(name)
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _processes_of(job: str) -> list[int]:
    """Processes of a Slurm job, and the one that waits for them, by the environment they were given."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            environment = (place / "environ").read_bytes().split(b"\0")
            command = (place / "cmdline").read_bytes().replace(b"\0", b" ")
        except OSError:
            continue
        step = command.startswith(f"slurmstepd: [{job}.".encode())
        if step or f"SLURM_JOB_ID={job}".encode() in environment:
            found.append(int(place.name))
    return found


def _signal(process: int, number: int) -> None:
    try:
        os.kill(process, number)
    except ProcessLookupError:
        pass


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _wait(condition, what: str, cluster: Cluster, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        for name, process in cluster.processes.items():
            assert process.poll() is None, f"{name} ended.\n{cluster.logs()}"
        assert time.monotonic() < end, f"waited {seconds} s for {what}.\n{cluster.logs()}"
        time.sleep(0.2)
