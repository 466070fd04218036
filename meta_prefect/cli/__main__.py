"""``python -m meta_prefect.cli``."""

from meta_prefect.cli import main

main()
