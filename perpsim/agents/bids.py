"""What a population bids for its transactions where it does not say so itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from perpsim.chain import GWEI, Tx
from perpsim.errors import UserError
from perpsim.scenarios.network import Network

# Blocks that a transaction waits for room before its sender withdraws it, where gas is free.
_PATIENCE = 4


@dataclass(frozen=True)
class BidPolicy:
    """`tip` in wei per gas. The maximum fee is `max_fee` (wei per gas) if that is given, else `multiple`
    times the base fee plus the tip; None for both: no limit. `patience`: blocks after the next one."""

    tip: int = 0
    multiple: float | None = None
    max_fee: int | None = None
    patience: int = _PATIENCE

    def apply(self, txs: Sequence[Tx], base_fee: int, block: int) -> None:
        """Bid for `txs`, which go out for `block`.

        A transaction with a maximum fee of its own keeps what it bids, one with an expiry keeps that. What a
        transaction bids as a tip comes on top of the policy's: it is meant to be ahead of the population's
        others.
        """
        expires = block + self.patience
        for tx in txs:
            if tx.expires is None:
                tx.expires = expires
        if not self.tip and self.max_fee is None and self.multiple is None:
            return
        for tx in txs:
            if tx.max_fee is None:
                tx.tip += self.tip
                if self.max_fee is not None:
                    tx.max_fee = self.max_fee
                elif self.multiple is not None:
                    tx.max_fee = int(self.multiple * base_fee) + tx.tip


class BidBook:
    """The policies of all populations, whose roles are `roles`. Without a network gas is free and nobody has
    a limit. Raises `UserError` if the network says what a role bids that nobody has."""

    def __init__(self, network: Network | None, roles: Iterable[str]) -> None:
        self._default = BidPolicy()
        self._by_role: dict[str, BidPolicy] = {}
        if network is None:
            return
        known = sorted(set(roles))
        for role in network.bids:
            if role not in known:
                raise UserError(f"network.bids.{role}: nobody has this role, there are {', '.join(known)}")
        self._default = BidPolicy(_wei(network.tip), network.max_fee_multiple, None, network.patience)
        for role, bid in network.bids.items():
            self._by_role[role] = BidPolicy(
                self._default.tip if bid.tip is None else _wei(bid.tip),
                network.max_fee_multiple if bid.max_fee_multiple is None else bid.max_fee_multiple,
                None if bid.max_fee is None else _wei(bid.max_fee),
                network.patience if bid.patience is None else bid.patience,
            )

    @property
    def tip(self) -> int:
        """The network's usual tip, wei per gas."""
        return self._default.tip

    def of(self, role: str) -> BidPolicy:
        """The policy of a population."""
        return self._by_role.get(role, self._default)


def _wei(gwei: float) -> int:
    return round(gwei * GWEI)
