"""Replaying where senders and contracts have other addresses than those that were recorded."""

from __future__ import annotations

from collections.abc import Callable

from work import Step, Work

GAS = 3_000_000
SETUP_GAS = 10_000_000


class Moved:
    """Replays with everybody's address replaced by the one that he has here.

    `send(sender, to, data, gas)` gives (succeeded, address created); `travel` sets the next block's time.
    """

    def __init__(
        self,
        work: Work,
        sender: Callable[[int], bytes],
        send: Callable[[bytes, bytes, bytes, int], tuple[bool, bytes]],
        travel: Callable[[int], None],
    ) -> None:
        self._work = work
        self._send = send
        self._travel = travel
        self._here = {recorded: sender(number) for number, recorded in enumerate(work.senders())}
        self._last = 0

    def set_up(self, now: int) -> None:
        """The set-up, from the node's time `now` (seconds) on."""
        self._last = now
        for step in self._work.setup:
            self._one(self._moved(step), SETUP_GAS)

    def ready(self) -> list[Step]:
        """The calls, moved."""
        return [self._moved(call) for call in self._work.calls]

    def replay(self, calls: list[Step]) -> int:
        """Send them, a block each, times going up by a second within a recorded block; how many failed."""
        return sum(not self._one(call, GAS) for call in calls)

    def _one(self, step: Step, gas: int) -> bool:
        self._last = max(self._last + 1, step.time)
        self._travel(self._last)
        ok, created = self._send(step.sender, step.to, step.data, gas)
        if step.created:
            self._here[step.created] = created
        return ok

    def _moved(self, step: Step) -> Step:
        data = step.data
        for recorded, here in self._here.items():
            if recorded in data:
                data = data.replace(recorded, here)
        return step._replace(sender=self._here[step.sender], to=self._here.get(step.to, b""), data=data)
