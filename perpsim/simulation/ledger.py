"""Money and receipts as rows: the flows of the fund, every liquidation, every deleveraging."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from perpsim.deleveraging.lights import lights
from perpsim.deleveraging.packing import Listed, unpack_rows
from perpsim.deleveraging.policies import POLICIES

WAD = 10**18

Handler = Callable[[Any, int], None]
Row = dict[str, Any]

INFLOW_KINDS = {1: "penalty", 2: "fee", 3: "fund"}
# What only the liquidation of some account moves.
_OF_AN_ACCOUNT = ("penalty", "cover", "reward")
#: the vault's number for what belongs to no market, and for the pool that markets share
SHARED = 8
BY_INDEX = "index"


class Unmet(NamedTuple):
    """A loss that the fund did not pay: after how many of its flows, when (seconds), token units."""

    place: int
    time: int
    amount: int


class Ledger:
    """Rows for the run folder. Handlers take (event values, block time); `block` is set by the runner.

    `account_of` gives the account of an address, `policies` the name of a policy's.
    """

    def __init__(
        self, decimals: int, account_of: Callable[[str], int], policies: Mapping[str, str] | None = None
    ) -> None:
        self.block = 0
        self.decimals = decimals
        self.token = 10**decimals
        #: books of the pool that markets share and of each isolated market's own, token units
        self.pools: dict[int, int] = {SHARED: 0}
        self.fund_rows: list[Row] = []
        self.liquidations: list[Row] = []
        self.adl: list[Row] = []
        #: a row each counterparty in a list, in the order of the list
        self.adl_rows: list[Row] = []
        self.bad_debt: list[Row] = []
        #: what others bore: winners, the treasury, nobody yet
        self.unmet: list[Unmet] = []
        #: rules of the waterfall that an event broke, in words
        self.broken: list[str] = []
        #: the vault's flows since the beginning, token units
        self.covered = 0
        self.requested = 0
        self.rewarded = 0
        self.taken_in = 0
        self.staked = 0
        self._account_of = account_of
        self._policies = dict(policies or {})
        # Lists whose receipt is still to come, by market and account.
        self._listed: dict[tuple[int, int], list[Listed]] = {}
        # Flows whose account is not known yet begin here.
        self._anonymous = 0

    def vault_handlers(self) -> dict[str, Handler]:
        """Handlers of the vault's events by name."""
        return {
            "Inflow": self._inflow,
            "Cover": self._cover,
            "RewardPaid": self._reward,
            "Deposit": self._stake,
            "Withdraw": self._unstake,
            "IsolatedSet": self._isolate,
        }

    @property
    def fund(self) -> int:
        """All of the fund's books, token units."""
        return sum(self.pools.values())

    def liquidator_handlers(self) -> dict[str, Handler]:
        """Handlers of the liquidator's events by name."""
        return {
            "Liquidated": self._liquidated,
            "DeleverageList": self._list,
            "DeleverageReceipt": self._receipt,
            "BadDebtBooked": self._bad_debt,
        }

    def _flow(self, time: int, market: int, kind: str, amount: int, balance: int | None = None) -> None:
        """A flow of the pool that pays for a market; `balance` is what the vault says that it holds then."""
        pool = market if market in self.pools else SHARED
        before = self.pools[pool]
        if balance is not None and balance != before + amount:
            self.broken.append(f"the fund went from {before} to {balance} by a flow of {amount} ({kind})")
        self.pools[pool] = before + amount if balance is None else balance
        self.fund_rows.append(
            {
                "block": self.block,
                "time": time,
                "market": market,
                "account": None,
                "kind": kind,
                "amount": str(amount),
                "amount_f64": amount / self.token,
                "balance": self.fund / self.token,
            }
        )

    def _inflow(self, event: Any, time: int) -> None:
        self.taken_in += event.amount
        first = not self.fund_rows
        kind = "initial" if first and event.kind == 3 else INFLOW_KINDS.get(event.kind, str(event.kind))
        self._flow(time, event.market, kind, event.amount, event.assets)

    def _cover(self, event: Any, time: int) -> None:
        self.covered += event.paid
        self.requested += event.requested
        kind = "cover" if event.requested else "repay"
        self._flow(time, event.market, kind, -event.paid, event.assets)

    def _reward(self, event: Any, time: int) -> None:
        self.rewarded += event.amount
        self._flow(time, event.market, "reward", -event.amount, event.assets)

    def _stake(self, event: Any, time: int) -> None:
        self.staked += event.assets
        self._flow(time, SHARED, "stake", event.assets)

    def _unstake(self, event: Any, time: int) -> None:
        self.staked -= event.assets
        self._flow(time, SHARED, "unstake", -event.assets)

    def _isolate(self, event: Any, time: int) -> None:
        if event.isolated:
            self.pools[event.market] = 0
            return
        tranche = self.pools.pop(event.market)
        if tranche != event.moved:
            self.broken.append(f"a tranche of {tranche} came back as {event.moved}")
        self.pools[SHARED] += event.moved

    def _missed(self, time: int, amount: int) -> None:
        """Others than the fund bear so much (WAD)."""
        if amount:
            self.unmet.append(Unmet(len(self.fund_rows), time, -(-amount * self.token // WAD)))

    def _name_account(self, account: int) -> None:
        """The vault does not know whom it pays for; the liquidator says so after the flows."""
        for row in self.fund_rows[self._anonymous :]:
            if row["kind"] in _OF_AN_ACCOUNT:
                row["account"] = account
        self._anonymous = len(self.fund_rows)

    def _liquidated(self, event: Any, time: int) -> None:
        self._name_account(event.account)
        if event.cover:
            outcome = "below"
        elif event.penalty:
            outcome = "above"
        else:
            outcome = "at" if event.closed else "none"
        self.liquidations.append(
            {
                "block": self.block,
                "time": time,
                "account": event.account,
                "market": event.market,
                "keeper": self._account_of(event.keeper),
                "closed": event.closed / WAD,
                "notional": event.notional / WAD,
                "penalty": event.penalty / WAD,
                "cover": event.cover / WAD,
                "reward": event.reward / WAD,
                "equity_before": event.equity_before / WAD,
                "mm_before": event.maintenance_before / WAD,
                "outcome": outcome,
            }
        )

    def _list(self, event: Any, time: int) -> None:
        self._listed.setdefault((event.market, event.account), []).extend(unpack_rows(event.rows))

    def _receipt(self, event: Any, time: int) -> None:
        listed = self._listed.pop((event.market, event.account), [])
        policy = self._policies.get(event.policy, BY_INDEX)
        charges = policy in POLICIES and POLICIES[policy].charges
        self._check_list(event, policy, charges, listed)
        self.adl_rows += [
            {
                "block": self.block,
                "time": time,
                "account": event.account,
                "market": event.market,
                "counterparty": row.account,
                "place": place,
                "light": light,
                "key": str(row.key),
                "size": row.size / WAD,
                "taken": row.taken / WAD,
                "notional": (row.haircut if charges else row.taken * event.mark // WAD) / WAD,
                "haircut": row.haircut / WAD,
            }
            for place, (row, light) in enumerate(zip(listed, lights([row.size for row in listed])), start=1)
        ]
        # Less where the account has lost elsewhere too, or is closed in parts.
        if event.haircut > event.deficit + 1:
            self.broken.append(
                f"deleveraging of account {event.account}: deficit {event.deficit}, haircut {event.haircut}"
            )
        self._missed(time, event.haircut)
        self.adl.append(
            {
                "block": self.block,
                "time": time,
                "account": event.account,
                "market": event.market,
                "policy": policy,
                "deficit": event.deficit / WAD,
                "vault_before": event.vault_before / self.token,
                "vault_after": event.vault_after / self.token,
                "mark": event.mark / WAD,
                "bankruptcy_price": event.bankruptcy_price / WAD,
                "quantity": event.quantity / WAD,
                "by_index": event.by_index / WAD,
                "haircut": event.haircut / WAD,
                "listed": len(listed),
                "reached": sum(row.taken > 0 for row in listed),
            }
        )

    def _check_list(self, event: Any, policy: str, charges: bool, listed: list[Listed]) -> None:
        """What a receipt says must be what its list adds up to."""
        if policy == BY_INDEX:
            return
        taken, haircut = sum(row.taken for row in listed), sum(row.haircut for row in listed)
        if taken != (event.haircut if charges else event.quantity - event.by_index):
            self.broken.append(f"list of account {event.account}: {taken} taken, {event.quantity} closed")
        if haircut > event.haircut or (haircut < event.haircut and not event.by_index):
            self.broken.append(f"list of account {event.account}: haircuts {haircut}, not {event.haircut}")

    def _bad_debt(self, event: Any, time: int) -> None:
        legs = event.covered + event.socialised + event.treasury + event.unpaid
        if legs != event.deficit:
            self.broken.append(f"deficit of account {event.account}: {event.deficit}, borne {legs}")
        self._missed(time, event.socialised + event.treasury + event.unpaid)
        self.bad_debt.append(
            {
                "block": self.block,
                "time": time,
                "account": event.account,
                "market": event.market,
                "deficit": event.deficit / WAD,
                "covered": event.covered / WAD,
                "socialised": event.socialised / WAD,
                "treasury": event.treasury / WAD,
                "unpaid": event.unpaid / WAD,
                "deficit_wad": event.deficit,
            }
        )
