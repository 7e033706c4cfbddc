"""Synthetic tables under differential privacy, with a ledger and signed evidence."""
