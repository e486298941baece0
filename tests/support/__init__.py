"""What tests are made of: a deployed exchange, its actors by role, and the invariants that always hold."""

from __future__ import annotations

from support.exchange import (
    COMPILER,
    FOK,
    GTC,
    IOC,
    LONG,
    POST_ONLY,
    SHORT,
    START_PRICE,
    START_TIME,
    Actor,
    Exchange,
    Health,
    Ledger,
    Placed,
    Position,
    Sent,
    deployed,
    fresh,
)
from support.params import BOTH_DECIMALS, BOTH_SIDES, PLAIN, plain_market, with_terms

__all__ = [
    "BOTH_DECIMALS",
    "BOTH_SIDES",
    "COMPILER",
    "FOK",
    "GTC",
    "IOC",
    "LONG",
    "PLAIN",
    "POST_ONLY",
    "SHORT",
    "START_PRICE",
    "START_TIME",
    "Actor",
    "Exchange",
    "Health",
    "Ledger",
    "Placed",
    "Position",
    "Sent",
    "deployed",
    "fresh",
    "plain_market",
    "with_terms",
]
