"""Processes on this host: the background Prefect server of the embedded default, and the process workers."""
