"""Gas of every operation: each call its own transaction in its own block, Cancun rules, intrinsic gas and
calldata included. Measured on py-evm; at maximum load on revm, which gives the same figures to the unit.
Prints the table beside the peers' figures and writes benchmarks/gas.json, which a test compares.

    python benchmarks/gas.py            print and write
    python benchmarks/gas.py --check    print, and fail if gas.json differs
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from gas_table.rows import BLOCK_GAS_LIMIT, MAXIMUM, OPERATIONS, PEERS, at_maximum, operations
from rich.console import Console
from rich.table import Table

FILE = Path(__file__).with_name("gas.json")


def measure() -> dict[str, int]:
    """All rows."""
    return operations() | at_maximum()


def show(gas: dict[str, int]) -> None:
    """Operations with targets and peers, then maximum load with bounds."""
    console = Console(width=140)
    table = Table("operation", title="Gas (py-evm receipts, Cancun)")
    table.add_column("gas", justify="right")
    table.add_column("target", justify="right")
    table.add_column(PEERS)
    for name, row in OPERATIONS.items():
        met = "" if row.target is None else f"{row.target:,}" + ("" if gas[name] <= row.target else " missed")
        table.add_row(name, f"{gas[name]:,}", met, row.peers)
    console.print(table)
    table = Table("at maximum load", title="Gas at maximum load (Cancun)")
    for column in ("gas", "bound", "of a block"):
        table.add_column(column, justify="right")
    for name, row in MAXIMUM.items():
        kept = f"{row.bound:,}" + ("" if gas[name] <= (row.bound or 0) else " missed")
        table.add_row(name, f"{gas[name]:,}", kept, f"{gas[name] / BLOCK_GAS_LIMIT:.1%}")
    console.print(table)


def main() -> int:
    """Measure, print, write or compare."""
    gas = measure()
    show(gas)
    text = json.dumps(gas, indent=2) + "\n"
    if "--check" in sys.argv[1:]:
        return 0 if FILE.read_text() == text else 1
    FILE.write_text(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
