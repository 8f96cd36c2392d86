"""A real S3 server for tests and benchmarks: Ceph's gateway over one monitor and one storage daemon, all in memory.

It checks signatures and keeps create-only writes, as the large ones do. `scripts/install_ceph.sh` installs it (Debian:
radosgw ceph-mon ceph-osd ceph-common). Ready in some 7 s, 220 MB.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PROGRAMS = ("radosgw", "radosgw-admin", "ceph", "ceph-mon", "ceph-osd", "ceph-authtool", "monmaptool", "setpriv")
KEY, SECRET = "mulle", "the wheel turns"
_READY_SECONDS = 90.0
_WITH_US = ("setpriv", "--pdeathsig", "KILL")
"""However this process ends, so does what it started."""
_SETTINGS = """\
[global]
fsid = {fsid}
mon_host = {monitor}
public_addr = 127.0.0.1
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
keyring = {folder}/keyring
run_dir = {folder}
admin_socket =
pid_file =
log_file =
log_to_stderr = false
mon_cluster_log_file =
mon_data = {folder}/mon
osd_data = {folder}/osd
osd_objectstore = memstore
memstore_device_bytes = {bytes}
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
mon_data_avail_crit = 1
mon_data_avail_warn = 1
paxos_propose_interval = 0.02
paxos_min_wait = 0.01

[client.rgw]
rgw_frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
"""


def missing_programs() -> list[str]:
    """Which of the programs it needs are not installed."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


class Gateway:
    """An S3 server on a free loopback port, from `start()` or `with` to `stop()`; it ends by pid, nothing stays."""

    def __init__(self, folder: Path, *, memory: int = 4 << 30) -> None:
        """`folder` is for its settings and keys, must not be there yet, and goes with it."""
        self.folder = folder
        self.port = 0
        self._memory = memory
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def endpoint(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """The credentials and the address as the environment variables that every S3 client reads."""
        return {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": "us-east-1",
        }

    def start(self) -> Self:
        """Start monitor, storage and gateway, and wait until the gateway answers."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def bucket(self, name: str = "") -> str:
        """Make a bucket and return its address, without the endpoint."""
        import obstore  # noqa: PLC0415 - start-up time
        from obstore.store import S3Store  # noqa: PLC0415 - start-up time

        name = name or f"b{uuid.uuid4().hex}"
        options: dict[str, Any] = {"client_options": {"allow_http": True}}
        store = S3Store(
            name,
            endpoint=self.endpoint,
            access_key_id=KEY,
            secret_access_key=SECRET,
            region="us-east-1",
            **options,
        )
        url = obstore.sign(store, "PUT", "", timedelta(minutes=1))
        with urllib.request.urlopen(urllib.request.Request(url, method="PUT"), timeout=30):  # noqa: S310 - our own
            return f"s3://{name}"

    def stop(self) -> None:
        """End the processes and remove their folder."""
        for process in reversed(self._processes):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
            process.wait()
        self._processes.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _start(self) -> None:
        (self.folder / "mon").mkdir(parents=True)
        (self.folder / "osd").mkdir()
        self.port, v2, v1 = _free_ports(3)
        monitor, fsid = f"[v2:127.0.0.1:{v2},v1:127.0.0.1:{v1}]", str(uuid.uuid4())
        text = _SETTINGS.format(folder=self.folder, monitor=monitor, fsid=fsid, port=self.port, bytes=self._memory)
        (self.folder / "ceph.conf").write_text(text)
        self._keys()
        self._call("monmaptool", "--create", "--addv", "m", monitor, "--fsid", fsid, str(self.folder / "map"))
        self._call("ceph-mon", "--mkfs", "-i", "m", "--monmap", str(self.folder / "map"))
        self._run("ceph-mon", "-f", "-i", "m")
        identity = str(uuid.uuid4())
        self._call("ceph", "osd", "new", identity, "-i", "-", told=b"{}")
        self._call("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", identity)
        self._run("ceph-osd", "-f", "-i", "0")
        self._run("radosgw", "-f", "-n", "client.rgw")
        self._await()
        self._call(
            *("radosgw-admin", "-n", "client.rgw", "user", "create", "--uid", KEY, "--display-name", KEY),
            *("--access-key", KEY, "--secret-key", SECRET),
        )

    def _keys(self) -> None:
        keyring = str(self.folder / "keyring")
        all_of = ("--cap", "mon", "allow *", "--cap", "osd", "allow *")
        self._call("ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
        for name in ("client.admin", "client.rgw"):
            self._call("ceph-authtool", keyring, "--gen-key", "-n", name, *all_of)
        self._call(
            *("ceph-authtool", keyring, "--gen-key", "-n", "osd.0"),
            *("--cap", "mon", "allow profile osd", "--cap", "osd", "allow *"),
        )

    def _call(self, *words: str, told: bytes | None = None) -> None:
        done = subprocess.run(  # noqa: S603 - the programs above
            words, env=self._environment(), input=told, capture_output=True, timeout=90, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)} exits with {done.returncode}: {done.stderr.decode()[-1000:]}")

    def _run(self, *words: str) -> None:
        with (self.folder / f"{words[0]}.out").open("wb") as out:
            process = subprocess.Popen(  # noqa: S603 - the programs above
                (*_WITH_US, *words), env=self._environment(), stdout=out, stderr=out, start_new_session=True
            )
        self._processes.append(process)

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "CEPH_CONF": str(self.folder / "ceph.conf")}

    def _await(self) -> None:
        until = time.monotonic() + _READY_SECONDS
        while time.monotonic() < until:
            for process in self._processes:
                if process.poll() is not None:
                    raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
            with contextlib.suppress(urllib.error.URLError, OSError):
                urllib.request.urlopen(self.endpoint, timeout=5).close()  # noqa: S310 - our own server
                return
            time.sleep(0.1)
        raise RuntimeError(f"{self.endpoint} did not answer within {_READY_SECONDS:.0f} s")


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(count):
            probe = stack.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            found.append(probe.getsockname()[1])
        return found
