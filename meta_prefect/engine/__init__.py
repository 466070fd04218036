"""What a deploy does, stage by stage: requests, resolve, compare, plan, apply."""
