"""What a keeper bot must not forget over a restart, in a file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from perpsim.agents.keeper_policies import Call
from perpsim.agents.keepers import Sending
from perpsim.chain import Tx


@dataclass
class Memory:
    """Hashes of a bot's transactions that wait, by nonce, with what they bid and call; and the contract of
    one that sends batches."""

    hashes: dict[int, list[str]] = field(default_factory=dict)
    sendings: list[Sending] = field(default_factory=list)
    batcher: str = ""

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        waiting = [
            {
                "nonce": one.tx.nonce,
                "hashes": self.hashes.get(one.tx.nonce or 0, []),
                "to": one.tx.to,
                "data": one.tx.data.hex(),
                "gas": one.tx.gas_limit,
                "tip": one.tx.tip,
                "max_fee": one.tx.max_fee,
                "since": one.since,
                "calls": [
                    [call.account, call.market, call.with_deleverage, call.reward] for call in one.calls
                ],
            }
            for one in self.sendings
        ]
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".tmp")
        beside.write_text(json.dumps({"batcher": self.batcher, "waiting": waiting}), encoding="utf-8")
        beside.replace(path)

    @classmethod
    def read(cls, path: Path, sender: str) -> Memory:
        """What was written; nothing if there is no file that can be read."""
        found = cls()
        try:
            table = json.loads(path.read_text(encoding="utf-8"))
            for row in table["waiting"]:
                data = bytes.fromhex(row["data"])
                tx = Tx(sender, row["to"], data, row["gas"], row["tip"], row["max_fee"], nonce=row["nonce"])
                calls = tuple(Call(a, m, bool(d), 0.0, reward) for a, m, d, reward in row["calls"])
                found.sendings.append(Sending(tx, calls, row["since"], row["since"]))
                found.hashes[row["nonce"]] = row["hashes"]
            found.batcher = table["batcher"]
        except (OSError, ValueError, KeyError, TypeError):
            return cls()
        return found
