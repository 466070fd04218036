"""Pages for people: what deploys leave as artifacts in the Prefect UI, in Markdown."""
