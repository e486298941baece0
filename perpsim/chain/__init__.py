"""One small interface to a chain, and the engines behind it."""

from __future__ import annotations

from typing import Any

from .accounts import Account, account, create_address
from .artifacts import Artifact, CompileError, Compiler, compile_source
from .base import DEFAULT_BLOCK_GAS_LIMIT, Block, Chain, Log, Receipt, Tx
from .codec import Event, Function, Interface
from .digest import LogDigest
from .errors import AuditFailure, EngineError, Revert, decode_revert
from .fees import COIN, GWEI, FeeLedger, FeeMarket
from .outside import Bids

ENGINES = ("revm", "py-evm")


def open_chain(
    engine: str = "revm",
    *,
    timestamp: int,
    block_gas_limit: int = DEFAULT_BLOCK_GAS_LIMIT,
    chain_id: int = 31337,
    base_fee: int | None = None,
    **options: Any,
) -> Chain:
    """A chain on `engine`: "revm", "py-evm" or the URL of a node (http, https, ws, wss).

    `timestamp` (seconds) is that of the first block. With a `base_fee` (wei per gas) a fee market is open
    from the first mined block on; without one gas is free. `options` go to the engine's class, for example
    `auditor` and `gas_model` of `RevmChain`. Raises `EngineError` for an unknown engine, a node that does not
    answer, or a fee market on a node.
    """
    chain = _open(engine, timestamp, block_gas_limit, chain_id, options)
    if base_fee is not None:
        try:
            chain.open_fee_market(base_fee)
        except BaseException:
            chain.close()
            raise
    return chain


def _open(engine: str, timestamp: int, block_gas_limit: int, chain_id: int, options: dict[str, Any]) -> Chain:
    if engine == "revm":
        from .revm import RevmChain

        return RevmChain(timestamp=timestamp, block_gas_limit=block_gas_limit, chain_id=chain_id, **options)
    if engine == "py-evm":
        from .pyevm_engine import PyEvmChain

        return PyEvmChain(timestamp=timestamp, block_gas_limit=block_gas_limit, chain_id=chain_id, **options)
    if engine.startswith(("http://", "https://", "ws://", "wss://")):
        from .node_engine import NodeChain

        return NodeChain(engine, timestamp=timestamp, block_gas_limit=block_gas_limit, **options)
    raise EngineError(
        f"unknown engine {engine!r}: use {', '.join(ENGINES)} or the URL of a node (http://, ws://)"
    )


__all__ = [
    "COIN",
    "ENGINES",
    "GWEI",
    "Account",
    "Artifact",
    "AuditFailure",
    "Bids",
    "Block",
    "Chain",
    "CompileError",
    "Compiler",
    "EngineError",
    "Event",
    "FeeLedger",
    "FeeMarket",
    "Function",
    "Interface",
    "Log",
    "LogDigest",
    "Receipt",
    "Revert",
    "Tx",
    "account",
    "compile_source",
    "create_address",
    "decode_revert",
    "open_chain",
]
