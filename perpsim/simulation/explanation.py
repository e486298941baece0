"""A scenario in words: what `perpsim scenarios --show` prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from perpsim.scenarios import Scenario
from perpsim.scenarios.prices import explain


def explained(scenario: Scenario) -> Iterator[str]:
    """Line by line: story, setting, what is modelled, what decides, what to expect, what to try, sources."""
    yield f"{scenario.name}: {scenario.title}"
    yield ""
    yield scenario.description.strip()
    yield ""
    yield from _setting(scenario)
    yield from _section("modelled, and what is not", scenario.modelled)
    yield from _section(
        "what decides",
        (f"{lever.key} = {_value(scenario, lever.key)}: {lever.why}" for lever in scenario.levers),
    )
    yield from _section("expected", map(_expectation, scenario.expected))
    yield from _section(
        "to try",
        (
            f"perpsim run {scenario.name} "
            + " ".join(f"--set {_quoted(change)}" for change in one.change)
            + f"\n  {one.effect}"
            for one in scenario.vary
        ),
    )
    yield from _section("sources", scenario.sources)


def _setting(scenario: Scenario) -> Iterator[str]:
    clock, agents = scenario.clock, scenario.agents
    hours = clock.blocks * clock.seconds_per_block / 3600
    yield (
        f"{clock.blocks:,} blocks of {clock.seconds_per_block} s ({hours:g} hours) "
        f"from {clock.start:%Y-%m-%d %H:%M} UTC"
    )
    crowds: list[tuple[str, Sequence[Any]]] = [
        ("leveraged traders", scenario.traders),
        ("baskets", agents.baskets),
        ("makers", agents.makers),
        ("arbitrageurs", agents.arbitrageurs),
        ("momentum traders", agents.momentum),
        ("noise traders", agents.noise),
        ("stakers", agents.stakers),
    ]
    counted = [(sum(group.count for group in groups), name) for name, groups in crowds]
    counted += [(len(agents.keepers), "keepers")]
    yield ", ".join(f"{count:,} {name}" for count, name in counted if count)
    for attacker in agents.attackers:
        yield f"an attacker, {attacker.name}: {attacker.kind}, from block {attacker.start:,}"
    yield f"fund {scenario.fund.initial:,.0f} {scenario.collateral.symbol}, seed {scenario.seed}"
    for market, source in zip(scenario.markets, scenario.prices):
        yield f"prices of {market.symbol}: {explain(source)}"


def _section(title: str, lines: Any) -> Iterator[str]:
    items = list(lines)
    if items:
        yield ""
        yield title
    for item in items:
        yield f"- {item}"


def _expectation(item: Any) -> str:
    bounds = f"{item.low:g}" if item.low == item.high else f"{item.low:g} to {item.high:g}"
    real = "" if item.real is None else f", really {item.real:g}"
    note = f" ({item.note})" if item.note else ""
    return f"{item.figure}: {bounds}{real}{note}"


def _value(scenario: Scenario, key: str) -> str:
    """What a key is set to. Tables and long lists are not spelled out."""
    place: Any = scenario.model_dump(mode="json")
    for part in key.split("."):
        if isinstance(place, list) and not part.isdecimal():
            # One table stands for a list of one, as in `--set`.
            place = place[0]
        place = place[int(part)] if isinstance(place, list) else place[part]
    text = f"{place:,}" if isinstance(place, int) and not isinstance(place, bool) else str(place)
    return text if len(text) <= 60 else text[:57] + "..."


def _quoted(change: str) -> str:
    return f"'{change}'" if any(letter in change for letter in " []{}\"'") else change
