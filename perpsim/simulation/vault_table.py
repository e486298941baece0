"""The insurance vault's shares as its log tells them: exact, in the integers of the contract."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

Handler = Callable[[Any, int], None]
Row = dict[str, Any]

# Shares of a token unit in an empty vault; as many virtual ones, and a virtual token unit, make the price.
VIRTUAL = 10**6
_NOBODY = "0x" + "00" * 20


class Request(NamedTuple):
    """A request to leave: shares, their value then (token units), and the claim window (seconds)."""

    shares: int
    value: int
    start: int
    end: int


NO_REQUEST = Request(0, 0, 0, 0)


class VaultTable:
    """Holders of shares, numbered from 1 in the order in which they came; 0 is nobody.

    `books` tells the shared pool's books, token units; `vault` is the vault's address, which holds the
    treasury's shares. Handlers take (event values, block time); `block` is set by whoever hands out events.
    """

    def __init__(self, vault: str, token: int, books: Callable[[], int]) -> None:
        self.block = 0
        self.token = token
        self.supply = 0
        self.treasury = 0
        self.holders: list[str] = [""]
        self.shares: list[int] = [0]
        #: requests by holder; those that have lapsed stay until `lapse`
        self.requests: dict[int, Request] = {}
        #: a row each step of a staker
        self.rows: list[Row] = []
        self._numbers: dict[str, int] = {}
        self._vault = vault
        self._books = books
        self._forfeited = 0

    def handlers(self) -> dict[str, Handler]:
        """Handlers of the vault's events by name; they come before those that change the books."""
        return {
            "Transfer": self._transfer,
            "Deposit": self._deposit,
            "WithdrawRequested": self._requested,
            "WithdrawCancelled": self._cancelled,
            "Forfeited": self._forfeit,
            "Withdraw": self._withdraw,
        }

    # what it tells

    def holder(self, owner: str) -> int:
        """Number of a holder, 0 if it never had a share."""
        return self._numbers.get(owner, 0)

    @property
    def books(self) -> int:
        """Books of the shared pool, token units."""
        return self._books()

    @property
    def staked(self) -> int:
        """All stakers' shares."""
        return self.supply - self.treasury

    @property
    def price(self) -> float:
        """What the shares are worth that one token unit bought at first: 1 in an untouched vault."""
        units, shares = self._price()
        return units * VIRTUAL / shares

    def worth(self, shares: int) -> int:
        """What so many shares are worth, token units, rounded down."""
        units, total = self._price()
        return shares * units // total

    def quote(self, shares: int) -> float:
        """The same in quote units."""
        return self.worth(shares) / self.token

    def request(self, holder: int, time: int) -> Request:
        """A holder's request; empty if there is none or it has lapsed by `time` (seconds)."""
        found = self.requests.get(holder, NO_REQUEST)
        return found if time < found.end else NO_REQUEST

    @property
    def asked_for(self) -> int:
        """Shares of all requests."""
        return sum(request.shares for request in self.requests.values())

    def redeemable(self, holder: int, time: int) -> int:
        """Shares that a holder may redeem at `time` (seconds) if nothing holds the vault up."""
        request = self.request(holder, time)
        return self._redeemable(request, *self._price()) if request.start <= time else 0

    def _price(self) -> tuple[int, int]:
        books = self._books()
        shares = self.supply if self.staked else books * VIRTUAL
        return books + 1, shares + VIRTUAL

    @staticmethod
    def _redeemable(request: Request, units: int, shares: int) -> int:
        return min(request.shares, ((request.value + 1) * shares - 1) // units)

    def lapse(self, time: int) -> None:
        """Note the requests whose window is over at `time` (seconds): the shares are free again."""
        over = [holder for holder, request in self.requests.items() if request.end <= time]
        for holder in over:
            self._row(time, self.holders[holder], "lapse", self.requests.pop(holder).value)

    # events

    def _transfer(self, event: Any, time: int) -> None:
        self._add(event.sender, -event.value)
        self._add(event.receiver, event.value)

    def _add(self, owner: str, shares: int) -> None:
        if owner == _NOBODY:
            self.supply -= shares
        elif owner == self._vault:
            self.treasury += shares
        else:
            self.shares[self._number(owner)] += shares

    def _number(self, owner: str) -> int:
        number = self._numbers.get(owner)
        if number is None:
            number = self._numbers[owner] = len(self.holders)
            self.holders.append(owner)
            self.shares.append(0)
        return number

    def _deposit(self, event: Any, time: int) -> None:
        self._row(time, event.owner, "stake", event.assets)

    def _requested(self, event: Any, time: int) -> None:
        request = Request(event.shares, event.value, event.claimable_from, event.claimable_until)
        self.requests[self._number(event.owner)] = request
        self._row(time, event.owner, "request", event.value)

    def _cancelled(self, event: Any, time: int) -> None:
        holder = self._number(event.owner)
        self._row(time, event.owner, "cancel", self.requests.pop(holder, NO_REQUEST).value)

    def _forfeit(self, event: Any, time: int) -> None:
        self._forfeited = event.shares
        self._row(time, event.owner, "forfeit", event.value)

    def _withdraw(self, event: Any, time: int) -> None:
        holder, burned = self._number(event.owner), event.shares + self._forfeited
        self._forfeited = 0
        self._row(time, event.owner, "unstake", event.assets)
        request = self.requests.pop(holder, NO_REQUEST)
        left = request.shares - burned
        if left <= 0:
            return
        value = request.value
        if event.shares:
            # Prices are those before the claim: the books still are, the shares are gone already.
            total = self.supply + burned + VIRTUAL
            redeemable = self._redeemable(request, self._books() + 1, total)
            value = value * (redeemable - event.shares) // redeemable
        self.requests[holder] = request._replace(shares=left, value=value)

    def _row(self, time: int, owner: str, kind: str, amount: int) -> None:
        self.rows.append(
            {
                "block": self.block,
                "time": time,
                "owner": owner,
                "kind": kind,
                "amount": amount / self.token,
            }
        )
