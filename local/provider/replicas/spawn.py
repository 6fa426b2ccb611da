"""How a replica's process is started: command, port, environment, secrets, run file."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from local.machine import files, processes
from local.machine.ports import free_port
from local.machine.users import User
from local.provider.deployments import image as images
from local.provider.deployments import users
from local.provider.deployments.image import Image
from local.provider.deployments.secrets import Secrets
from local.provider.deployments.version import Version
from local.provider.limits import priority
from local.provider.limits.share import Share
from local.provider.replicas import launch
from local.provider.replicas.host import Host
from local.provider.replicas.pipe import Pipe
from local.provider.replicas.replica import Replica
from local.provider.replicas.replica_log import ReplicaLog
from local.provider.requirements.shelf import Layer
from local.provider.settings import Settings

# Of util-linux. The signal comes when the thread that forked ends: fork in the main thread only.
DIE_WITH_PROVIDER = ("setpriv", "--pdeathsig", "KILL")
# Without it root, too, cannot write where permissions say that nobody may.
DROP_WRITE_ANYWHERE = ("--bounding-set=-dac_override", "--inh-caps=-dac_override")


async def start(
    version: Version, number: int, restarts: int, host: Host, layer: Layer | None = None
) -> Replica:
    """Start a replica; raise OSError where it cannot be started at all.

    Args:
        layer: packages of its own.
    """
    settings = host.settings
    name = f"{version.spec.name}-{number}"
    own_folder = settings.replicas_dir / name
    image = images.look(version.folder, version.spec)
    user = host.users.of(version.spec.name)
    prepare(own_folder, version, host.secrets, user)
    port = free_port()
    pipe = await Pipe.open()
    try:
        process = await asyncio.create_subprocess_exec(
            *command(version, image, name, host, user),
            cwd=image.folder(version.folder),
            env=with_layer(environment(version, image, own_folder, port), layer),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=pipe.write_end,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    except BaseException:
        pipe.close()
        raise
    finally:
        pipe.hand_over()
    run_file = {
        "name": name,
        "function": version.spec.name,
        "pid": process.pid,
        "startTime": processes.start_time(process.pid) or 0,
        "bootId": processes.boot_id(),
        "startedAt": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "ports": {"http": port},
        "restarts": restarts,
    }
    files.write_json(settings.run_dir / f"{name}.json", run_file)
    log = ReplicaLog(settings.logs_dir / f"{name}.log", version.spec.name, host.feed)
    replica = Replica(name, port, process, pipe, log, own_folder, version.probing)
    if version.spec.requested_cores < 1:
        replica.share = Share(version.spec.requested_cores, process.pid)
    return replica


def command(version: Version, image: Image, name: str, host: Host, user: User | None) -> list[str]:
    """Return the function's command behind what limits the process."""
    spec = version.spec
    limit = host.memory.prefix(name, spec.memory_bytes) if spec.memory_bytes else []
    way = priority.prefix(spec.nice_value)
    own = host.view.prefix(host.settings.replicas_dir / name / "secrets")
    if user is None:
        drop = DROP_WRITE_ANYWHERE if spec.is_read_only and os.geteuid() == 0 else ()
        started = launch.command(version, image, limit, host.settings.max_body_bytes)
        return [*DIE_WITH_PROVIDER, *drop, "--", *own, *way, *started]
    # What only root may do comes first, then the process is the user's.
    outer, inner = (limit, []) if host.memory.is_entered_by_root else ([], limit)
    started = launch.command(version, image, inner, host.settings.max_body_bytes)
    as_user = user.prefix(signal.SIGKILL)
    return [*DIE_WITH_PROVIDER, "--", *own, *way, *outer, *as_user, *started]


def clear(name: str, host: Host) -> None:
    """Remove what a replica that has ended leaves behind, its log excepted."""
    remove_files(name, host.settings)
    host.memory.clear(name)


def remove_files(name: str, settings: Settings) -> None:
    (settings.run_dir / f"{name}.json").unlink(missing_ok=True)
    shutil.rmtree(settings.replicas_dir / name, ignore_errors=True)


def prepare(folder: Path, version: Version, secrets: Secrets, user: User | None) -> None:
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(mode=0o700)
    (folder / "tmp").mkdir(mode=0o700)
    secrets.give(version.spec.secrets, folder / "secrets")
    users.give_replica(folder, user)


def environment(version: Version, image: Image, own_folder: Path, port: int) -> dict[str, str]:
    """Return what the process sees: little, what the function was given, its place."""
    interpreter_folder = str(Path(sys.executable).parent)
    return {
        "PATH": os.pathsep.join([interpreter_folder, os.environ.get("PATH", os.defpath)]),
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "OMP_NUM_THREADS": "1",  # one replica, one core
        "PYTHONUNBUFFERED": "1",
        "SHUTDOWN_GRACE_SECONDS": "0",  # the provider has drained the replica before SIGTERM
        **launch.environment(version, image),
        "HOME": str(own_folder),
        "TMPDIR": str(own_folder / "tmp"),
        "SECRETS_DIR": str(own_folder / "secrets"),
        "HOST": "127.0.0.1",
        "PORT": str(port),
    }


def with_layer(given: dict[str, str], layer: Layer | None) -> dict[str, str]:
    """Have packages of its own found before the shared ones, and after what it names itself."""
    if layer is None:
        return given
    paths = [path for path in (given.get("PYTHONPATH"), str(layer.site)) if path]
    programs = os.pathsep.join([str(layer.site / "bin"), given["PATH"]])
    return {**given, "PATH": programs, "PYTHONPATH": os.pathsep.join(paths)}
