"""Keys, certificates and signed statements (in-toto in DSSE). No network, no PDF."""
