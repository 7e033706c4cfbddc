"""``python -m dpsynth.cli``: the command line without its script."""

from dpsynth.cli import main

main()
