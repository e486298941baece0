"""What ape is connected to, as a `Node`; and the account that signs there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from perpsim.chain import account
from perpsim.devnet.deployment import FOLDER
from perpsim.devnet.node import Node, Transport, http, one_line
from perpsim.devnet.wallet import ApeSigner, KeySigner, Signer
from perpsim.errors import UserError

#: how `--account` names one of perpsim's own accounts, whose keys are public: perpsim:3
_OWN = "perpsim:"


def node_of(provider: Any, patience: float = 0.0) -> Node:
    """The node behind ape's provider: over http where it has a URL, else through ape."""
    url = url_of(provider)
    if url:
        return Node(url, http(url, 20), patience=patience)
    return Node(network_of(provider), _through(provider.web3), patience=patience)


def url_of(provider: Any) -> str:
    """The http URL behind ape's provider, empty if there is none."""
    if provider.name == "test":
        # ape's own chain, in this process
        return ""
    url = str(getattr(provider, "http_uri", None) or getattr(provider, "uri", None) or "")
    return url if url.startswith("http") else ""


def network_of(provider: Any) -> str:
    """Name of the network, fit for a file name. Networks that are told apart by their URL share a chain."""
    network = provider.network
    if network.name in ("adhoc", "custom"):
        return _chain_of(provider)
    return f"{network.ecosystem.name}-{network.name}-{provider.name}"


def file_of(provider: Any, given: Path | None) -> Path:
    """The deployment file to write: the one that was given, else that of the network."""
    return given or FOLDER / f"{network_of(provider)}.json"


def existing_file_of(provider: Any, given: Path | None) -> Path:
    """The deployment file to read: that of the chain, which a node's URL gives it, where the network has
    none."""
    own, of_chain = file_of(provider, given), FOLDER / f"{_chain_of(provider)}.json"
    return of_chain if given is None and not own.exists() and of_chain.exists() else own


def signer_of(provider: Any, alias: str | None) -> Signer:
    """The account called `alias`: one of ape's, or `perpsim:N`; ape's first test account if left out."""
    from ape import accounts

    if alias is None:
        return ApeSigner(accounts.test_accounts[0], provider)
    if alias.startswith(_OWN):
        number = alias.removeprefix(_OWN)
        if not number.isdecimal():
            raise UserError(f"account {alias}: expected {_OWN}NUMBER")
        return KeySigner(account(int(number)))
    try:
        found = accounts.load(alias)
    except KeyError:
        raise UserError(f"account {alias}: ape knows none of that name; see `ape accounts list`") from None
    if hasattr(found, "set_autosign"):
        found.set_autosign(True)
    return ApeSigner(found, provider)


def _chain_of(provider: Any) -> str:
    return f"{provider.network.ecosystem.name}-{provider.chain_id}"


def _through(web3: Any) -> Transport:
    def send(method: str, params: list[Any]) -> Any:
        try:
            return {"result": _as_json(web3.manager.request_blocking(method, params))}
        except Exception as error:
            answer = getattr(error, "rpc_response", None)
            return answer if isinstance(answer, dict) else {"error": {"message": one_line(error)}}

    return send


def _as_json(value: Any) -> Any:
    """What web3 has made Python of, as a node writes it."""
    if isinstance(value, bytes):
        return "0x" + bytes(value).hex()
    if isinstance(value, int) and not isinstance(value, bool):
        return hex(value)
    if isinstance(value, Mapping):
        return {name: _as_json(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_json(item) for item in value]
    return value
