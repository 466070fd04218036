"""Background processes on this host: the local Prefect server and its process workers."""
