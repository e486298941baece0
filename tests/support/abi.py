"""The external functions of all contracts, as their ABIs have them, and arguments for them."""

from __future__ import annotations

from typing import Any, NamedTuple

from support.exchange import COMPILER, Exchange


def deployable() -> list[str]:
    """Contracts of the exchange: not what stands in for tokens."""
    mocks = COMPILER.contracts / "mocks"
    return [name for name in COMPILER.names() if mocks not in COMPILER.path(name).parents]


def state_changing(contract: str) -> list[dict[str, Any]]:
    """ABI entries of a contract's functions that may change state; one for each number of arguments."""
    changing = ("nonpayable", "payable")
    return [
        entry
        for entry in COMPILER.load(contract).abi
        if entry["type"] in ("function", "fallback", "receive") and entry["stateMutability"] in changing
    ]


def zero(kind: str, components: Any = ()) -> Any:
    """A value of an ABI type that is all zero."""
    if kind.endswith("]"):
        return []
    if kind == "tuple":
        return tuple(zero(part["type"], part.get("components", ())) for part in components)
    return {"address": "0x" + "00" * 20, "bool": False}.get(kind, 0)


class Call(NamedTuple):
    """A function as the ABI has it."""

    contract: str
    entry: dict[str, Any]

    @property
    def function(self) -> str:
        """Its name."""
        return str(self.entry["name"])

    @property
    def name(self) -> str:
        """`Contract.function`."""
        return f"{self.contract}.{self.function}"

    @property
    def id(self) -> str:
        """The name, and the number of arguments that tells it from others of the name."""
        return f"{self.name}-{len(self.inputs)}"

    @property
    def inputs(self) -> list[tuple[str, str, Any]]:
        """Name, type and components of the arguments."""
        return [(part["name"], part["type"], part.get("components", ())) for part in self.entry["inputs"]]

    def zeros(self) -> list[Any]:
        """Arguments that are all zero."""
        return [zero(kind, components) for _, kind, components in self.inputs]

    def arguments(self, exchange: Exchange, known: dict[str, Any]) -> list[Any]:
        """Arguments by their names: those in `known`, terms as the first market has them, else zero."""
        market = exchange.params.markets[0]
        given = {
            "funding": market.funding,
            "params": market.liquidation,
            "tiers": list(market.tiers),
            **known,
        }
        structs = {type(terms)._fields: terms for terms in (market.terms, market.funding)}
        found = []
        for name, kind, components in self.inputs:
            fields = tuple(part["name"] for part in components)
            found.append(given.get(name, structs.get(fields, zero(kind, components))))
        return found


def calls(contract: str) -> list[Call]:
    """The functions of a contract that may change state."""
    return [Call(contract, entry) for entry in state_changing(contract)]


def views(contract: str) -> list[Call]:
    """The functions of a contract that may not."""
    changing = state_changing(contract)
    functions = [entry for entry in COMPILER.load(contract).abi if entry["type"] == "function"]
    return [Call(contract, entry) for entry in functions if entry not in changing]
