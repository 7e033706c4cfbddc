"""A small release for the preflight: four columns, units of several rows, a small epsilon."""

from __future__ import annotations

from collections.abc import Callable

from dpsynth.preflight import Report

DICTIONARY = """\
version: 1
title: Visits
file: visits.csv
privacy_unit: {kind: column, column: person}
columns:
- {name: person, kind: id, role: direct_identifier, meaning: person, domain: {pattern: 'P\\d{6}'}}
- {name: age, kind: integer, role: quasi_identifier, meaning: age,
   domain: {lower: 0, upper: 99, bins: {uniform: 10}}}
- {name: ward, kind: categorical, role: other, meaning: ward,
   domain: {categories: [north, south, east, west]}, missing: {'?': unknown}}
- {name: cost, kind: float, role: sensitive, meaning: cost,
   domain: {lower: 0, upper: 1000, bins: {uniform: 10}}}
"""

# At epsilon 0.1 ten runs a table rule chance out: noise alone makes a finding of one place with
# probability below 1e-5. Each test looks at a few hundred places, most of which never vary.
ALPHA = 1e-5

Check = Callable[..., Report]
