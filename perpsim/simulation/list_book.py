"""What keepers know of a market's deleveraging list: who has been handed in, and what is to be done next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from perpsim.agents.listing import Place, Step, steps
from perpsim.deleveraging.packing import unpack_rows
from perpsim.deleveraging.policies import Policy
from perpsim.simulation.counterparties import Counterparties

Handler = Callable[[Any, int], None]


class ListBook:
    """Follows the liquidator's events of one market. An account's rank is that of when it was handed in."""

    def __init__(self, counterparties: Counterparties, policy: Policy, market: int, block_gas: int) -> None:
        self._counterparties = counterparties
        self._policy = policy
        self._market = market
        self._block_gas = block_gas
        self._account = 0
        self._handed: dict[int, Place] = {}
        self._done: set[int] = set()

    def handlers(self) -> dict[str, Handler]:
        """Handlers of the liquidator's events by name."""
        found = {
            "ListOpened": self._opened,
            "ListExtended": self._extended,
            "DeleverageList": self._asked,
            "ListEnded": self._opened,
        }

        def own(handler: Handler) -> Handler:
            def handle(event: Any, time: int) -> None:
                if event.market == self._market:
                    handler(event, time)

            return handle

        return {name: own(handler) for name, handler in found.items()}

    def steps(self, account: int, time: int) -> list[Step]:
        """What to send for the list of a bankrupt account in a block at `time` (seconds)."""
        case = self._counterparties.case(account, self._market, time)
        if case is None:
            return []
        now = {
            one.account: self._policy.rank(case, one)
            for one in self._counterparties.candidates(self._policy, case, time)
            if one.account not in self._done
        }
        elsewhere = self._counterparties.elsewhere
        side = sorted(Place(number, row, elsewhere(number, self._market)) for number, row in now.items())
        handed = sorted(
            replace(
                place,
                row=place.row._replace(cap=now[number].cap),
                elsewhere=elsewhere(number, self._market),
            )
            for number, place in self._handed.items()
            if number in now
        )
        return steps(self._policy, case, side, handed, self._block_gas)

    def _opened(self, event: Any, time: int) -> None:
        self._account = event.account
        self._handed.clear()
        self._done.clear()

    def _extended(self, event: Any, time: int) -> None:
        case = self._counterparties.case(self._account, self._market, time)
        if case is None:
            return
        for one in self._counterparties.candidates(self._policy, case, time):
            if one.account in event.accounts:
                self._handed[one.account] = Place(one.account, self._policy.rank(case, one))

    def _asked(self, event: Any, time: int) -> None:
        for row in unpack_rows(event.rows):
            self._handed.pop(row.account, None)
            self._done.add(row.account)
