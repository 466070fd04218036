"""Where pull steps of live deployments look for what has moved; nothing new stands here."""
