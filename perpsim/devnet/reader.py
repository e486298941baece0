"""The log of some contracts on a node, block by block, from a first block on.

What was read is kept, on disk too if there is a journal, so that whoever starts again misses nothing and gets
nothing twice. A chain that changes its mind about its last blocks is noticed by their hashes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from perpsim.chain import Log
from perpsim.devnet.live_chain import log_of
from perpsim.devnet.node import Head, Node, Refusal

#: blocks that are asked for at once, at first; fewer where a node refuses so many
SPAN = 2_000
# Blocks without logs that are remembered for their hashes.
_EMPTY_KEPT = 256
# A chain that disagrees on so many of the blocks that are remembered is another one.
_DEEPEST = 128


class SeenBlock(NamedTuple):
    """A block of the node: number, hash, time (seconds), and the logs that are wanted, in order."""

    number: int
    hash: str
    time: int
    logs: tuple[Log, ...]


class News(NamedTuple):
    """What a look at the node has brought. Where `rewound` is a number, what came after that block before is
    void: the chain has gone another way since."""

    blocks: list[SeenBlock]
    rewound: int | None = None


class Reader:
    """Follows the logs of `addresses` from block `first` on. `blocks` are those that hold now: all with logs,
    and the latest without."""

    def __init__(
        self,
        node: Node,
        addresses: Iterable[str],
        first: int,
        journal: Path | None = None,
        span: int = SPAN,
    ) -> None:
        self.blocks: list[SeenBlock] = []
        self._node = node
        self._addresses = sorted(addresses)
        self._first = first
        self._span = span
        self._journal = journal
        self._news: list[SeenBlock] = []
        self._rewound: int | None = None
        if journal is not None:
            self._load(journal)

    @property
    def cursor(self) -> int:
        """Number of the last block that has been read."""
        return self.blocks[-1].number if self.blocks else self._first - 1

    def poll(self) -> News:
        """Read up to the node's last block. Raises `EngineError`; nothing is lost, ask again later."""
        head = self._node.head()
        self._check_fork(head)
        while self.cursor < head.number:
            last = min(self.cursor + self._span, head.number)
            end = head if last == head.number else self._node.head(last)
            try:
                found = self._range(self.cursor + 1, end)
            except Refusal:
                if self._span == 1:
                    raise
                self._span = max(self._span // 2, 1)
                continue
            if found is None:
                # The chain has moved on under our eyes: the next look sorts it out.
                break
            self._keep(found)
        news = News(self._news, self._rewound)
        self._news, self._rewound = [], None
        return news

    def _check_fork(self, head: Head) -> None:
        """Drop blocks that the node's chain no longer has."""
        kept = len(self.blocks)
        while kept:
            block = self.blocks[kept - 1]
            if block.number <= head.number and self._hash(block.number, head) == block.hash:
                break
            kept -= 1
            if len(self.blocks) - kept > _DEEPEST:
                kept = 0
        if kept == len(self.blocks):
            return
        del self.blocks[kept:]
        self._rewound = min(self.cursor, self.cursor if self._rewound is None else self._rewound)
        self._news = [block for block in self._news if block.number <= self._rewound]
        self._rewrite()

    def _hash(self, number: int, head: Head) -> str:
        if number == head.number:
            return head.hash
        try:
            return self._node.head(number).hash
        except Refusal:
            return ""

    def _range(self, first: int, end: Head) -> list[SeenBlock] | None:
        """Blocks `first` to `end`; None if they changed while we read."""
        wanted = {"fromBlock": hex(first), "toBlock": hex(end.number), "address": self._addresses}
        entries = self._node.ask("eth_getLogs", wanted)
        found = []
        for number, group in groupby(sorted(entries, key=_place), key=lambda entry: _place(entry)[0]):
            of_block = list(group)
            known, time = self._moment(number, of_block[0], end)
            if any(entry["blockHash"] != known for entry in of_block):
                return None
            found.append(SeenBlock(number, known, time, tuple(map(log_of, of_block))))
        if self._node.head(end.number).hash != end.hash:
            return None
        if not found or found[-1].number != end.number:
            found.append(SeenBlock(end.number, end.hash, end.time, ()))
        return found

    def _moment(self, number: int, entry: dict[str, Any], end: Head) -> tuple[str, int]:
        """Hash and time (seconds) of a block with a log `entry`: nodes of today say both there, which saves a
        request for each block."""
        if number == end.number:
            return end.hash, end.time
        if entry.get("blockTimestamp"):
            return entry["blockHash"], int(entry["blockTimestamp"], 16)
        head = self._node.head(number)
        return head.hash, head.time

    def _keep(self, found: Sequence[SeenBlock]) -> None:
        self.blocks += found
        self._news += found
        if self._journal is not None:
            with self._journal.open("a", encoding="utf-8") as file:
                file.writelines(_line(block) for block in found)
        self._prune()

    def _prune(self) -> None:
        """Forget most of the blocks without logs when there are too many."""
        empty = [at for at, block in enumerate(self.blocks) if not block.logs]
        if len(empty) > 2 * _EMPTY_KEPT:
            gone = set(empty[:-_EMPTY_KEPT])
            self.blocks = [block for at, block in enumerate(self.blocks) if at not in gone]

    # the journal

    def _title(self) -> str:
        """What makes a journal this reader's."""
        return json.dumps({"first": self._first, "addresses": self._addresses}) + "\n"

    def _load(self, journal: Path) -> None:
        try:
            lines = journal.read_text(encoding="utf-8").splitlines(keepends=True)
        except FileNotFoundError:
            lines = []
        if lines and lines[0] == self._title():
            for line in lines[1:]:
                try:
                    self.blocks.append(_parsed(line))
                except (ValueError, KeyError, TypeError):
                    # The program ended while it wrote this.
                    break
        self._prune()
        self._rewrite()

    def _rewrite(self) -> None:
        """The journal with what holds now, whole or not at all."""
        if self._journal is None:
            return
        self._journal.parent.mkdir(parents=True, exist_ok=True)
        beside = self._journal.with_suffix(".tmp")
        beside.write_text(self._title() + "".join(map(_line, self.blocks)), encoding="utf-8")
        beside.replace(self._journal)


def _place(entry: dict[str, Any]) -> tuple[int, int]:
    return int(entry["blockNumber"], 16), int(entry["logIndex"], 16)


def _line(block: SeenBlock) -> str:
    logs = [
        [log.address, [topic.hex() for topic in log.topics], log.data.hex(), log.tx_index, log.log_index]
        for log in block.logs
    ]
    fields = {"number": block.number, "hash": block.hash, "time": block.time, "logs": logs}
    return json.dumps(fields, separators=(",", ":")) + "\n"


def _parsed(line: str) -> SeenBlock:
    if not line.endswith("\n"):
        raise ValueError("half a line")
    fields = json.loads(line)
    number = fields["number"]
    logs = tuple(
        Log(address, tuple(map(bytes.fromhex, topics)), bytes.fromhex(data), number, tx, position)
        for address, topics, data, tx, position in fields["logs"]
    )
    return SeenBlock(number, fields["hash"], fields["time"], logs)
