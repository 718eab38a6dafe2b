"""A SLURM cluster of two nodes on this machine, in a folder of its own: munged, slurmctld and two slurmd, all private.

Where the kernel lets it, a node has a host name of its own, so that programs on it know on which node they are."""

import itertools
import os
import pwd
import random
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from runs import processes_and_parents

SLURM = ["munged", "slurmctld", "slurmd", "sbatch", "sinfo", "squeue", "scontrol", "scancel", "srun"]
NODES = {"n1": 4, "n2": 2}  # and their CPUs: nodes that differ
GPUS = 2  # of every node, by word of its configuration: files stand for the devices
CHECK_EVERY = 30  # seconds between slurmctld's looks at time limits, from its start on

# No task plugin and no cgroups, which would take more of the machine than processes of our own. Times are short: a lost node is
# noticed, and a requeued job starts again, within seconds.
CONFIGURATION = """\
ClusterName=onemask
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
TmpFS={folder}/tmp-%n
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=sched_interval=1,bf_interval=1
SlurmdParameters=config_overrides
GresTypes=gpu
ReturnToService=2
SlurmdTimeout=10
BatchStartTimeout=60
KillWait=3
MinJobAge=3600
{nodes}
PartitionName=usual Nodes=ALL Default=YES PriorityTier=1 MaxTime=60
PartitionName=urgent Nodes=ALL PriorityTier=2 MaxTime=60
"""


def missing() -> str:
    """Why there can be no cluster here; empty where there can be one."""
    if os.geteuid() != 0:
        return "slurmd needs root"
    absent = [program for program in ["setpriv", "unshare", *SLURM] if shutil.which(program) is None]
    if absent:
        return f"{', '.join(absent)} not found (Debian packages slurm-wlm and munge)"
    return ""


def may_name_hosts() -> bool:
    return subprocess.run(["unshare", "--uts", "hostname", "n1"], capture_output=True, check=False).returncode == 0


def free_ports(count: int) -> list[int]:
    """Of those that the system gives to nobody who does not ask for them."""
    ports: list[int] = []
    while len(ports) < count:
        port = random.randrange(20000, 32000)
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in ports:
            ports.append(port)
    return ports


