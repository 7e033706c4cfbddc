"""Command line: ``python -m benchmarks NAME``; ``--help`` lists the benchmarks."""

from __future__ import annotations

import argparse
import sys
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
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
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
    command.add_argument("--table", nargs="+", choices=coded.TABLES, default=list(coded.TABLES))
    command.add_argument("--seeds", type=int, default=5, help="runs of each method (default: 5)")
    command.add_argument("--epsilon", nargs="+", type=float, default=[1.0, 10.0])
    command.add_argument("--delta", type=float, default=1e-9)
    command.add_argument(
        "--method",
        nargs="+",
        default=["cliquetree", "aim", "mwem", "mst", "independent"],
        help="registered names",
    )
    command.add_argument(
        "--peers",
        nargs="*",
        choices=list(peers.PEERS),
        help="also run other programs, in environments of their own (without names: "
        f"{', '.join(peers.USUAL)})",
    )
    command = commands.add_parser(
        "releases", parents=[shared], help="whole releases of real tables, each verified"
    )
    command.add_argument("--table", nargs="+", default=[], help="only these tables")
    command.add_argument("--epsilon", default="1")
    command.add_argument("--delta", default="1e-6")
    command = commands.add_parser(
        "forecast", parents=[shared], help="noise that `dpsynth check` forecasts, over measured"
    )
    command.add_argument("--table", nargs="+", default=[], help="only these tables")
    command.add_argument("--epsilon", nargs="+", type=float, default=[0.3, 1.0, 3.0])
    command.add_argument("--method", nargs="+", default=[], help="registered names (default: all)")
    command.add_argument("--runs", type=int, default=3, help="fits of each (default: 3)")
    command = commands.add_parser(
        "dense", parents=[shared], help="methods on tables where a junction tree is full"
    )
    command.add_argument("--table", nargs="+", choices=dense.TABLES, default=list(dense.TABLES))
    command.add_argument("--epsilon", type=float, default=1.0)
    command.add_argument("--delta", type=float, default=1e-6)
    command.add_argument(
        "--method",
        nargs="+",
        default=["cliquetree", "marginal-net", "mst", "independent"],
        help="registered names",
    )
    command = commands.add_parser(
        "intervals", parents=[shared], help="how often intervals hold the truth; naive ones, too"
    )
    command.add_argument("--table", nargs="+", choices=coded.TABLES, default=list(coded.TABLES))
    command.add_argument("--epsilon", nargs="+", type=float, default=[1.0])
    command.add_argument("--method", nargs="+", default=["cliquetree"], help="registered names")
    command.add_argument("--rows", type=int, default=10_000, help="rows of a table")
    command.add_argument("--runs", type=int, default=100, help="tables (default: 100)")
    command = commands.add_parser("ledger", help="reading, checking and writing a long ledger")
    command.add_argument("--entries", type=int, default=10_000, help="length (default: 10000)")
    command = commands.add_parser(
        "attacks", parents=[shared], help="the three criteria and attribute inference on Adult"
    )
    command.add_argument("--attacks", type=int, default=500, help="guesses beside peers")
    command.add_argument("--seed", type=int, default=1)
    command.add_argument(
        "--peers", action="store_true", help="also run Anonymeter, in an environment of its own"
    )
    command = commands.add_parser(
        "controls", parents=[shared], help="leaky twins that attacks must see; harmless tables"
    )
    command.add_argument(
        "--table", nargs="+", choices=controls.TABLES, default=list(controls.TABLES)
    )
    command.add_argument("--control", nargs="+", default=[], help="only these, for example P2 N1")
    command.add_argument("--seeds", type=int, default=100, help="runs of each (default: 100)")
    command.add_argument(
        "--alone", action="store_true", help="also ask each attack by itself about each twin"
    )
    command.add_argument("--out", type=Path, help="also write the figures to this JSON file")
    command = commands.add_parser(
        "neighbours", parents=[shared], help="exact nearest neighbours of all rows of Adult"
    )
    command.add_argument(
        "--peers", action="store_true", help="also mostlyai-qa and SDMetrics, each on its own"
    )
    command.add_argument(
        "--slow-rows", type=int, default=5000, help="rows for SDMetrics (default: 5000)"
    )
    command.add_argument("--out", type=Path, help="also write the figures to this JSON file")
    command = commands.add_parser(
        "targets", parents=[shared], help="which attack convicts which generator, peers included"
    )
    command.add_argument("--part", nargs="+", choices=targets.PARTS, default=list(targets.PARTS))
    command.add_argument("--out", type=Path, help="also write the figures to this JSON file")
    command = commands.add_parser(
        "adapters", parents=[shared], help="what remains of the faults of adapted programs"
    )
    command.add_argument("--part", nargs="+", choices=adapters.PARTS, default=list(adapters.PARTS))
    command.add_argument(
        "--method", nargs="+", choices=(*adapters.METHODS, "aim"), default=list(adapters.METHODS)
    )
    command = commands.add_parser(
        "tampered", help="tampered bundles that verify must name; honest ones it must accept"
    )
    command.add_argument("--only", choices=("tampered", "honest", "both"), default="both")
    options = parser.parse_args(arguments)
    if options.command == "tampered":
        return tampered.run(only=options.only)
    if options.command == "neighbours":
        return neighbours.run(
            data=options.data,
            others=[] if options.peers is None else options.peers or peers.USUAL,
            slow_rows=options.slow_rows,
            out=options.out,
        )
    if options.command == "adapters":
        return adapters.run(data=options.data, parts=options.part, methods=options.method)
    if options.command == "targets":
        return targets.run(data=options.data, parts=options.part, out=options.out)
    if options.command == "controls":
        return controls.run(
            data=options.data,
            tables=options.table,
            ids=options.control,
            seeds=options.seeds,
            alone=options.alone,
            out=options.out,
        )
    if options.command == "ledger":
        return ledger.run(entries=options.entries)
    if options.command == "attacks":
        return attacks.run(
            data=options.data,
            attacks=options.attacks,
            seed=options.seed,
            others=[] if options.peers is None else options.peers or peers.USUAL,
        )
    if options.command == "releases":
        return releases.run(
            data=options.data, names=options.table, epsilon=options.epsilon, delta=options.delta
        )
    if options.command == "forecast":
        return forecast.run(
            data=options.data,
            names=options.table,
            methods=options.method,
            epsilons=options.epsilon,
            runs=options.runs,
        )
    if options.command == "dense":
        return dense.run(
            data=options.data,
            tables=options.table,
            methods=options.method,
            epsilon=options.epsilon,
            delta=options.delta,
        )
    if options.command == "intervals":
        return intervals.run(
            data=options.data,
            tables=options.table,
            methods=options.method,
            epsilons=options.epsilon,
            rows=options.rows,
            runs=options.runs,
        )
    return synth.run(
        data=options.data,
        tables=options.table,
        methods=options.method,
        seeds=options.seeds,
        epsilons=options.epsilon,
        delta=options.delta,
        others=[] if options.peers is None else options.peers or peers.USUAL,
    )


if __name__ == "__main__":
    sys.exit(main())
