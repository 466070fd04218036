"""The stages of a deploy: requests, resolve, compare, plan, apply."""
