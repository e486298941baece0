"""The keeper as a silverback bot: `ape run keeper` under silverback's runner, the same decisions, one look a
block.

    pip install '.[devnet,bots]'
    APE_FOUNDRY_HOST=http://127.0.0.1:8545 \\
        silverback run bots.keeper:bot --network ethereum:local:foundry --account TEST::1

Without `--account` it only says what it would send. Settings are in the environment: PERPSIM_STRATEGY
(greedy, racer, alternate, profit, batch), PERPSIM_MIN_PROFIT and PERPSIM_COIN_PRICE in quote units,
PERPSIM_MAX_FEE in gwei, PERPSIM_DEPLOYMENT (a deployment file, that of the network if left out). Silverback
has no patience with a node that is given as a URL alone, so this takes a network that ape knows.
"""

import os
from pathlib import Path

from ape import chain
from ape.api import BlockAPI
from silverback import SilverbackBot, StateSnapshot

from perpsim.chain import EngineError
from perpsim.devnet.ape_network import existing_file_of, node_of, signer_of
from perpsim.devnet.bots import open_keeper, say
from perpsim.devnet.keeper import MAX_FEE, KeeperBot
from perpsim.devnet.wallet import ApeSigner
from perpsim.errors import UserError

bot = SilverbackBot()
_keepers: list[KeeperBot] = []


def _number(name: str) -> float | None:
    text = os.environ.get(name)
    try:
        return None if text is None else float(text)
    except ValueError:
        raise UserError(f"{name}={text}: expected a number") from None


@bot.on_startup()
def begin(state: StateSnapshot) -> None:
    """Attach to the exchange of the connected network."""
    given, provider = os.environ.get("PERPSIM_DEPLOYMENT"), bot.provider
    signer = ApeSigner(bot.signer, provider) if bot.signer is not None else signer_of(provider, None)
    found = open_keeper(
        node_of(provider),
        signer,
        existing_file_of(provider, Path(given) if given else None),
        strategy=os.environ.get("PERPSIM_STRATEGY", "profit"),
        min_profit=_number("PERPSIM_MIN_PROFIT") or 0.0,
        max_fee=_number("PERPSIM_MAX_FEE") or MAX_FEE,
        coin_price=_number("PERPSIM_COIN_PRICE"),
        dry_run=bot.signer is None,
    )
    _keepers[:] = [found]
    look_once(found)


@bot.on_(chain.blocks)
def look(block: BlockAPI) -> dict[str, int]:
    """See what has come of what was sent, and send what is to be sent; figures for silverback's recorder."""
    (found,) = _keepers
    return look_once(found)


def look_once(found: KeeperBot) -> dict[str, int]:
    """A look that a node may fail to answer: the next block brings another one."""
    try:
        found.tick()
    except EngineError as error:
        say({"event": "node-away", "words": str(error)})
    return {"sent": found.keeper.sent, "waiting": len(found.keeper.waiting)}
