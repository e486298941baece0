"""What a keeper bot has on its way: raw transactions, higher bids for those that are stuck, receipts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from perpsim.agents.base import View
from perpsim.agents.desk import GAS_BATCHED
from perpsim.agents.keeper_bids import COIN, GWEI, Toll, cancelling_bid, least_replacement
from perpsim.agents.keepers import Desked, Sending
from perpsim.chain import Revert, Tx
from perpsim.devnet.live_chain import LiveChain, receipt_of
from perpsim.devnet.memory import Memory
from perpsim.devnet.node import Refusal
from perpsim.protocol import Protocol
from perpsim.scenarios import EscalatingBid
from perpsim.simulation.market_state import WAD

#: says one thing that happened; values are JSON
Say = Callable[[dict[str, Any]], None]

# How often a bid is raised at once when the node does not take it. It says so of one with the number of a
# higher one, and (anvil) of one that could not pay for the next block.
_RAISES = 8
_TOO_LOW = ("underpriced", "base fee")
# A transaction that the node no longer knows may still be on its way for so many blocks.
_UNKNOWN = 2
# Room over the estimated gas.
_ROOM = 1.5
# Gas of a transfer.
_TRANSFER = 21_000


class Outbox:
    """Sends for one keeper. `coin_price` is what the native coin is worth (quote units, 0: gas counts for
    nothing); with `dry_run` it only says what it would send."""

    def __init__(
        self,
        chain: LiveChain,
        protocol: Protocol,
        keeper: Desked,
        memory: Memory,
        say: Say,
        *,
        coin_price: float = 0.0,
        dry_run: bool = False,
    ) -> None:
        self._chain = chain
        self._protocol = protocol
        self._keeper = keeper
        self._memory = memory
        self._say = say
        assert isinstance(keeper.config.fee, EscalatingBid)
        self._most = int(keeper.config.fee.ceiling * GWEI)
        self._coin_price = coin_price
        self._dry_run = dry_run

    def send(self, sending: Sending, base_fee: int) -> bool:
        """Estimate, weigh and send; False if it stays here."""
        tx, keeper = sending.tx, self._keeper
        reward = sum(call.reward for call in sending.calls)
        said: dict[str, Any] = {"nonce": tx.nonce, "calls": _calls(sending)}
        try:
            gas = self._chain.estimate(tx.to, tx.data)
        except Revert as revert:
            self._say({"event": "would-fail", **said, "why": revert.reason})
            for call in sending.calls:
                keeper.called(call.target, sending.since, in_vain=True)
            return False
        profit = reward - gas * sending.bid.price(base_fee) / COIN * self._coin_price
        said |= {"gas": gas, "reward": round(reward, 6), "profit": round(profit, 6)}
        if sending.calls and profit < keeper.config.min_profit:
            self._say({"event": "not-worth-it", **said})
            return False
        if self._dry_run:
            self._say({"event": "would-send", **said, "tip": tx.tip, "max_fee": tx.max_fee})
            return False
        return self._submit(tx, _limit(sending, gas), said)

    def withdraw(self, views: Sequence[View]) -> None:
        """Take back what no block has taken and nobody wants any more: an empty transfer to oneself with its
        number, at a higher bid, so that it neither pays for a call in vain nor holds up what comes next."""
        for sending in self._keeper.waiting:
            if sending.since < views[0].block and self._is_void(sending, views):
                self._cancel(sending, views[0].base_fee)

    def look_after(self, block: int) -> None:
        """What became of what was sent, `block` being the node's last."""
        keeper, used = self._keeper, self._used()
        for sending in list(keeper.waiting):
            nonce = sending.tx.nonce
            assert nonce is not None
            hashes = self._memory.hashes.get(nonce, [])
            entries = (self._chain.node.ask("eth_getTransactionReceipt", sent) for sent in hashes)
            entry = next(filter(None, entries), None)
            if entry is not None:
                self._mined(sending, entry, block)
            elif nonce < used:
                self._say({"event": "overtaken", "nonce": nonce})
            elif block - sending.since >= _UNKNOWN and not any(map(self._known, hashes)):
                # The node has been started anew, or has no room for it.
                self._say({"event": "dropped", "nonce": nonce})
            else:
                continue
            keeper.waiting.remove(sending)
            self._memory.hashes.pop(nonce, None)
        # A block may have come since.
        keeper.nonce = self._used()

    def _used(self) -> int:
        return self._chain.node.number("eth_getTransactionCount", self._keeper.address, "latest")

    # sending

    def _submit(self, tx: Tx, gas: int, said: dict[str, Any], first: str = "sent") -> bool:
        """Send a raw transaction, with higher bids where another one holds its number, or the base fee has
        risen."""
        assert tx.nonce is not None and tx.max_fee is not None
        words, most = "", max(self._most, tx.max_fee)
        for _ in range(_RAISES):
            fields = {
                "nonce": tx.nonce,
                "to": tx.to,
                "data": tx.data,
                "gas": gas,
                "maxFeePerGas": tx.max_fee,
                "maxPriorityFeePerGas": min(tx.tip, tx.max_fee),
            }
            try:
                sent = self._chain.node.ask("eth_sendRawTransaction", "0x" + self._chain.sign(fields).hex())
            except Refusal as refusal:
                words = refusal.words
                higher = least_replacement(tx.max_fee)
                if higher > most or not any(about in words.lower() for about in _TOO_LOW):
                    break
                tx.tip, tx.max_fee = least_replacement(tx.tip), higher
                continue
            known = self._memory.hashes.setdefault(tx.nonce, [])
            event = "replaced" if known and first == "sent" else first
            known.append(sent)
            self._say({"event": event, **said, "tip": tx.tip, "max_fee": tx.max_fee, "hash": sent})
            return True
        self._say({"event": "refused", **said, "words": words})
        return False

    # taking back

    def _is_void(self, sending: Sending, views: Sequence[View]) -> bool:
        """Whether all of its accounts are safe or closed; what concerns lists is void after a while."""
        if not sending.calls:
            return views[0].block > sending.since + self._keeper.config.patience
        under = set(views[0].underwater.tolist())
        return not any(
            call.account in under and views[call.market].size[call.account] for call in sending.calls
        )

    def _cancel(self, sending: Sending, base_fee: int) -> None:
        fee, address, old = self._keeper.config.fee, self._keeper.address, sending.tx
        assert isinstance(fee, EscalatingBid)
        bid = cancelling_bid(sending.bid, fee, Toll(base_fee))
        if bid is None:
            return
        tx = Tx(address, address, b"", _TRANSFER, bid.tip, bid.max_fee, nonce=old.nonce)
        said = {"nonce": tx.nonce, "calls": _calls(sending)}
        if self._submit(tx, _TRANSFER, said, "cancelling"):
            # It keeps its calls: whoever comes under water again is called in its place.
            sending.tx = tx

    # watching

    def _known(self, sent: str) -> bool:
        return self._chain.node.ask("eth_getTransactionByHash", sent) is not None

    def _mined(self, sending: Sending, entry: dict[str, Any], block: int) -> None:
        receipt = receipt_of(entry)
        said = {"nonce": sending.tx.nonce, "block": receipt.block, "gas": receipt.gas_used}
        said["fee_wei"] = receipt.fee
        if receipt.to == self._keeper.address:
            self._say({"event": "cancelled", **said})
            return
        events = self._protocol.decode_all(receipt.logs)
        closed = {
            (e.account, e.market): e.closed for _, name, e in events if name == "Liquidated" and e.closed
        }
        each = receipt.gas_used / max(len(sending.calls), 1)
        for call in sending.calls:
            won = bool(closed.get(call.target))
            self._keeper.called(call.target, block, in_vain=not won)
            self._keeper.experience.add(block, won, each)
        if receipt.ok:
            sizes = [[account, market, size / WAD] for (account, market), size in closed.items()]
            self._say({"event": "mined", **said, "closed": sizes})
        else:
            why = self._chain.why(entry["transactionHash"])
            self._say({"event": "failed", **said, "calls": _calls(sending), "why": why})


def _limit(sending: Sending, estimate: int) -> int:
    """Gas that a transaction may use. A call that finds nothing to close now may find a book to walk in its
    block, and what concerns lists has a limit for the worst case already."""
    if not sending.calls:
        return sending.tx.gas_limit
    return min(sending.tx.gas_limit, max(round(estimate * _ROOM), len(sending.calls) * GAS_BATCHED))


def _calls(sending: Sending) -> list[list[Any]]:
    return [[call.account, call.market, call.with_deleverage] for call in sending.calls]
