"""``python -m meta_prefect.deploy``: the same as ``meta-prefect deploy``."""

from __future__ import annotations

import sys

from meta_prefect.cli.program import main

if __name__ == "__main__":
    main(["deploy", *sys.argv[1:]])
