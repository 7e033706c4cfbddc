"""The command line of the benchmarks hands each of them what it takes."""

from __future__ import annotations

import argparse
import inspect

import pytest

from benchmarks.__main__ import parser

(CHOICES,) = (a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))


@pytest.mark.parametrize("name", CHOICES.choices)
def test_every_option_is_a_parameter_of_what_it_runs(name: str) -> None:
    options = vars(parser().parse_args([name]))
    run = options.pop("run")
    assert run.__module__ == f"benchmarks.{name}"
    inspect.signature(run).bind(**options)
