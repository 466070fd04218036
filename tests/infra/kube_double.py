"""The Kubernetes API as far as a worker's deploy uses it, over HTTP: it keeps what is applied, and says what it is told to say.

It stands where the tests marked `kubernetes` have a cluster, and proves no more of one than it copies: an object that is applied
gets a generation; pods, events and logs are what the test sets, as the kubelet would.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit


class KubeDouble:
    """What there is.

    Attributes:
        objects: What was applied, by path.
        rollout: The status of each Deployment that is read.
        pods: The pods of every Deployment.
        events: Warnings about pods.
        logs: What pods have written, by their names.
        status: What is added to each pod that somebody has created.
        serves: The kinds of API that operators have added.
        forbids: What is said to whoever wants to write; None lets everybody.
        deleted: The paths of what was deleted, in order.
    """

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.rollout: dict[str, Any] = {}
        self.pods: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.logs: dict[str, str] = {}
        self.status: dict[str, Any] = {}
        self.serves: set[str] = set()
        self.forbids: str | None = None
        self.deleted: list[str] = []

    def read(self, path: str) -> Any:
        """What a GET of a path answers; None for nothing."""
        if path.endswith("/log"):
            return self.logs.get(path.split("/")[-2])
        lists = {"pods": self.pods, "events": self.events}
        if (kind := path.rpartition("/")[2]) in lists:
            return {"items": lists[kind]}
        found = self.objects.get(path)
        if found is None and path.startswith("/apis/") and path.count("/") == 3:
            return {"kind": "APIResourceList"} if path.removeprefix("/apis/") in self.serves else None
        if found is not None and found["kind"] == "Pod":
            return {**found, **self.status}
        return found and ({**found, "status": self.rollout} if found["kind"] == "Deployment" else found)

    def apply(self, path: str, manifest: dict[str, Any], *, dry_run: bool) -> dict[str, Any]:
        """Keep an object, unless this is only a try."""
        before = self.objects.get(path)
        metadata = {**manifest["metadata"], "resourceVersion": "1", "generation": 1}
        after = {**manifest, "metadata": metadata}
        if before is not None:
            same = {**before, "metadata": {**before["metadata"], "generation": 1}} == after
            metadata["generation"] = before["metadata"]["generation"] + (not same)
        if not dry_run:
            self.objects[path] = after
        return after


@contextmanager
def kube_double(folder: Path) -> Generator[tuple[KubeDouble, Path]]:
    """Serve one on a free port of loopback; yields it, and a kubeconfig that points at it."""
    kube = KubeDouble()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = kube.read(urlsplit(self.path).path)
            self.answer(404 if found is None else 200, {"message": "not found"} if found is None else found)

        def do_PATCH(self) -> None:
            url = urlsplit(self.path)
            manifest = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if kube.forbids is not None:
                self.answer(403, {"message": kube.forbids})
                return
            self.answer(200, kube.apply(url.path, manifest, dry_run="dryRun" in parse_qs(url.query)))

        def do_POST(self) -> None:
            manifest = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            path = f"{urlsplit(self.path).path}/{manifest['metadata']['name']}"
            self.answer(201, kube.apply(path, manifest, dry_run=False))

        def do_DELETE(self) -> None:
            path = urlsplit(self.path).path
            kube.deleted.append(path)
            gone = kube.objects.pop(path, None)
            self.answer(404 if gone is None else 200, {"message": "not found"} if gone is None else gone)

        def answer(self, status: int, content: Any) -> None:
            body = (content if isinstance(content, str) else json.dumps(content)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that the base class gives it
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        config: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
            "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
            "users": [{"name": "me", "user": {}}],
        }
        file = folder / "kubeconfig"
        file.write_text(json.dumps(config))
        try:
            yield kube, file
        finally:
            server.shutdown()
