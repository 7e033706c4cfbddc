"""Generators that are networks: each ends as one finite mixture of product distributions."""
