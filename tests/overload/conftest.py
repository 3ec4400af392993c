"""Rebloom as an operator runs it: a process of its own, and the shipped proxy in front."""

import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from plugin.commands.serve import raise_file_limit
from tests.conftest import ENVIRONMENT
from tests.support.processes import free_port

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Process:
    """`log` is its standard error."""

    port: int
    pid: int
    log: Path

    def resident(self) -> int:
        """Bytes of memory, children included."""
        me = psutil.Process(self.pid)
        return sum(each.memory_info().rss for each in (me, *me.children(recursive=True)))

    def events(self) -> list[dict[str, object]]:
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


@dataclass
class Proxy(Process):
    tls: ssl.SSLContext


def _until_it_answers(url: str, running: subprocess.Popen[bytes], verify: ssl.SSLContext | bool = True) -> None:
    for _ in range(600):
        assert running.poll() is None, "it ended at once"
        try:
            httpx.get(url, verify=verify, timeout=5).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"{url} does not answer")


def _ended(running: subprocess.Popen[bytes], by: signal.Signals = signal.SIGTERM) -> None:
    running.send_signal(by)
    try:
        running.wait(30)
    except subprocess.TimeoutExpired:
        running.kill()
        running.wait()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """`rebloom serve` on SQLite, believing the proxy on this machine."""
    raise_file_limit()  # this process holds the clients
    folder, port = tmp_path_factory.mktemp("served"), free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("REBLOOM_", "SHOPIFY_"))},
        **ENVIRONMENT,
        "REBLOOM_DATABASE_URL": f"sqlite:///{folder / 'rebloom.sqlite3'}",
        "REBLOOM_TRUSTED_PROXIES": "127.0.0.1",
        "REBLOOM_LOG_LEVEL": "DEBUG",
    }
    command = [sys.executable, "-m", "plugin", "serve", "--port", str(port)]
    log = folder / "log"
    with log.open("wb") as stderr, subprocess.Popen(command, cwd=ROOT, env=environment, stderr=stderr) as running:
        try:
            _until_it_answers(f"http://127.0.0.1:{port}/healthz", running)
            yield Process(port, running.pid, log)
        finally:
            _ended(running)


def certificate(folder: Path) -> ssl.SSLContext:
    """Writes fullchain.pem and privkey.pem; what a client must trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "fullchain.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "privkey.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.create_default_context(cafile=str(folder / "fullchain.pem"))
    context.check_hostname = False
    return context


def filled_in(text: str, port: int, plain_port: int, upstream: int, folder: Path) -> str:
    """deploy/nginx.conf with what an operator fills in: addresses and the certificate's place."""
    for old, new in {
        "server web:8000": f"server 127.0.0.1:{upstream}",
        "listen 80 ": f"listen 127.0.0.1:{plain_port} ",
        "listen 443 ": f"listen 127.0.0.1:{port} ",
        "/etc/nginx/tls": str(folder),
        "/dev/stdout": str(folder / "access.log"),
        "zone=pages:10m rate=20r/s": "zone=pages:10m rate=1r/s",  # a slow machine is to be a flood, too
        "zone=touchpoints:10m rate=50r/s": "zone=touchpoints:10m rate=1r/s",
    }.items():
        assert text.count(old) >= 1, old
        text = text.replace(old, new)
    return text


@pytest.fixture(scope="module")
def proxied(served: Process, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """The real nginx with the shipped configuration, in front of `served`."""
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    folder.chmod(0o755)
    tls = certificate(folder)
    text = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
    (folder / "nginx.conf").write_text(filled_in(text, port, free_port(), served.port, folder), encoding="utf-8")
    command = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g", f"daemon off; pid {folder}/pid;"]
    log = folder / "log"
    with log.open("wb") as stderr, subprocess.Popen(command, stderr=stderr) as running:
        try:
            _until_it_answers(f"https://127.0.0.1:{port}/healthz", running, tls)
            yield Proxy(port, running.pid, folder / "access.log", tls)
        finally:
            _ended(running, signal.SIGQUIT if running.poll() is None else signal.SIGTERM)
