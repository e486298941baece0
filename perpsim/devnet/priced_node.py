"""An anvil that prices gas and fills its blocks by its own rules, with other people's transactions in them.

Before each block everyone of ours who can pay the base fee is offered to the node, at what he would pay in
this block; and so are other people's bids, as transactions that burn the gas they stand for. Then the node
decides, also about what others have sent to it: it prefers whoever pays most in all. What it does not take is
withdrawn again and waits here, where nonces, replacement and expiry are those of `perpsim.chain.mempool`; so
nothing of ours is in the node between two blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from perpsim.chain import Bids, Block, EngineError, FeeMarket, Receipt, Tx
from perpsim.chain.base import REJECTED
from perpsim.chain.embedded import refuse
from perpsim.chain.fees import NO_COIN
from perpsim.chain.mempool import Round
from perpsim.chain.node_engine import NodeChain
from perpsim.chain.signing import refusal

#: whom other people's transactions go to: every gas that it is given is burned (INVALID)
BURNER = "0x00000000000000000000000000000000000b0b0b"
_INVALID = "0xfe"
# Other people's accounts are numbers in this range; nobody has keys to them.
_OTHERS = 0xF111 << 128
_RICH = 10**24
# Of other people's bids those are offered that would fill so many blocks: more cannot get in.
_OFFERED = 2
_NO_BIDS = Bids(*(np.zeros(0, dtype=np.int64) for _ in range(4)))


class PricedNodeChain(NodeChain):
    """A `NodeChain` on anvil on which gas costs once the fee market is open. See the module."""

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__(url, **options)
        self._bids = _NO_BIDS
        self._others_funded = 0

    @property
    def prices(self) -> bool:
        """Whether the node is one that lets us."""
        return self._prefix == "anvil"

    def open_fee_market(self, base_fee: int, market: FeeMarket | None = None) -> None:
        """From the next mined block on gas costs. Raises `EngineError` where the node is no anvil."""
        if not self.prices:
            raise EngineError(f"node {self.engine}: only anvil lets other people's transactions in")
        self.fee_market = market or FeeMarket()
        self.base_fee = max(base_fee, self.fee_market.floor)
        self._ask("anvil_setCode", BURNER, _INVALID)
        self._ask("anvil_autoImpersonateAccount", True)
        self._ask("evm_setBlockGasLimit", hex(self.block_gas_limit))

    def give_purses(self, purses: Mapping[str, int]) -> None:
        """Let each address hold exactly so many wei."""
        self._ask_all([("anvil_setBalance", [address, hex(held)]) for address, held in purses.items()])

    def no_gifts(self, addresses: Iterable[str]) -> None:
        """Let addresses pay from what they hold."""
        self._funded.update(addresses)

    def submit_outside(self, bids: Bids) -> None:
        self._bids = self._bids.and_(bids)

    @property
    def outside_waiting(self) -> int:
        return self._bids.count

    def close(self) -> None:
        if self.fee_market is not None:
            self._try("anvil_autoImpersonateAccount", False)
        super().close()

    def mine(self, timestamp: int) -> tuple[Block, list[Receipt]]:
        if self.fee_market is None:
            return super().mine(timestamp)
        self._check_time(timestamp)
        base_fee, number = self.base_fee, self._number + 1
        late = self._pool.expire(number - 1)
        self._ask("anvil_setNextBlockBaseFeePerGas", hex(base_fee))
        rows, others = self._offer_others(base_fee)
        offered, refused = self._offer(base_fee)
        self._ask("evm_setNextBlockTimestamp", timestamp)
        self._ask("evm_mine")
        head = self._ask("eth_getBlockByNumber", "latest", False)
        self._number, self._timestamp = int(head["number"], 16), int(head["timestamp"], 16)
        self._pending_timestamp = self._timestamp + 1
        places = {found: at for at, found in enumerate(head["transactions"])}
        taken = np.array([found in places for found in others], dtype=bool)
        left = [found for found in (*others, *offered) if found not in places]
        self._ask_all([("anvil_dropTransaction", [found]) for found in left if found])
        receipts = self._included(offered, places)
        self._wait_on([tx for found, tx in offered.items() if found not in places])
        outside_gas = int(self._bids.gas[rows[taken]].sum())
        self._close_others(rows[taken])
        receipts += refused
        refuse(self._pool, self._number, receipts)
        self.expired = late + self._pool.expire(self._number)
        self._history.append((self._number, receipts))
        gas_used = sum(receipt.gas_used for receipt in receipts)
        # strangers' gas counts, too
        self.base_fee = self.fee_market.next_base_fee(
            base_fee, int(head["gasUsed"], 16), self.block_gas_limit
        )
        block = Block(
            self._number,
            self._timestamp,
            gas_used,
            self.block_gas_limit,
            base_fee,
            len(receipts),
            outside_gas,
            len(self._pool),
            len(self.expired),
        )
        return block, receipts

    # ours

    def _offer(self, base_fee: int) -> tuple[dict[str, Tx], list[Receipt]]:
        """Send everyone who can pay: transactions by hash, and receipts of those that the node refuses."""
        candidates, chosen = Round(self._pool, base_fee, self.nonce), []
        tips: list[int] = []
        while (tx := candidates.pop()) is not None:
            # Whether it is, the node will say.
            candidates.included(tx)
            chosen.append(tx)
            tips.append(candidates.tip)
        candidates.close()
        self._prepare({tx.sender for tx in chosen})
        requests = []
        for at, (tx, tip) in enumerate(zip(chosen, tips)):
            # At the same tip they keep our order.
            tip += len(chosen) - at
            fees = {"maxFeePerGas": base_fee + tip, "maxPriorityFeePerGas": tip}
            raw = self._wallet.sign(tx, self._nonces[tx.sender], tx.gas_limit, fees)
            self._nonces[tx.sender] += 1
            requests.append(("eth_sendRawTransaction", ["0x" + raw.hex()]))
        offered: dict[str, Tx] = {}
        refused = []
        for tx, answer in zip(chosen, self._ask_all(requests)):
            if isinstance(answer, str):
                offered[answer] = tx
            else:
                why = NO_COIN if "insufficient funds" in str(answer).lower() else refusal(answer)
                words = REJECTED + why
                refused.append(Receipt(0, 0, b"", [], tx.id, self._number + 1, 0, tx.sender, tx.to, words))
        # The node knows what it has taken in.
        self._nonces.clear()
        return offered, refused

    def _wait_on(self, txs: list[Tx]) -> None:
        for tx in sorted(txs, key=lambda tx: tx.id):
            self._pool.add(tx)

    def _included(self, offered: dict[str, Tx], places: dict[str, int]) -> list[Receipt]:
        """Receipts of ours in the order of the block; fees are booked."""
        found = sorted((places[one], one) for one in offered if one in places)
        entries = self._ask_all([("eth_getTransactionReceipt", [one]) for _, one in found])
        receipts: list[Receipt] = []
        for (_, one), entry in zip(found, entries):
            receipt = self._receipt(offered[one], entry, len(receipts))
            price = int(entry["effectiveGasPrice"], 16)
            self.fees.charge(receipt.sender, receipt.gas_used, self.base_fee, price - self.base_fee)
            receipts.append(receipt._replace(gas_price=price))
        return receipts

    # others

    def _offer_others(self, base_fee: int) -> tuple[np.ndarray[Any, Any], list[str]]:
        """Send the best of other people's bids: their rows, and their hashes (empty: refused)."""
        bids = self._bids
        able = np.flatnonzero(bids.max_fee >= base_fee)
        tips = np.minimum(bids.tip[able], bids.max_fee[able] - base_fee)
        falling = np.argsort(-tips, kind="stable")
        count = int(np.searchsorted(np.cumsum(bids.gas[able[falling]]), _OFFERED * self.block_gas_limit)) + 1
        rows, tips = able[falling[:count]], tips[falling[:count]]
        self._fund_others(rows.size)
        requests = []
        for at, (row, tip) in enumerate(zip(rows.tolist(), tips.tolist())):
            fields = {
                "from": _other(at),
                "to": BURNER,
                "gas": hex(int(bids.gas[row])),
                "maxFeePerGas": hex(base_fee + tip),
                "maxPriorityFeePerGas": hex(tip),
            }
            requests.append(("eth_sendTransaction", [fields]))
        answers = self._ask_all(requests)
        return rows, [answer if isinstance(answer, str) else "" for answer in answers]

    def _fund_others(self, count: int) -> None:
        wanted = range(self._others_funded, count)
        self._ask_all([("anvil_setBalance", [_other(at), hex(_RICH)]) for at in wanted])
        self._others_funded = max(self._others_funded, count)

    def _close_others(self, included: np.ndarray[Any, Any]) -> None:
        """Forget those that were included and those whose time is over."""
        stay = self._bids.expires > self._number
        stay[included] = False
        self._bids = self._bids.pick(np.flatnonzero(stay))


def _other(number: int) -> str:
    return f"0x{_OTHERS | number:040x}"
