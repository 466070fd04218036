"""From desired and live state to a list of changes. Pure: no client, no clock, no randomness."""
