"""An exchange on a node as it goes on: a thread follows the log, the page is told of each new block."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from perpsim.chain import EngineError
from perpsim.devnet.deployment import Deployment, attached
from perpsim.devnet.mirror import Mirror
from perpsim.devnet.node import Node
from perpsim.devnet.reader import SeenBlock
from perpsim.errors import UserError
from perpsim.report.decimate import decimate, rounded
from perpsim.report.fund_history import FundFlow, FundHistory
from perpsim.serve.moment import Check, Keeper, Moment, Row, Sign
from perpsim.serve.view import frame
from perpsim.simulation.invariants import Invariants, InvariantViolation
from perpsim.simulation.market_state import WAD
from perpsim.simulation.order_mirror import DEPTH_WIDTH
from perpsim.simulation.warnings import SIGNS, WORDS, Warner

#: seconds between two looks at the node, and to wait for its answer
LOOK, PATIENCE = 0.4, 5.0
# Seconds until a node that does not answer is asked again.
AGAIN = 1.0
# Seconds between two comparisons with the contracts' views, blocks between two samples of the warning signs.
_COMPARE, _SAMPLE = 20.0, 5
_POINTS = 700
_LINES = ("index", "mark", "open_interest", "leverage", "funding", "bid_depth", "ask_depth")

Figures = tuple[float, ...]


class _Recorded:
    """A few figures of every block that a mirror takes in, which `begin` is the `watch` of."""

    #: time, fund, and the lines of each market
    figures: list[tuple[int, float, list[Figures]]]
    warner: Warner

    def begin(self, mirror: Mirror) -> Callable[[SeenBlock], None]:
        """Forget what there was; returns what is to hear of each block."""
        self._mirror = mirror
        self.figures = []
        self.warner = Warner(mirror.scenario, mirror.indexer, mirror.ledger)
        return self._add

    def _add(self, block: SeenBlock) -> None:
        indexer, ledger = self._mirror.indexer, self._mirror.ledger
        states = indexer.states
        if not all(state.mark > 0 for state in states):
            return
        health = indexer.health(block.time)
        found: list[Figures] = []
        for market, (state, orders) in enumerate(zip(states, indexer.orders)):
            _, _, bids, asks = orders.look(DEPTH_WIDTH, state.mark / WAD)
            held = health.notional[market]
            equity = float(np.maximum(health.equity, 0).dot(held > 0))
            leverage = float(held.sum()) / equity if equity > 0 else 0.0
            figures = (state.index / WAD, state.mark / WAD, state.open_interest / WAD, leverage)
            found.append((*figures, state.funding_8h, bids, abs(asks)))
        self.figures.append((block.time, ledger.fund / ledger.token, found))
        samples = self.warner.samples
        if not samples or block.number - samples[-1]["block"] >= _SAMPLE:
            self.warner.block(block.number, block.time, health, last=True)


class LiveExchange:
    """A deployment on a node. `start` begins to follow it; `version` grows with everything new to show.

    Only whoever follows writes; what others read is copied or replaced as a whole. Raises `UserError` where
    there is no node, another chain, no such deployment or another exchange.
    """

    def __init__(self, node: Node, file: Path) -> None:
        self._node = node
        self._file = file
        self._stopped = threading.Event()
        self._words = ""
        #: attach anew before anything else is read
        self._void = False
        self._compare_at = 0.0
        self.version = 0
        self._attach()
        self._publish()

    def start(self) -> None:
        """Follow the node in a thread of its own, which ends with the program."""
        threading.Thread(target=self._run, daemon=True).start()

    def stop(self) -> None:
        """Follow it no longer."""
        self._stopped.set()

    def look(self) -> None:
        """Take in what is new. A node that does not answer is said on the page, and asked again next time."""
        words, head = "", self._mirror.head
        compared = self._compared
        try:
            if self._void:
                self._attach()
            self._mirror.follow()
            if time.monotonic() >= self._compare_at:
                self._compare()
        except EngineError as error:
            words = str(error)
        except UserError as error:
            # The exchange has gone from the node. It may come back, deployed anew.
            self._void, words = True, str(error)
        except Exception as error:
            self._void, words = True, f"the node's log makes no sense ({type(error).__name__}: {error})"
        if self._mirror.head != head or self._compared != compared or words != self._words:
            self._words = words
            self._publish()

    # the page's source

    @property
    def first(self) -> int:
        """The block of the deployment."""
        return self._deployment.block

    @property
    def last(self) -> int:
        """The last block that was seen."""
        return int(self._frame["block"])

    def about(self) -> dict[str, Any]:
        """Titles, markets and times."""
        scenario = self._mirror.scenario
        times = [row[0] for row in list(self._recorded.figures)]
        end = self._frame["time"]
        return {
            "live": True,
            "title": f"{self._deployment.network}: {scenario.title or scenario.name}",
            "scenario": scenario.name,
            "seed": None,
            "complete": True,
            "unit": scenario.collateral.symbol,
            "markets": [market.symbol for market in scenario.markets],
            "first": self.first,
            "last": self.last,
            "start": times[0] if times else end,
            "end": end,
        }

    def series(self) -> dict[str, Any]:
        """Lines from the deployment until now, thinned out with their extremes kept; of how many `points`."""
        rows = list(self._recorded.figures)
        times = [row[0] for row in rows]
        markets = [
            {name: _line(times, [row[2][market][at] for row in rows]) for at, name in enumerate(_LINES)}
            for market in range(len(self._mirror.scenario.markets))
        ]
        fund = _line(times, [row[1] for row in rows])
        return {"fund": fund, "markets": markets, "points": len(rows)}

    def frame(self, block: int) -> dict[str, Any]:
        """The newest there is."""
        return self._frame

    def fund_history(self, block: int) -> FundHistory:
        """The flows of the fund up to a block."""
        scenario = self._mirror.scenario
        rows = list(self._mirror.ledger.fund_rows)
        return FundHistory(
            folder=self._file,
            scenario=scenario.name,
            unit=scenario.collateral.symbol,
            decimals=scenario.collateral.decimals,
            markets=tuple(market.symbol for market in scenario.markets),
            flows=tuple(_flows(rows)),
            books=None,
            blocks=self.last,
            planned_blocks=self.last,
            complete=True,
        ).until(block)

    # following

    def _run(self) -> None:
        while not self._stopped.wait(AGAIN if self._words else LOOK):
            self.look()

    def _attach(self) -> None:
        deployment, self._protocol = attached(self._node, self._file)
        recorded = _Recorded()
        mirror = Mirror(deployment, self._node, watch=recorded.begin)
        mirror.follow()
        self._deployment, self._mirror, self._recorded = deployment, mirror, recorded
        self._void = False
        self._compared: Check | None = None
        self._compare_at = 0.0

    def _publish(self) -> None:
        node = {"answers": not self._words, "words": self._words}
        self._frame = {**frame(self._moment()), "node": node, "points": len(self._recorded.figures)}
        self.version += 1

    def _compare(self) -> None:
        """Once with the contracts' own views; of no use if the node goes on meanwhile."""
        mirror = self._mirror
        head = mirror.head
        if head is None:
            return
        self._compare_at = time.monotonic() + _COMPARE
        checks = Invariants(self._protocol, mirror.indexer, mirror.ledger, mirror.vault_table, 0)
        holds, found = True, f"block {head.number:,}: no difference"
        try:
            checks.check(head.number, head.time, everyone=True)
        except InvariantViolation as violation:
            holds, found = False, str(violation)
        if self._node.head().hash == head.hash:
            self._compared = Check("Contracts and log agree to the last wei", holds, found)

    def _moment(self) -> Moment:
        mirror = self._mirror
        ledger, scenario, head = mirror.ledger, mirror.scenario, mirror.head
        latest = self._recorded.figures[-1][2] if self._recorded.figures else None
        return Moment(
            block=head.number if head else self.first,
            time=head.time if head else 0,
            markets=scenario.markets,
            unit=scenario.collateral.symbol,
            indexer=mirror.indexer,
            fund_rows=ledger.fund_rows,
            liquidations=ledger.liquidations,
            adl=ledger.adl,
            bad_debt=ledger.bad_debt,
            broken=ledger.broken,
            leverage=[latest[number][3] if latest else None for number in range(len(scenario.markets))],
            prices=[None] * len(scenario.markets),
            keepers=self._keepers(),
            signs=self._signs(),
            checks=[self._compared] if self._compared else [],
        )

    def _keepers(self) -> list[Keeper]:
        """From the liquidations alone: what was lost, reverted or paid for gas is nowhere in the log."""
        owners = self._mirror.indexer.accounts.owners
        by_account: dict[int, list[Row]] = {}
        for row in self._mirror.ledger.liquidations:
            by_account.setdefault(row["keeper"], []).append(row)
        return [
            Keeper(
                account=account,
                name=owners[account] if account else "without an account",
                strategy="",
                won=sum(row["closed"] > 0 for row in rows),
                lost=None,
                vain=sum(row["closed"] == 0 for row in rows),
                reverted=None,
                reward=sum(row["reward"] for row in rows),
                cost=None,
            )
            for account, rows in by_account.items()
        ]

    def _signs(self) -> list[Sign]:
        samples = self._recorded.warner.samples
        if not samples:
            return []
        thresholds = self._mirror.scenario.warnings.signs
        found = []
        for name in SIGNS:
            since = None
            for row in reversed(samples):
                if not row[f"on_{name}"]:
                    break
                since = row["time"]
            found.append(Sign(name, WORDS[name](getattr(thresholds, name)), since))
        return found


def live_exchange(url: str, file: Path) -> LiveExchange:
    """The exchange of a deployment file on the node at a URL."""
    if not url.startswith(("http://", "https://")):
        raise UserError(f"--rpc {url}: expected an http or https URL")
    Deployment.read(file)
    try:
        return LiveExchange(Node.at(url, timeout=PATIENCE), file)
    except EngineError as error:
        raise UserError(f"{error}; is it running?") from None


def _flows(rows: Iterable[Row]) -> Iterable[FundFlow]:
    balance = 0
    for row in rows:
        amount = int(row["amount"])
        balance += amount
        yield FundFlow(row["time"], row["block"], row["market"], row["account"], row["kind"], amount, balance)


def _line(times: list[int], values: list[float]) -> dict[str, list[Any]]:
    array = np.array(values, dtype=np.float64)
    rows = decimate(array, _POINTS)
    return {"t": [times[row] for row in rows], "y": rounded(array[rows])}
