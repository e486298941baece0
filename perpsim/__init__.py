"""A perpetual exchange in Vyper, and crashes replayed against it."""

from pathlib import Path

__version__ = "0.1.0"

PACKAGE = Path(__file__).resolve().parent
# In a wheel the contracts travel inside the package; in a checkout they stand beside it.
CONTRACTS = PACKAGE / "contracts" if (PACKAGE / "contracts").is_dir() else PACKAGE.parent / "contracts"
