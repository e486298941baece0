# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Liquidation rules
@license Apache-2.0
@notice How much a liquidation closes and what the keeper earns, and the parameters of both in one word.
        Rates are kept in 1e-6 (u20), amounts in whole quote units (u40) or thousandths (u32), most significant first:
        penalty | buffer | full threshold | max slippage | cover slippage | surplus share | reward rate
        | full_below u40 | reward_min u32 | reward_max u32
"""

MAX_MARKETS: constant(uint256) = 8
WAD: constant(uint256) = 10**18
PPM: constant(uint256) = 10**12
MILLI: constant(uint256) = 10**15
U20: constant(uint256) = 2**20 - 1
U32: constant(uint256) = 2**32 - 1
U40: constant(uint256) = 2**40 - 1


struct Params:
    # rates (WAD): penalty on notional; margin above MM that a partial liquidation restores; equity / MM below which all
    # is closed; worst price against the mark; worst price, against mark and index, at which the vault pays; share of the surplus
    # beside the penalty; keeper's reward on notional
    penalty_rate: uint256
    buffer: uint256
    full_threshold: uint256
    max_slippage: uint256
    cover_slippage: uint256
    surplus_share: uint256
    reward_rate: uint256
    # notional below which all is closed, bounds of the reward (WAD quote)
    full_below: uint256
    reward_min: uint256
    reward_max: uint256


# packed as above
words: uint256[MAX_MARKETS]


@external
@view
def params(market: uint256) -> Params:
    """
    @notice A market's liquidation parameters.
    @param market Market.
    """
    return self._unpacked(self.words[market])


@internal
@pure
def _packed(params: Params) -> uint256:
    """
    @notice The word of checked parameters.
    """
    assert params.penalty_rate <= WAD // 4, "params: penalty above 25 %"
    assert (
        params.buffer <= WAD and params.full_threshold <= WAD
    ), "params: buffer or full threshold above 100 %"
    assert params.max_slippage <= WAD // 2, "params: slippage above 50 %"
    assert params.cover_slippage <= params.max_slippage, "params: cover slippage above max slippage"
    assert params.surplus_share <= WAD, "params: surplus share above 100 %"
    assert params.reward_rate <= params.penalty_rate, "params: reward above penalty"
    assert params.full_below // WAD <= U40, "params: full_below out of range"
    assert (
        params.reward_min <= params.reward_max and params.reward_max // MILLI <= U32
    ), "params: reward bounds"
    return (
        ((params.penalty_rate // PPM) << 224)
        | ((params.buffer // PPM) << 204)
        | ((params.full_threshold // PPM) << 184)
        | ((params.max_slippage // PPM) << 164)
        | ((params.cover_slippage // PPM) << 144)
        | ((params.surplus_share // PPM) << 124)
        | ((params.reward_rate // PPM) << 104)
        | ((params.full_below // WAD) << 64)
        | ((params.reward_min // MILLI) << 32)
        | (params.reward_max // MILLI)
    )


@internal
@pure
def _unpacked(word: uint256) -> Params:
    """
    @notice Parameters from their word.
    """
    return Params(
        penalty_rate=(word >> 224) * PPM,
        buffer=((word >> 204) & U20) * PPM,
        full_threshold=((word >> 184) & U20) * PPM,
        max_slippage=((word >> 164) & U20) * PPM,
        cover_slippage=((word >> 144) & U20) * PPM,
        surplus_share=((word >> 124) & U20) * PPM,
        reward_rate=((word >> 104) & U20) * PPM,
        full_below=((word >> 64) & U40) * WAD,
        reward_min=((word >> 32) & U32) * MILLI,
        reward_max=(word & U32) * MILLI,
    )


@internal
@pure
def _partial(
    params: Params, size: uint256, mark: uint256, equity: uint256, maintenance: uint256, rate: uint256
) -> uint256:
    """
    @notice Size (WAD) that brings the equity back to (1 + b) MM: q = ((1 + b) MM - E) / (mark * ((1 + b) mmr - penalty)).
            `max_value` where everything has to go: the account is too far gone or small, or closing frees too little.
    @param size Of the position (WAD).
    @param mark Mark price (WAD).
    @param equity Of the account (WAD), below its maintenance margin.
    @param maintenance Maintenance margin of the account (WAD).
    @param rate Marginal maintenance rate of the position (WAD).
    """
    # unsafe: sizes have 96 bits, marks 88, money 128, rates 60
    if unsafe_div(unsafe_mul(size, mark), WAD) < params.full_below or unsafe_mul(equity, WAD) < unsafe_mul(
        params.full_threshold, maintenance
    ):
        return max_value(uint256)
    freed: uint256 = rate * (WAD + params.buffer) // WAD
    if freed <= params.penalty_rate:
        return max_value(uint256)
    per_unit: uint256 = mark * (freed - params.penalty_rate) // WAD
    if per_unit == 0:
        return max_value(uint256)
    missing: uint256 = maintenance * (WAD + params.buffer) // WAD - equity
    return (missing * WAD + per_unit - 1) // per_unit


@internal
@pure
def _reward(params: Params, notional: uint256, closed: uint256, target: uint256) -> uint256:
    """
    @notice Keeper's reward (WAD): clamp(rate * notional, min, max). The lower bound is for finishing the job, and who does
            a part of it has that part of the upper one, so that one cut into pieces does not earn them again and again; and
            no reward is above the full penalty of the notional, so that tiny accounts cannot be farmed.
    @param notional What was closed (WAD), or what winners were charged.
    @param closed Size that was closed (WAD).
    @param target Size that was to be closed (WAD); 0 where nobody is closed.
    """
    # unsafe: rates have 60 bits, notionals 184
    reward: uint256 = unsafe_div(unsafe_mul(params.reward_rate, notional), WAD)
    most: uint256 = params.reward_max
    if closed >= target:
        if target != 0:
            reward = max(reward, params.reward_min)
    else:
        # unsafe: bounds of 102 bits, sizes of 96; the target is above what was closed
        most = unsafe_div(unsafe_mul(most, closed), target)
    full_penalty: uint256 = unsafe_div(unsafe_mul(params.penalty_rate, notional), WAD)
    return min(min(reward, most), full_penalty)
