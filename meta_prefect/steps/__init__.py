"""Old import paths that the pull steps of live deployments use; nothing new belongs here."""
