"""Privacy: units, budgets, accounting, noise, the ledger, and the Curator that joins them."""
