"""The steps of a deploy as Prefect tasks: named for what they do, retried only where that can help."""
