"""The built-in builders, grouped by concern. Each can be used on its own."""
