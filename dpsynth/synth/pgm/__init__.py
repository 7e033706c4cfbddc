"""The inference engine: exact graphical models over small tables, fitted to noisy counts."""
