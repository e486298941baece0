"""A run folder audited."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from perpsim.deleveraging.audit import Audited, audit
from perpsim.deleveraging.replay import read_log
from perpsim.errors import UserError
from perpsim.protocol import POLICIES
from perpsim.report.data import RunFiles, lookup
from perpsim.scenarios import Market


@dataclass(frozen=True)
class RunAudit:
    """All deleveragings of a run, in order. `symbols` are the markets', `unit` the collateral's."""

    folder: Path
    scenario: str
    unit: str
    symbols: tuple[str, ...]
    complete: bool
    receipts: tuple[Audited, ...]

    @property
    def failed(self) -> int:
        """How many are not as they must be."""
        return sum(bool(receipt.problems) for receipt in self.receipts)


def audit_run(folder: Path) -> RunAudit:
    """Recompute every receipt in a run folder; a UserError says what is missing or damaged."""
    files = RunFiles(folder)
    summary = files.summary()
    if files.notes:
        raise UserError(f"{folder}: {files.notes[0]}")
    markets, decimals = scenario_markets(folder, summary)
    try:
        receipts = tuple(audit(read_log(folder), markets, decimals, policies_of(summary)))
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise UserError(
            f"{folder}: the log is none that this version of perpsim writes ({type(error).__name__}: {error})"
        ) from error
    return RunAudit(
        folder=folder,
        scenario=str(summary.get("scenario") or folder.name),
        unit=str(lookup(summary, "parameters.collateral.symbol") or "USD"),
        symbols=tuple(market.symbol for market in markets),
        complete=summary.get("complete") is True,
        receipts=receipts,
    )


def policies_of(summary: dict[str, Any]) -> dict[str, str]:
    """Names of the deleveraging policies by the addresses that a run's summary has for them."""
    contracts = summary.get("contracts")
    addresses = contracts if isinstance(contracts, dict) else {}
    return {str(addresses.get(contract)): name for name, contract in POLICIES.items()}


def scenario_markets(folder: Path, summary: dict[str, Any]) -> tuple[list[Market], int]:
    """Markets and decimals of the collateral, as the scenario has them; a UserError if nothing says so."""
    listed, decimals = (
        lookup(summary, "parameters.markets"),
        lookup(summary, "parameters.collateral.decimals"),
    )
    if not isinstance(listed, list) or not isinstance(decimals, int):
        raise UserError(f"{folder}: summary.json does not say which markets there were")
    try:
        return [Market.model_validate(market) for market in listed], decimals
    except ValidationError as error:
        key = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise UserError(
            f"{folder}: summary.json: parameters.markets: {key} is not what this version of perpsim writes"
        ) from None
