"""What a transaction costs: the base fee of EIP-1559, and who has paid what.

Fees are wei per gas, amounts are wei. The embedded engines execute at a gas price of zero; what transactions
cost is kept here, on top: `Chain.balance` is what the engine holds less what was paid. Contracts do not see
it, only the BALANCE opcode asked about a sender of transactions could tell.

A sender who does not hold gas limit * maximum fee + value is refused by name ("rejected: not enough native
coin for the fee"), as a node would, and does not wait: whoever runs dry learns it from a receipt.
"""

from __future__ import annotations

from dataclasses import dataclass, field

#: why a transaction of a sender without coin is refused
NO_COIN = "not enough native coin for the fee"
GWEI = 10**9
COIN = 10**18


@dataclass(frozen=True, slots=True)
class FeeMarket:
    """How the base fee follows demand (EIP-1559).

    Blocks aim at gas limit // `elasticity`; a full or an empty one moves the base fee by 1 / `denominator` of
    itself (with `elasticity` 2), never below `floor` (wei per gas).
    """

    elasticity: int = 2
    denominator: int = 8
    floor: int = 0

    def __post_init__(self) -> None:
        if self.elasticity < 1 or self.denominator < 1 or self.floor < 0:
            raise ValueError("a fee market needs elasticity and denominator from 1 and a floor from 0 up")

    def next_base_fee(self, base_fee: int, gas_used: int, gas_limit: int) -> int:
        """The base fee after a block that used `gas_used` of `gas_limit`, in the integers of the EIP."""
        target = gas_limit // self.elasticity
        if gas_used > target:
            base_fee += max(base_fee * (gas_used - target) // target // self.denominator, 1)
        elif gas_used < target:
            base_fee -= base_fee * (target - gas_used) // target // self.denominator
        return max(base_fee, self.floor)


@dataclass
class FeeLedger:
    """What has been paid for gas since the fee market opened, wei.

    `paid` by sender. Always: sum of `paid` = `burned` + `tips`.
    """

    paid: dict[str, int] = field(default_factory=dict)
    burned: int = 0
    tips: int = 0

    @property
    def total(self) -> int:
        """All fees paid."""
        return self.burned + self.tips

    def charge(self, sender: str, gas_used: int, base_fee: int, tip: int) -> None:
        """Book a transaction: base fee burned, `tip` (wei per gas) to the builder."""
        burned, tips = gas_used * base_fee, gas_used * tip
        self.burned += burned
        self.tips += tips
        self.paid[sender] = self.paid.get(sender, 0) + burned + tips

    def copy(self) -> FeeLedger:
        """Another one with the same entries."""
        return FeeLedger(dict(self.paid), self.burned, self.tips)
