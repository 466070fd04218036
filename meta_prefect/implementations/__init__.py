"""The builders that come with Meta-Prefect, by concern. Each is useful alone."""
