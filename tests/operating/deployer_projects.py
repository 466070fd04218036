"""Projects for the tests of the deployer, and running its flows."""

from __future__ import annotations

import subprocess
import textwrap
from pathlib import Path
from typing import Any

from support import Api, run_deployment

FLOW = """
    from prefect import flow, get_run_logger

    @flow(name="UNIQUE")
    def work(n: int = 1) -> str:
        '''Work.'''
        get_run_logger().info("this is MARK")
        return "MARK"
"""
FILE = """
    project: UNIQUE
    recipes: [recipes]
    deployments:
      UNIQUE:
        - recipe: local_run_deployer
          variables:
            name: nightly
            schedule: {cron: "0 9 * * 1-5", timezone: US/Pacific}
"""
RECIPES = """
    from meta_prefect import recipe
    from meta_prefect.implementations.infra import local_process
    from meta_prefect.implementations.metadata import namer, versioneer
    from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface

    @recipe(name="UNIQUE-own")
    def own(hour: int, name: str = "own") -> FlowBuilderInterface:
        '''Deploy as this team does.

        Args:
            hour: The hour.
            name: What it is for.
        '''
        return namer(name=name) | versioneer(version=str(hour)) | local_process()
"""


class GitProject:
    """A project in a bare repository, with a clone to change it from.

    Args:
        folder: An empty folder.
        name: The project's name, and its flow's.
        bare: Where the bare repository is made; by default in that folder.
        file: The project file.
    """

    def __init__(self, folder: Path, name: str, bare: Path | None = None, file: str = FILE) -> None:
        self.name = name
        self.bare = bare or folder / "bare.git"
        self.clone = folder / "clone"
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(self.bare)], check=True)
        subprocess.run(["git", "clone", "-q", str(self.bare), str(self.clone)], check=True, capture_output=True)
        self.git("checkout", "-q", "-B", "main")
        self.write(**{"meta_prefect.yaml": file, "recipes.py": RECIPES})
        self.commit("first")

    @property
    def url(self) -> str:
        """The repository's address."""
        return self.bare.as_uri()

    def git(self, *arguments: str) -> str:
        """Run Git in the clone; returns what it prints."""
        who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
        command = ["git", "-C", str(self.clone), *who, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def write(self, **files: str) -> None:
        """Write files, with the project's name for `UNIQUE`."""
        for name, text in files.items():
            (self.clone / name).write_text(textwrap.dedent(text).lstrip("\n").replace("UNIQUE", self.name))

    def commit(self, mark: str, branch: str = "main") -> str:
        """Let the flow log a mark, commit, push to a branch; returns the commit's hash."""
        self.write(**{"flow.py": FLOW.replace("MARK", mark)})
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", mark)
        self.git("push", "-q", "origin", f"HEAD:{branch}")
        return self.git("rev-parse", "HEAD")


def run_deployer(server: Api, flow: str, project: str, /, **parameters: Any) -> tuple[Any, str]:
    """Run one of a project's deployer flows on its worker; returns the final state and the log."""
    return run_deployment(server, server.deployment(f"{flow}/{project}"), **parameters)
