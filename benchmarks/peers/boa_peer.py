"""titanoboa: the same calls through its environment (py-evm)."""

from __future__ import annotations

import time

import boa
from work import Outcome, Work, main


def run(work: Work) -> Outcome:
    """Set up, then time `execute_code`."""
    env = boa.Env()
    env.enable_fast_mode(True)
    with boa.swap_env(env):
        patch = env.evm.patch
        for step in work.setup:
            patch.timestamp = step.time
            if step.to:
                env.execute_code("0x" + step.to.hex(), sender="0x" + step.sender.hex(), data=step.data)
            else:
                env.deploy_code(sender="0x" + step.sender.hex(), bytecode=step.data,
                                override_address="0x" + step.created.hex())  # fmt: skip
        failed = 0
        began = time.perf_counter()
        for call in work.calls:
            patch.timestamp = call.time
            done = env.execute_code("0x" + call.to.hex(), sender="0x" + call.sender.hex(), data=call.data)
            failed += done.is_error
        return Outcome(time.perf_counter() - began, len(work.calls), failed, "fast mode")


if __name__ == "__main__":
    main(run)
