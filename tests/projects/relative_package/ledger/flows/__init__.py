"""Flows of the ledger."""
