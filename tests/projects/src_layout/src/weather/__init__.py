"""A package below `src/`."""
