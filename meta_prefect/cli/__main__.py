"""``python -m meta_prefect.cli``."""

from meta_prefect.cli.program import main

main()
