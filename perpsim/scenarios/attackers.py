"""Attackers: who uses only what any account may do, and means no good. Quote units; times in blocks.

The shapes are those of what happened: YFI on dYdX v3 (17 November 2023) for `pump`, the ETH whale on
Hyperliquid (12 March 2025) for `margin-withdrawal`, JELLY on Hyperliquid (26 March 2025) for `self-trade`.
What an attacker buys `outside` moves the outside price of a market that has an `impact`.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from perpsim.scenarios.base import Count, Fraction, MarketNumber, Model, Name, NonNegative, Positive

_Blocks = Annotated[int, Field(ge=1)]


class Attacker(Model):
    """What all attackers have: a name for the table of outcomes, a market, the block of the first move."""

    kind: str
    name: Name
    market: MarketNumber = 0
    start: Count = 0


class Pump(Attacker):
    """Buys a thin market up and leaves the losses behind.

    `accounts`, each with `capital`, one after the other build longs of `leverage` through the book, `order` a
    block; meanwhile `outside` a block is bought elsewhere. Margin that is not needed is taken out as soon as
    it is worth `drain` of the capital. After `hold_blocks` at the top the outside stock is sold over
    `dump_blocks`, together with `sell_share` of the positions; the rest is left to be liquidated.
    """

    kind: Literal["pump"]
    accounts: Annotated[int, Field(ge=1, le=100)] = 5
    capital: Positive
    leverage: Annotated[float, Field(ge=1, le=125)] = 5.0
    order: Positive
    outside: NonNegative = 0.0
    build_blocks: _Blocks
    drain: Fraction = 0.1
    hold_blocks: Count = 50
    dump_blocks: _Blocks = 20
    sell_share: Fraction = 0.0


class MarginWithdrawal(Attacker):
    """Opens large, takes out all margin that the exchange lets go, and leaves the position to be liquidated.

    The position of `leverage` times `capital` is built `order` a block. Once it is up by `profit` of the
    capital, or `hold_blocks` after it stands, `close_share` of it is closed and from then on whatever may be
    withdrawn is.
    """

    kind: Literal["margin-withdrawal"]
    side: Literal["long", "short"] = "long"
    capital: Positive
    leverage: Annotated[float, Field(ge=1, le=125)] = 10.0
    order: Positive
    profit: Positive = 0.1
    hold_blocks: Count = 100
    close_share: Fraction = 0.0


class SelfTrade(Attacker):
    """Trades with itself, leaves the short to the fund, and squeezes it.

    A short and a long account of one owner meet inside the spread, `order` a block, until each holds
    `notional`. Then all margin that the short can spare is taken out, and `outside` a block is bought
    elsewhere for `squeeze_blocks`, and `chase` a block by the long account on the book, too. When the short
    is gone (or at the end of the squeeze) the long takes what the book pays over `exit_blocks`, and the
    outside stock is sold.
    """

    kind: Literal["self-trade"]
    capital_short: Positive
    capital_long: Positive
    notional: Positive
    order: Positive
    outside: NonNegative = 0.0
    chase: NonNegative = 0.0
    squeeze_blocks: _Blocks = 100
    exit_blocks: _Blocks = 50

    @model_validator(mode="after")
    def _within_reach(self) -> Self:
        if self.order > self.notional:
            raise ValueError("order is above notional")
        return self


AnyAttacker = Annotated[Pump | MarginWithdrawal | SelfTrade, Field(discriminator="kind")]
