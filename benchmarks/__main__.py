"""Command line: ``python -m benchmarks NAME``; ``--help`` lists the benchmarks."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import (
    adapters,
    attacks,
    coded,
    controls,
    dense,
    forecast,
    intervals,
    ledger,
    neighbours,
    peers,
    releases,
    synth,
    tampered,
    targets,
)

ROOT = Path(__file__).resolve().parents[1]


def main(arguments: list[str] | None = None) -> int:
    """Parse the arguments and run; returns the exit code."""
    options = vars(parser().parse_args(arguments))
    run: Callable[..., int] = options.pop("run")
    return run(**options)


def parser() -> argparse.ArgumentParser:
    """Return the parser: each command names the function that runs it and its parameters."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(metavar="NAME", required=True)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--data",
        type=Path,
        default=ROOT.parent / "shared" / "data",
        help="folder that holds one folder for each table (default: ../shared/data)",
    )
    command = commands.add_parser(
        "synth", parents=[shared], help="quality and cost of the synthesizers on Adult and ACS"
    )
    command.set_defaults(run=synth.run)
    command.add_argument(
        "--table", dest="tables", nargs="+", choices=coded.TABLES, default=list(coded.TABLES)
    )
    command.add_argument("--rows", type=int, help="training rows that are fitted (default: all)")
    command.add_argument("--seeds", type=int, default=5, help="runs of each method (default: 5)")
    command.add_argument("--epsilon", dest="epsilons", nargs="+", type=float, default=[1.0, 10.0])
    command.add_argument("--delta", type=float, default=1e-9)
    command.add_argument(
        "--method",
        dest="methods",
        nargs="+",
        default=["cliquetree", "aim", "mwem", "mst", "independent"],
        help="registered names",
    )
    command.add_argument(
        "--peers",
        dest="others",
        nargs="*",
        choices=list(peers.PEERS),
        help="also run other programs, in environments of their own (without names: "
        f"{', '.join(peers.USUAL)})",
    )
    command.add_argument(
        "--limit",
        type=int,
        default=peers.LIMIT,
        help=f"CPU-seconds that each of them may take (default: {peers.LIMIT})",
    )
    command.add_argument(
        "--keep",
        type=Path,
        metavar="FILE",
        help="keep what they gave in this file, and take from it what an earlier run gave",
    )
    command = commands.add_parser(
        "releases", parents=[shared], help="whole releases of real tables, each verified"
    )
    command.set_defaults(run=releases.run)
    command.add_argument("--table", dest="names", nargs="+", default=[], help="only these tables")
    command.add_argument("--epsilon", default="1")
    command.add_argument("--delta", default="1e-6")
    command = commands.add_parser(
        "forecast", parents=[shared], help="noise that `dpsynth check` forecasts, over measured"
    )
    command.set_defaults(run=forecast.run)
    command.add_argument("--table", dest="names", nargs="+", default=[], help="only these tables")
    command.add_argument(
        "--epsilon", dest="epsilons", nargs="+", type=float, default=[0.3, 1.0, 3.0]
    )
    command.add_argument(
        "--method", dest="methods", nargs="+", default=[], help="registered names (default: all)"
    )
    command.add_argument("--runs", type=int, default=3, help="fits of each (default: 3)")
    command = commands.add_parser(
        "dense", parents=[shared], help="methods on tables where a junction tree is full"
    )
    command.set_defaults(run=dense.run)
    command.add_argument(
        "--table", dest="tables", nargs="+", choices=dense.TABLES, default=list(dense.TABLES)
    )
    command.add_argument("--epsilon", type=float, default=1.0)
    command.add_argument("--delta", type=float, default=1e-6)
    command.add_argument(
        "--method",
        dest="methods",
        nargs="+",
        default=["cliquetree", "marginal-net", "mst", "independent"],
        help="registered names",
    )
    command = commands.add_parser(
        "intervals", parents=[shared], help="how often intervals hold the truth; naive ones, too"
    )
    command.set_defaults(run=intervals.run)
    command.add_argument(
        "--table", dest="tables", nargs="+", choices=coded.TABLES, default=list(coded.TABLES)
    )
    command.add_argument("--epsilon", dest="epsilons", nargs="+", type=float, default=[1.0])
    command.add_argument(
        "--method", dest="methods", nargs="+", default=["cliquetree"], help="registered names"
    )
    command.add_argument("--rows", type=int, default=10_000, help="rows of a table")
    command.add_argument("--runs", type=int, default=100, help="tables (default: 100)")
    command = commands.add_parser("ledger", help="reading, checking and writing a long ledger")
    command.set_defaults(run=ledger.run)
    command.add_argument("--entries", type=int, default=10_000, help="length (default: 10000)")
    command = commands.add_parser(
        "attacks", parents=[shared], help="the three criteria and attribute inference on Adult"
    )
    command.set_defaults(run=attacks.run)
    command.add_argument("--attacks", type=int, default=500, help="guesses beside peers")
    command.add_argument("--seed", type=int, default=1)
    command.add_argument(
        "--peers",
        dest="with_peers",
        action="store_true",
        help="also run Anonymeter, in an environment of its own",
    )
    command = commands.add_parser(
        "controls", parents=[shared], help="leaky twins that attacks must see; harmless tables"
    )
    command.set_defaults(run=controls.run)
    command.add_argument(
        "--table", dest="tables", nargs="+", choices=controls.TABLES, default=list(controls.TABLES)
    )
    command.add_argument(
        "--control", dest="ids", nargs="+", default=[], help="only these, for example P2 N1"
    )
    command.add_argument("--seeds", type=int, default=100, help="runs of each (default: 100)")
    command.add_argument(
        "--alone", action="store_true", help="also ask each attack by itself about each twin"
    )
    command.add_argument("--out", type=Path, help="also write the figures to this JSON file")
    command = commands.add_parser(
        "neighbours", parents=[shared], help="exact nearest neighbours of all rows of Adult"
    )
    command.set_defaults(run=neighbours.run)
    command.add_argument(
        "--peers",
        dest="with_peers",
        action="store_true",
        help="also mostlyai-qa and SDMetrics, each on its own",
    )
    command.add_argument(
        "--slow-rows", type=int, default=5000, help="rows for SDMetrics (default: 5000)"
    )
    command.add_argument("--out", type=Path, help="also write the figures to this JSON file")
    command = commands.add_parser(
        "targets", parents=[shared], help="which attack convicts which generator, peers included"
    )
    command.set_defaults(run=targets.run)
    command.add_argument(
        "--part", dest="parts", nargs="+", choices=targets.PARTS, default=list(targets.PARTS)
    )
    command.add_argument("--out", type=Path, help="also write the figures to this JSON file")
    command = commands.add_parser(
        "adapters", parents=[shared], help="what remains of the faults of adapted programs"
    )
    command.set_defaults(run=adapters.run)
    command.add_argument(
        "--part", dest="parts", nargs="+", choices=adapters.PARTS, default=list(adapters.PARTS)
    )
    command.add_argument(
        "--method",
        dest="methods",
        nargs="+",
        choices=(*adapters.METHODS, "aim"),
        default=list(adapters.METHODS),
    )
    command = commands.add_parser(
        "tampered", help="tampered bundles that verify must name; honest ones it must accept"
    )
    command.set_defaults(run=tampered.run)
    command.add_argument("--only", choices=("tampered", "honest", "both"), default="both")
    return parser


if __name__ == "__main__":
    sys.exit(main())
