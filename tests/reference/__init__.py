"""A reference model of the exchange in plain Python integers, written from SPECIFICATION.md.

One module a part of the rules, no contract code behind any of it. `exchange.Exchange` has the same
transactions as the contracts; each of them happens whole or raises `Refused` and leaves no trace. The fuzz
tests send the same transactions to both and compare all that they hold.

Everything is an int: prices, sizes and money in WAD, token amounts in token units, times in seconds. Python's
`//` is the floor and `ceil_div` the ceiling, for both signs.
"""

from __future__ import annotations

from reference.errors import Refused
from reference.exchange import Exchange

__all__ = ["Exchange", "Refused"]
