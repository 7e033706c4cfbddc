"""Benchmarks on public tables: what the product costs and delivers, beside published figures."""
