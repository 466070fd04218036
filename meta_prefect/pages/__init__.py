"""Pages for people: what deploys leave as artifacts in the Prefect UI, in Markdown.

Links are relative, so that they stay in the UI that the reader is in: Prefect serves its present UI below ``/v2``, its former one
at the root, and Cloud below a workspace.
"""
