"""verbs: the same calls, sent by as many agents through its own simulation loop."""

from __future__ import annotations

import time
from collections import defaultdict

from verbs.envs import EmptyEnvGasPriority
from verbs.sim import BaseAgent, Sim
from work import Outcome, Step, Work, main

#: seconds between blocks, which verbs has built in
BLOCK_TIME = 15
_RICH = 10**30


class Recorded(BaseAgent):
    """Sends in each block what its namesake sent; bids keep the order that the calls had."""

    def __init__(self, env: EmptyEnvGasPriority, sender: bytes) -> None:
        self.deploy(env, sender, _RICH)
        self.plan: dict[int, list[tuple]] = {}

    def update(self, rng, env):  # type: ignore[no-untyped-def]
        """What it sent in this block."""
        return self.plan.get(env.step, [])

    def record(self, env):  # type: ignore[no-untyped-def]
        """Nothing: recording is left out of the comparison, in favour of verbs."""
        return None


def at(start: int) -> EmptyEnvGasPriority:
    """An environment whose next block is at `start` (seconds)."""
    (number, coinbase, _, *block), accounts, *rest = EmptyEnvGasPriority(1).export_snapshot()
    word = (start - BLOCK_TIME).to_bytes(32, "little")
    return EmptyEnvGasPriority(1, snapshot=((number, coinbase, word, *block), accounts, *rest))


def run(work: Work) -> Outcome:
    """Set up through the environment, then time `Sim.run`."""
    if work.seconds_per_block != BLOCK_TIME:
        raise SystemExit(f"verbs has a block every {BLOCK_TIME} s: record the work with this block time")
    blocks = work.blocks()
    env = at(blocks[0][0].time)
    agents = {sender: Recorded(env, sender) for sender in work.senders()}
    for step in work.setup:
        if step.to:
            env.execute(step.sender, step.to, step.data, 0)
        else:
            where = env.deploy_contract(step.sender, "contract", step.data)
            assert where == step.created, "contracts stand elsewhere"
    first = env.step
    for number, block in enumerate(blocks):
        later: dict[bytes, list[tuple]] = defaultdict(list)
        for place, call in enumerate(block):
            later[call.sender].append(_transaction(call, len(block) - place))
        for sender, txs in later.items():
            agents[sender].plan[first + number] = txs
    sim = Sim(1, env, list(agents.values()))
    began = time.perf_counter()
    sim.run(len(blocks), show_progress=False)
    seconds = time.perf_counter() - began
    failed = sum(not event[0] for event in env.get_event_history())
    return Outcome(seconds, len(work.calls), failed, f"{len(agents)} agents")


def _transaction(call: Step, bid: int) -> tuple:
    return (call.sender, call.to, call.data, False, bid, None, None)


if __name__ == "__main__":
    main(run)
