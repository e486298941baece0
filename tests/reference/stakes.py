"""Who holds shares in the insurance vault, and who has asked to leave (SPECIFICATION 9)."""

from __future__ import annotations

from typing import Any, NamedTuple


class Request(NamedTuple):
    """Shares that somebody wants to leave with, their value then (token units), and when to claim (s)."""

    shares: int
    value: int
    start: int
    end: int


class Stakes(NamedTuple):
    """Who holds the shared pool; `treasury` is the vault's own, permanent part."""

    supply: int = 0
    treasury: int = 0
    holders: dict[Any, int] = {}
    requests: dict[Any, Request] = {}
    on: bool = False
    cooldown: int = 13 * 86_400
    window: int = 3 * 86_400
    #: accounts that were reported as bankrupt
    reported: tuple[int, ...] = ()
