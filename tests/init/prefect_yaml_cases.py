"""The prefect.yaml files of `prefect_yamls/`, each with a head that says what comes of it.

# equal                 What our deploy stores is what `prefect deploy` stores.
# differs: a, b         It differs in these fields, and a remark has named each.
# not deployed          `prefect deploy` stores nothing, and a remark has said so.
# says KEY: words       A remark at this key has these words.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "prefect_yamls"

FILES = {
    "flow.py": """
        from prefect import flow

        @flow(name="UNIQUE-add")
        def add(x: int = 1, name: str = "", options: dict | None = None) -> int:
            '''Add.

            More of it.
            '''
            return x
        """,
    "01_save.py": """
        from prefect import flow

        @flow(name="UNIQUE-save", version="2.0", description="Saves.")
        def save() -> None: ...
        """,
    "work-flows/s3-pipeline.py": """
        from prefect import flow

        @flow(name="UNIQUE-runner")
        def runner() -> None: ...
        """,
    "parts/__init__.py": "",
    "parts/tidying.py": """
        from prefect import flow

        @flow(name="UNIQUE-tidy")
        def tidy() -> None:
            '''Tidy.'''
        """,
    "computed.py": """
        from prefect import flow

        PARTS = ("UNIQUE", "work")
        work = flow(name="-".join(PARTS))(lambda: None)
        """,
    "Dockerfile": "FROM scratch\n",
    "images/Dockerfile": "FROM scratch\n",
    "requirements.txt": "",
}
"""What the entrypoints of the files lead to."""

ENVIRONMENT = {
    "STAGE": "stage",
    "RELEASE": "1.2",
    "BUCKET": "a-bucket",
    "CRON": "0 7 * * *",
    "POOL": "UNIQUE-process",
    "UNIQUE_TOKEN": "very-private-4711",
}
"""The environment of both deploys."""


@dataclass(frozen=True)
class Case:
    """One of the files.

    Attributes:
        name: Its name without suffix.
        text: What stands in it.
        is_deployed: Whether `prefect deploy` stores anything.
        differs: The fields in which ours differs.
        says: Remarks, as pairs of key and words.
    """

    name: str
    text: str
    is_deployed: bool
    differs: frozenset[str]
    says: tuple[tuple[str, str], ...]


def read_case(name: str, unique: str) -> Case:
    """Read a file with `UNIQUE` filled in."""
    text = (FOLDER / f"{name}.yaml").read_text().replace("UNIQUE", unique)
    head = [line.removeprefix("# ") for line in text.splitlines() if line.startswith("# ")]
    parted = [line.removeprefix("says ").partition(": ") for line in head if line.startswith("says ")]
    says = [(key, words) for key, _, words in parted]
    _, _, fields = head[0].partition(": ")
    return Case(name, text, head[0] != "not deployed", frozenset(fields.split(", ")) - {""}, tuple(says))


NAMES = sorted(file.stem for file in FOLDER.glob("*.yaml"))
