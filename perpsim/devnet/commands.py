"""What `ape run account`, `fund` and `trade` do alike: attach, act, print; mistakes are one line."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from perpsim.devnet.ape_network import existing_file_of, node_of, signer_of
from perpsim.devnet.by_hand import Customer
from perpsim.devnet.deployment import attached
from perpsim.devnet.live_chain import LiveChain
from perpsim.devnet.mirror import Mirror
from perpsim.errors import UserError


def as_customer(
    provider: Any, alias: str | None, deployment: Path | None, do: Callable[[Customer], Iterable[str]]
) -> None:
    """Print what a customer of the exchange on the connected network does."""
    node = node_of(provider)
    try:
        found, _ = attached(node, existing_file_of(provider, deployment))
        for line in do(Customer(found, LiveChain(node, signer_of(provider, alias)))):
            click.echo(line)
    except UserError as error:
        raise click.ClickException(str(error)) from None


def show(provider: Any, deployment: Path | None, lines: Callable[[Mirror], Iterable[str]]) -> None:
    """Print what the log of the exchange on the connected network says."""
    node, path = node_of(provider), existing_file_of(provider, deployment)
    try:
        found, _ = attached(node, path)
        mirror = Mirror(found, node, path.with_suffix(".log.jsonl"))
        mirror.follow()
        for line in lines(mirror):
            click.echo(line)
    except UserError as error:
        raise click.ClickException(str(error)) from None
