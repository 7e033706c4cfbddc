"""The declared, public description of a table, and the codec made from it alone."""
