"""A Git server over TLS on loopback that asks for a token: `git http-backend` behind a small server of Python's own."""

from __future__ import annotations

import base64
import http.server
import os
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class GitServer:
    """A running server.

    Attributes:
        url: Its address, below which repositories are.
        folder: The folder that holds the bare repositories.
        certificate: The certificate that clients must trust.
    """

    url: str
    folder: Path
    certificate: Path


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder."""
    identity = ["-c", "user.name=shop", "-c", "user.email=shop@example.com"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@contextmanager
def running_git_server(folder: Path, token: str) -> Generator[GitServer]:
    """Serve the bare repositories below a folder to the user `oauth2` with the token; skips where TLS cannot be set up."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    repositories = folder / "repositories"
    repositories.mkdir()

    class Handler(_Backend):
        root = repositories
        authorization = f"Basic {base64.b64encode(f'oauth2:{token}'.encode()).decode()}"

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield GitServer(f"https://localhost:{server.server_port}", repositories, certificate)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def trusting_worker(pool: str, log: Path, certificate: Path) -> Generator[None]:
    """A worker of a pool whose host trusts the server's certificate."""
    start = ["worker", "start", "--pool", pool, "--type", "process", "--install-policy", "never"]
    environment = {
        **os.environ,
        "GIT_SSL_CAINFO": str(certificate),
        "GIT_TERMINAL_PROMPT": "0",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
    }
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", "prefect", *start], env=environment, stdout=out, stderr=out)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            # Prefect passes SIGTERM on as SIGINT, which a shell's background jobs ignore.
            process.kill()
            process.wait(timeout=20)


class _Backend(http.server.BaseHTTPRequestHandler):
    """Hands requests to `git http-backend`, which speaks the protocol of web servers with their programs (CGI)."""

    protocol_version = "HTTP/1.1"
    root: Path
    authorization: str

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        self._serve(self._body())

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        return body

    def _serve(self, body: bytes) -> None:
        if self.headers.get("Authorization") != self.authorization:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        variables = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "REMOTE_USER": "shop",
        }
        done = subprocess.run(["git", "http-backend"], input=body, env=variables, capture_output=True, check=False)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is given
        """Stay silent."""
