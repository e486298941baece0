"""Numbers, times and names as a reader sees them."""

from __future__ import annotations

import html
import math
from datetime import UTC, datetime

NOTHING = "\u2013"  # no figure
MINUS = "\u2212"

# a role of the simulation: of many accounts, of one
ROLES: dict[str, tuple[str, str]] = {
    "trader-long": ("traders, last long", "trader, last long"),
    "trader-short": ("traders, last short", "trader, last short"),
    "maker": ("market makers", "market maker"),
    "keeper": ("keepers", "keeper"),
    "noise": ("noise traders", "noise trader"),
    "momentum": ("momentum traders", "momentum trader"),
    "trader": ("leveraged traders", "leveraged trader"),
    "oracle": ("oracles", "oracle"),
    "hedger": ("hedgers", "hedger"),
    "arbitrageur": ("arbitrageurs", "arbitrageur"),
    "staker": ("stakers", "staker"),
    "basket": ("hedgers over markets", "hedger over markets"),
    "attacker": ("attackers", "attacker"),
    "treasury": ("the treasury", "the treasury"),
}


# a rule of deleveraging
POLICIES = {
    "index": "by index",
    "queue-bitmex": "queue (BitMEX)",
    "queue-binance": "queue (Binance)",
    "queue-hyperliquid": "queue (Hyperliquid)",
    "pro-rata": "pro rata",
    "capped-pro-rata": "capped pro rata",
    "random": "random",
    "socialise": "socialised",
}


# from `least` on, the next smaller magnitude would print as 1,000
MAGNITUDES = (
    (1e12, 999.995e9, "trillion"),
    (1e9, 999.995e6, "billion"),
    (1e6, 999_999.5, "million"),
)


def esc(value: object) -> str:
    """Text for HTML, in an element or in a quoted attribute."""
    return html.escape(str(value), quote=True)


def known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def number(value: float | None, digits: int | None = None) -> str:
    """A number in full with thousands separators; the digits follow its size unless given."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if digits is None:
        size = abs(value)
        if size >= 1000 or value == round(value):
            digits = 0
        elif size >= 1:
            digits = 2
        else:
            digits = min(8, 2 - math.floor(math.log10(size)))
    text = f"{value:,.{digits}f}"
    return text.replace("-", MINUS, 1) if float(text.replace(",", "")) else text.lstrip("-")


def money(value: float | None, unit: str = "") -> str:
    """An amount as one would say it: 35.51 million USD."""
    if value is None or not math.isfinite(value):
        return NOTHING
    size = abs(value)
    for limit, least, word in MAGNITUDES:
        if size >= least:
            text = f"{number(value / limit, 2).rstrip('0').rstrip('.')} {word}"
            break
    else:
        text = number(value, 0 if size >= 100 or value == round(value) else 2)
        if size and size < 0.01:
            text = "less than 0.01" if value > 0 else f"more than {MINUS}0.01"
    return f"{text} {unit}".strip()


def percent(part: float | None) -> str:
    """A share as per cent: 0.0458 -> 4.58 %."""
    if part is None or not math.isfinite(part):
        return NOTHING
    value = abs(part) * 100
    if value >= 10:
        digits = 1
    elif value >= 1 or value == 0:
        digits = 2
    else:
        digits = min(4, 1 - math.floor(math.log10(value)))
    text = f"{value:,.{digits}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    if value and float(text.replace(",", "")) == 0:
        text = "less than 0.0001"
    return f"{MINUS if part < 0 and value else ''}{text} %"


def count(amount: float, one: str, many: str | None = None) -> str:
    """1 account, 2 accounts."""
    return f"{number(amount, 0)} {one if amount == 1 else many or one + 's'}"


def moment(seconds: float | None, year: bool = False) -> str:
    """12 March 10:42 UTC."""
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    try:
        at = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return f"time {seconds:.0f}"
    return f"{at.day} {at:%B}{f' {at.year}' if year else ''} {at:%H:%M} UTC"


def duration(seconds: float | None) -> str:
    """48 hours, 20 minutes, 36 seconds: the unit follows the length."""
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        return NOTHING
    if seconds < 119.5:
        return count(round(seconds), "second")
    if seconds < 119.5 * 60:
        return count(round(seconds / 60), "minute")
    if seconds < 96 * 3600:
        hours = round(seconds / 3600, 1)
        return f"{number(hours, 0 if hours == int(hours) else 1)} hours"
    days = round(seconds / 86400, 1)
    return f"{number(days, 0 if days == int(days) else 1)} days"


def role(name: str, one: bool = False) -> str:
    many, single = ROLES.get(name, (name, name))
    return single if one else many


def policy(name: str) -> str:
    return POLICIES.get(name, name)


HARMLESS = str.maketrans("<>&", "()+")


def plain(value: object) -> str:
    """Text for a chart's label: plotly would read tags in it."""
    return str(value).translate(HARMLESS)
