"""Liquidation parameters in their word: what was set is what comes back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from support import deployed

from perpsim.protocol import WAD, LiquidationParams, ProtocolParams

PPM = 10**12
MILLI = 10**15
MARKETS = 8


@st.composite
def parameters(draw: st.DrawFn) -> LiquidationParams:
    """Any that are accepted, in the steps in which they are kept, the bounds among them."""

    def rate(most: int) -> int:
        return draw(st.integers(0, most // PPM) | st.just(most // PPM)) * PPM

    penalty, slippage = rate(WAD // 4), rate(WAD // 2)
    reward_max = draw(st.integers(0, 2**32 - 1) | st.just(2**32 - 1))
    return LiquidationParams(
        penalty_rate=penalty,
        buffer=rate(WAD),
        full_threshold=rate(WAD),
        max_slippage=slippage,
        cover_slippage=rate(slippage),
        surplus_share=rate(WAD),
        reward_rate=rate(penalty),
        full_below=draw(st.integers(0, 2**40 - 1) | st.just(2**40 - 1)) * WAD,
        reward_min=draw(st.integers(0, reward_max)) * MILLI,
        reward_max=reward_max * MILLI,
    )


@given(params=parameters(), market=st.integers(0, MARKETS - 1), excess=st.integers(0, PPM - 1))
def test_what_is_set_comes_back_cut_to_whole_steps(
    params: LiquidationParams, market: int, excess: int
) -> None:
    with deployed(ProtocolParams()) as exchange:
        others = [exchange.liquidator.view("params", m) for m in range(MARKETS) if m != market]
        exchange.owner.send(exchange.liquidator, "set_params", market, params)
        assert exchange.liquidator.view("params", market) == params
        assert [exchange.liquidator.view("params", m) for m in range(MARKETS) if m != market] == others
        finer = params._replace(
            full_below=params.full_below + excess,
            penalty_rate=min(params.penalty_rate + excess, WAD // 4),
            buffer=min(params.buffer + excess, WAD),
        )
        event = exchange.owner.send(exchange.liquidator, "set_params", market, finer).event("ParamsSet")
        assert (event.market, tuple(event.params)) == (market, tuple(finer))
        assert exchange.liquidator.view("params", market) == params
