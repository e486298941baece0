"""Staking in the insurance vault."""

from __future__ import annotations

from gas_table.bench import Bench
from perpsim.protocol import MAX_UINT

COOLDOWN = 13 * 24 * 3600
TOKENS = 10**9


def staking(engine: str) -> dict[str, int]:
    """Joining an empty vault, joining others, adding to a stake; asking to leave with a half, and leaving
    with a part of that in an hour that has seen a flow already. Everybody has tokens in hand."""
    bench, gas = Bench(engine, fund=0), {}
    first, other, third = stakers(bench, 3)
    gas["stake in the vault, the first"] = bench.gas(first, "vault", "deposit", TOKENS, first)
    bench.send(third, "vault", "deposit", TOKENS, third)
    gas["stake, new holder"] = bench.gas(other, "vault", "deposit", TOKENS, other)
    gas["stake, again"] = bench.gas(other, "vault", "deposit", TOKENS, other)
    shares = bench.protocol.vault.view("balanceOf", other) // 2
    gas["request to leave"] = bench.gas(other, "vault", "request_withdraw", shares)
    bench.tick(COOLDOWN)
    bench.send(third, "vault", "deposit", TOKENS, third)
    gas["claim a request"] = bench.gas(other, "vault", "withdraw", TOKENS, other, other)
    return gas


def stakers(bench: Bench, number: int) -> list[str]:
    """Addresses with tokens that the vault may take."""
    bench.send(bench.protocol.owner, "vault", "set_staking", True)
    addresses = [bench.actor()[0] for _ in range(number)]
    for address in addresses:
        bench.send(address, "token", "approve", bench.protocol.vault.address, MAX_UINT)
    return addresses
