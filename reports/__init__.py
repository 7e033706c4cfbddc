"""Documents rendered from evidence, and their signatures. Installed as ``dpsynth.reports``."""

if __name__ != "dpsynth.reports":
    raise ImportError(
        "This package installs as dpsynth.reports: run `pip install .` and import that."
    )
