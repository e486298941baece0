"""Transactions that wait for a block: their order, replacement and expiry.

- A block takes them by (effective tip descending, arrival, id).
- Those of one sender that name a nonce run in the order of their nonces, and only when the account's own
  nonce has come that far: a gap holds up everything behind it, and so does one that cannot pay or does not
  fit.
- One that names no nonce takes the account's next number when it is included, unless a waiting one names that
  number, which then goes first.
- A second one with the sender and nonce of a waiting one takes its place if it bids at least 10 % more, tip
  and maximum fee both; else it is refused.
- `expires` is the last block that may include a transaction; after it the transaction is gone.
- Whoever cannot pay the base fee waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .base import Tx

#: by how much a replacement must outbid, in percent of tip and of maximum fee
REPLACEMENT_BUMP = 10

_Entry = tuple[int, float, int, "Tx"]


def outbids(new: Tx, old: Tx) -> bool:
    """Whether `new` may take the place of `old`: tip and maximum fee at least 10 % higher, both."""
    if not _higher(new.tip, old.tip):
        return False
    if new.max_fee is None:
        return True
    return old.max_fee is not None and _higher(new.max_fee, old.max_fee)


def _higher(new: int, old: int) -> bool:
    return new > old and 100 * new >= (100 + REPLACEMENT_BUMP) * old


class Mempool:
    """The waiting transactions of one chain."""

    def __init__(self) -> None:
        self._loose: list[Tx] = []
        self._named: dict[str, dict[int, Tx]] = {}
        self._refused: list[tuple[Tx, str]] = []

    def __len__(self) -> int:
        return len(self._loose) + sum(map(len, self._named.values()))

    def __iter__(self) -> Iterator[Tx]:
        """In the order of submission."""
        return iter(sorted(self._all(), key=lambda tx: tx.id))

    def _all(self) -> Iterator[Tx]:
        yield from self._loose
        for waiting in self._named.values():
            yield from waiting.values()

    def of(self, sender: str) -> list[Tx]:
        """What waits of one sender: by nonce, then those without one in the order of submission."""
        named = self._named.get(sender, {})
        return [named[nonce] for nonce in sorted(named)] + [tx for tx in self._loose if tx.sender == sender]

    def add(self, tx: Tx) -> None:
        """Let a transaction wait. One that does not outbid the one it would replace is refused."""
        if tx.nonce is None:
            self._loose.append(tx)
            return
        waiting = self._named.setdefault(tx.sender, {})
        old = waiting.get(tx.nonce)
        if old is not None and not outbids(tx, old):
            self._refused.append((tx, "replacement bids less than 10 % more"))
            return
        waiting[tx.nonce] = tx

    def add_all(self, txs: Sequence[Tx]) -> None:
        """Let many wait, in order."""
        if all(tx.nonce is None for tx in txs):
            self._loose += txs
        else:
            for tx in txs:
                self.add(tx)

    @property
    def plain(self) -> bool:
        """Whether nobody names a nonce: then the order of a block does not depend on what happens in it."""
        return not self._named

    def take_all(self, base_fee: int) -> list[Tx]:
        """All that can pay the base fee, best first; only while `plain`. Give back what is not included."""
        loose, self._loose = self._loose, []
        ranked: list[_Entry] = []
        for tx in loose:
            tip = tx.tip if tx.max_fee is None else tx.effective_tip(base_fee)
            if tip < 0:
                self._loose.append(tx)
            else:
                ranked.append((-tip, tx.arrival, tx.id, tx))
        ranked.sort()
        return [entry[3] for entry in ranked]

    def give_back(self, txs: list[Tx]) -> None:
        """Let those wait on that `take_all` took and no block had room for."""
        self._loose += txs

    def take_refused(self) -> list[tuple[Tx, str]]:
        """What was refused since the last call, with the reason."""
        refused, self._refused = self._refused, []
        return refused

    def drop(self, wanted: Callable[[Tx], bool]) -> list[Tx]:
        """Take out what `wanted` picks."""
        dropped = sorted((tx for tx in self._all() if wanted(tx)), key=lambda tx: tx.id)
        if dropped:
            gone = {tx.id for tx in dropped}
            self._loose = [tx for tx in self._loose if tx.id not in gone]
            for tx in dropped:
                if tx.nonce is not None:
                    self._forget(tx.sender, tx.nonce)
        return dropped

    def expire(self, block: int) -> list[Tx]:
        """Take out those that no block after `block` may include."""
        if not self._loose and not self._named:
            return []
        return self.drop(lambda tx: tx.expires is not None and tx.expires <= block)

    def clear(self) -> None:
        """Forget everything."""
        self._loose.clear()
        self._named.clear()
        self._refused.clear()

    def copy(self) -> Mempool:
        """Another one with the same transactions in it."""
        other = Mempool()
        other._loose = list(self._loose)
        other._named = {sender: dict(txs) for sender, txs in self._named.items()}
        other._refused = list(self._refused)
        return other

    def _forget(self, sender: str, nonce: int) -> None:
        waiting = self._named[sender]
        del waiting[nonce]
        if not waiting:
            del self._named[sender]


class Round:
    """One block being filled from a mempool.

    Ask for the best candidate with `pop`; then say what became of it with `included`, `rejected` or `waits`.
    `close` ends the round. Meanwhile nothing may be added to the mempool.

    `nonce` gives an account's nonce at the start of the block.
    """

    def __init__(self, pool: Mempool, base_fee: int, nonce: Callable[[str], int]) -> None:
        self._pool = pool
        self._base_fee = base_fee
        # only of senders who name nonces
        self._next: dict[str, int] = {}
        self._held: dict[str, list[Tx]] = {}
        self._waiting: list[Tx] = []
        loose, pool._loose = pool._loose, []
        self._heap: list[_Entry] = []
        if pool._named:
            loose = self._hold(loose, nonce)
        heap, waiting = self._heap, self._waiting
        for tx in loose:
            tip = tx.effective_tip(base_fee)
            if tip < 0:
                waiting.append(tx)
            else:
                heap.append((-tip, tx.arrival, tx.id, tx))
        #: effective tip of the last candidate, wei per gas
        self.tip = 0
        # nothing comes in behind where nobody names a nonce: the best at the end of a list is enough
        self._plain = not pool._named
        if self._plain:
            heap.sort(reverse=True)
        else:
            heapify(heap)

    def pop(self) -> Tx | None:
        """The best candidate that can pay the base fee and whose turn it is; None if there is none left."""
        heap, held = self._heap, self._held
        while heap:
            tip, _, _, tx = heap.pop() if self._plain else heappop(heap)
            self.tip = -tip
            if tx.nonce is None and tx.sender in held and self._named_head(tx.sender) is not None:
                held[tx.sender].append(tx)
                continue
            return tx
        return None

    def included(self, tx: Tx) -> None:
        """It has run and used up a nonce."""
        if tx.sender in self._next:
            self._next[tx.sender] += 1
            self._gone(tx)

    def rejected(self, tx: Tx) -> None:
        """It is gone without having used a nonce."""
        if tx.sender in self._next:
            self._gone(tx)

    def waits(self, tx: Tx) -> None:
        """It stays for another block, and with it what the same sender has behind it."""
        if tx.nonce is None:
            self._waiting.append(tx)

    def close(self) -> None:
        """Give back to the mempool what is left."""
        left = self._waiting + [entry[3] for entry in self._heap if entry[3].nonce is None]
        for held in self._held.values():
            left += held
        self._pool._loose = left

    def _hold(self, loose: list[Tx], nonce: Callable[[str], int]) -> list[Tx]:
        """Set aside what the senders with named nonces sent without one, and offer what is due."""
        pool = self._pool
        for sender, named in list(pool._named.items()):
            account = nonce(sender)
            self._next[sender], self._held[sender] = account, []
            for stale in sorted(number for number in named if number < account):
                pool._refused.append((named[stale], "nonce already used"))
                pool._forget(sender, stale)
        free: list[Tx] = []
        for tx in loose:
            self._held.get(tx.sender, free).append(tx)
        for sender in self._next:
            self._offer(sender)
        return free

    def _named_head(self, sender: str) -> Tx | None:
        return self._pool._named.get(sender, {}).get(self._next[sender])

    def _gone(self, tx: Tx) -> None:
        if tx.nonce is not None:
            self._pool._forget(tx.sender, tx.nonce)
        self._offer(tx.sender)

    def _offer(self, sender: str) -> None:
        """Make candidates of what a sender may run next."""
        head = self._named_head(sender)
        if head is not None:
            due = [head]
        else:
            due, self._held[sender] = self._held[sender], []
        for tx in due:
            tip = tx.effective_tip(self._base_fee)
            if tip >= 0:
                heappush(self._heap, (-tip, tx.arrival, tx.id, tx))
            elif tx.nonce is None:
                self._waiting.append(tx)
