"""Synthesizers: methods that see a Curator only, and the models that they return."""