def environment_of(process: int) -> dict[str, str]:
    try:
        words = Path(f"/proc/{process}/environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return {}  # it has ended meanwhile
    return dict(word.split("=", 1) for word in words if "=" in word)


def working_folder(process: int) -> Path | None:
    try:
        return Path(os.readlink(f"/proc/{process}/cwd"))
    except OSError:
        return None


def kill(victims: list[int]) -> None:
    for process in victims:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it has ended meanwhile


def wait_for(condition, what, seconds: float = 30):
    """What the condition gives once it is true; what() or what tells of one that stays false."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(0.1)
    return value


class Cluster:
    """Runs between __enter__ and __exit__. `environment` leads SLURM's commands to it; `hosts` names its nodes' hosts."""

    def __enter__(self) -> "Cluster":
        own = socket.gethostname().split(".")[0]
        self._names_hosts = may_name_hosts()
        self.hosts = {node: node if self._names_hosts else own for node in NODES}
        self._folder = Path(tempfile.mkdtemp(prefix="onemask-slurm-"))
        self._folder.chmod(0o711)  # munged is another user
        self._daemons: dict[str, subprocess.Popen] = {}
        self._configuration = self._folder / "slurm.conf"
        self.environment = os.environ | {"SLURM_CONF": str(self._configuration)}
        try:
            self._configure()
            self._start_munged()
            self._start("slurmctld", "slurmctld", "-D")
            self._started = time.monotonic()
            for node in NODES:
                self.start_node(node)
            wait_for(lambda: self.states() == {node: "idle" for node in NODES}, "both nodes idle")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        if "slurmctld" in self._daemons:
            self.call("scancel", "--user=root", check=False)
            try:
                wait_for(lambda: self.call("squeue", "--noheader", check=False) == "", "an empty queue", 15)
            except AssertionError as error:
                print(error)
        for daemon in reversed(self._daemons.values()):
            daemon.terminate()
        kill(self.processes())
        for daemon in self._daemons.values():
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        shutil.rmtree(self._folder)

    def _configure(self) -> None:
        host = socket.gethostname().split(".")[0]
        port, *ports = free_ports(1 + len(NODES))
        nodes = "\n".join(
            f"NodeName={name} NodeHostname={self.hosts[name]} NodeAddr=127.0.0.1 Port={port} CPUs={cpus} RealMemory=65536 Gres=gpu:{GPUS}"
            for (name, cpus), port in zip(NODES.items(), ports)
        )
        self._configuration.write_text(CONFIGURATION.format(host=host, port=port, folder=self._folder, nodes=nodes))
        devices = {name: [self._folder / f"{name}-gpu{number}" for number in range(GPUS)] for name in NODES}
        for file in itertools.chain(*devices.values()):
            file.touch()
        gres = [f"NodeName={name} Name=gpu File={','.join(map(str, files))}\n" for name, files in devices.items()]
        (self._folder / "gres.conf").write_text("".join(gres))
        for name in ["state", *(f"{kind}-{node}" for node in NODES for kind in ("spool", "tmp"))]:
            (self._folder / name).mkdir()

    def _start_munged(self) -> None:
        folder = self._folder / "munge"
        folder.mkdir(mode=0o755)
        key = folder / "key"
        key.touch(0o600)
        key.write_bytes(secrets.token_bytes(128))
        user = pwd.getpwnam("munge")
        for path in (folder, key):
            os.chown(path, user.pw_uid, user.pw_gid)
        options = [f"--{name}-file={folder / name}" for name in ("key", "pid", "log", "seed")]
        command = ["munged", "--foreground", f"--socket={folder / 'socket'}", *options]
        self._start("munged", *command, user=user.pw_uid, group=user.pw_gid)
        wait_for((folder / "socket").exists, "munged's socket")

    def _start(self, name: str, *command: str, **options) -> None:
        folder = self._folder / name
        folder.mkdir(exist_ok=True)  # what the daemon starts is known by it
        with open(folder / "out", "ab") as out:
            self._daemons[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig=KILL", *command],  # whatever ends the test, its daemons do not stay
                env=self.environment,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                **options,
            )

    def start_node(self, node: str) -> None:
        command = ["slurmd", "-D", "-N", node]
        if self._names_hosts:
            command = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', node, *command]
        self._start(node, *command)

    def seconds_to_check(self) -> int:
        """Until slurmctld looks at time limits again."""
        return CHECK_EVERY - int(time.monotonic() - self._started) % CHECK_EVERY

    def kill_node(self, node: str) -> None:
        """As a node dies: its slurmd, and all that it started."""
        self._daemons[node].kill()
        self._daemons[node].wait()
        kill(self.processes(node))

    def processes(self, node: str | None = None) -> list[int]:
        """All that slurmd has started on a node, or on any: its helpers keep its working folder, tasks have SLURM's variables."""
        homes = {self._folder / name for name in ([node] if node else NODES)}
        parents = dict(processes_and_parents())

        def belongs(process: int) -> bool:
            variables = environment_of(process)
            ours = variables.get("SLURM_CONF") == str(self._configuration) and "SLURMD_NODENAME" in variables
            return working_folder(process) in homes or (ours and node in (None, variables["SLURMD_NODENAME"]))

        found = {process for process in parents if belongs(process)}
        while added := {process for process, parent in parents.items() if parent in found} - found:
            found |= added
        return sorted(found - {daemon.pid for daemon in self._daemons.values()})

    def call(self, *command: object, check: bool = True, **options) -> str:
        """Runs one of SLURM's commands; what it prints."""
        words = list(map(str, command))
        done = subprocess.run(words, env=self.environment, text=True, capture_output=True, check=False, **options)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def log(self, lines: int = 40) -> str:
        """The end of what slurmctld said."""
        said = (self._folder / "slurmctld/out").read_text(errors="replace").splitlines()
        return "\n".join(said[-lines:])

    def states(self) -> dict[str, str]:
        lines = self.call("sinfo", "--noheader", "--partition=usual", "--Node", "--format=%N %t", check=False).splitlines()
        return dict(line.split() for line in lines)
