# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Caps of the insurance vault
@license Apache-2.0
@notice The caps of the markets, in storage; modules/rolling_cap.vy has the rules.
@dev Amounts are in steps (10**-6 token).

     words  per market a cap word           modules/rolling_cap.vy
     spent  per market two words of lanes   modules/rolling_cap.vy
"""

from contracts.modules import rolling_cap

MARKETS: constant(uint256) = 8

words: uint256[MARKETS]
spent: uint256[2][MARKETS]


@internal
@view
def _cap(market: uint256) -> uint256:
    """
    @notice A market's cap in steps.
    """
    return self.words[market] & rolling_cap.CAP_MASK


@internal
@view
def _window(market: uint256) -> uint256:
    """
    @notice The window of a market's cap in seconds.
    """
    return (self.words[market] >> 64) & rolling_cap.WINDOW_MASK


@internal
@view
def _left(market: uint256) -> uint256:
    """
    @notice What may still leave for a market that has had a cap, in steps.
    """
    return rolling_cap._left(self._load(market))


@internal
def _spend(market: uint256, steps: uint256):
    """
    @notice Count what leaves now against a market's cap.
    @param market The market.
    @param steps The amount, rounded up, at most `_left`.
    """
    self._store(market, rolling_cap._spend(self._load(market), steps))


@internal
def _change(market: uint256, cap: uint256, window: uint256):
    """
    @notice Change a market's cap; what is counted stays counted.
    @param market The market.
    @param cap Steps.
    @param window Seconds.
    """
    current: rolling_cap.Cap = empty(rolling_cap.Cap)
    if self.words[market] != 0:
        current = self._load(market)
    self._store(market, rolling_cap._change(current, cap, window))


@internal
@view
def _load(market: uint256) -> rolling_cap.Cap:
    return rolling_cap._load(self.words[market], self.spent[market][0], self.spent[market][1])


@internal
def _store(market: uint256, cap: rolling_cap.Cap):
    self.words[market] = rolling_cap._word(cap)
    self.spent[market] = [cap.near, cap.far]
