"""A module of the same name as in the other folders."""

TEAM = "billing"
