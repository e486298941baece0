"""What keepers do: liquidations, deleveraging by index and by list."""

from __future__ import annotations

from reference.policies import POLICIES
from stage import (
    FLAG,
    MARKET,
    SIDE,
    TRADER,
    WHO,
    Fuzz,
    operation,
    packed,
)

from perpsim.protocol import MAX_UINT, WAD

# keepers

MOST = (MAX_UINT, MAX_UINT, 0, 1, WAD // 100, 50 * WAD)


@operation(6, keeper=WHO, who=TRADER, market=MARKET, most=MOST, deleverage=FLAG)
def liquidate(fuzz: Fuzz, keeper: int, who: int, market: int, most: int, deleverage: int) -> None:
    """Somebody, healthy or not."""
    fuzz.liquidate(keeper, fuzz.twins.model.account_of(fuzz.twins.senders[who]), market, most, deleverage)


@operation(8, keeper=WHO, deleverage=FLAG, which=(0, 1, 2), most=MOST)
def liquidate_one(fuzz: Fuzz, keeper: int, deleverage: int, which: int, most: int) -> None:
    """One who is below the margin, in one market."""
    found = fuzz.unhealthy()
    if found:
        account = found[which % len(found)]
        held = sorted(fuzz.twins.model.state.accounts[account].positions)
        market = held[which % len(held)] if held else which
        fuzz.liquidate(keeper, account, market, most, deleverage)


@operation(4, keeper=WHO, deleverage=FLAG, which=(0, 1, 2))
def liquidate_the_unhealthy(fuzz: Fuzz, keeper: int, deleverage: int, which: int) -> None:
    """What a keeper does."""
    fuzz.liquidate_the_unhealthy(keeper, deleverage, which)


@operation(3, keeper=WHO, which=(0, 1, 2, 3))
def deleverage(fuzz: Fuzz, keeper: int, which: int) -> None:
    """A bankrupt account, or somebody who is not."""
    twins, sender = fuzz.twins, fuzz.twins.senders[keeper]
    accounts = fuzz.unhealthy() or list(twins.model.state.accounts)
    args = (accounts[which % len(accounts)], which % 3)
    twins.send(sender, twins.exchange.liquidator, "deleverage", args,
               lambda: twins.model.deleverage(sender, *args))  # fmt: skip


@operation(8, keeper=WHO, which=(0, 1, 2, 3), defect=(0, 0, 0, 0, 0, 1, 2, 3, 4, 5))
def deleverage_by_list(fuzz: Fuzz, keeper: int, which: int, defect: int) -> None:
    """A bankrupt account, with the whole other side in order, or with a list that is not that."""
    if not fuzz.bankrupt_accounts() and keeper:
        return
    twins, sender = fuzz.twins, fuzz.twins.senders[keeper]
    account, market = fuzz.bankrupt(which)
    listed = fuzz.honest_list(account, market)
    if defect and listed:
        at = which % len(listed)
        if defect == 1:
            del listed[at]
        elif defect == 2:
            listed.insert(at, listed[at])
        elif defect == 3:
            listed.reverse()
        elif defect == 4:
            listed.append(account)
        else:
            listed.append(77)
    twins.send(sender, twins.exchange.liquidator, "deleverage_by_list", (account, market, packed(listed)),
               lambda: twins.model.deleverage_by_list(sender, account, market, listed))  # fmt: skip


@operation(6, keeper=WHO, which=(0, 1, 2, 3))
def open_list(fuzz: Fuzz, keeper: int, which: int) -> None:
    """Freeze a market for a list."""
    if not fuzz.bankrupt_accounts() and keeper:
        return
    twins, sender = fuzz.twins, fuzz.twins.senders[keeper]
    args = fuzz.bankrupt(which)
    twins.send(sender, twins.exchange.liquidator, "open_list", args,
               lambda: twins.model.open_list(sender, *args))  # fmt: skip


@operation(12, keeper=WHO, market=MARKET, count=(1, 2, 8), hinted=FLAG, odd=(0, 0, 0, 0, 1, 2, 3))
def hand_in(fuzz: Fuzz, keeper: int, market: int, count: int, hinted: int, odd: int) -> None:
    """Some who are missing in the list of an open market, or somebody odd."""
    if not fuzz.anything_frozen() and keeper:
        return
    twins, sender = fuzz.twins, fuzz.twins.senders[keeper]
    market = fuzz.frozen(market)
    accounts, hints = fuzz.missing(market)
    accounts = accounts[-count:] if hinted else accounts[:count]
    hints = hints[-count:] if hinted else [0] * len(accounts)
    if odd == 1:
        accounts, hints = accounts + accounts[:1], hints + hints[:1]
    elif odd == 2:
        accounts, hints = [*accounts, 1 + (keeper + count) % 8], [*hints, 77]
    elif odd == 3:
        hints = hints[1:]
    args = (market, accounts, hints)
    twins.send(sender, twins.exchange.liquidator, "hand_in", args,
               lambda: twins.model.hand_in(sender, *args))  # fmt: skip


@operation(6, keeper=WHO, market=MARKET, count=(0, 1, 2, 64))
def execute_list(fuzz: Fuzz, keeper: int, market: int, count: int) -> None:
    """Serve the first of a list."""
    if not fuzz.anything_frozen() and keeper:
        return
    twins, sender = fuzz.twins, fuzz.twins.senders[keeper]
    args = (fuzz.frozen(market), count)
    twins.send(sender, twins.exchange.liquidator, "execute_list", args,
               lambda: twins.model.execute_list(sender, *args))  # fmt: skip


@operation(2, keeper=WHO, market=MARKET)
def end_list(fuzz: Fuzz, keeper: int, market: int) -> None:
    """End a list."""
    if fuzz.anything_frozen() or not keeper:
        fuzz.end_list(keeper, fuzz.frozen(market))


@operation(4, keeper=WHO, market=MARKET, per_mille=(120, 300, 700), side=SIDE, whole=FLAG)
def crash_and_list(fuzz: Fuzz, keeper: int, market: int, per_mille: int, side: int, whole: int) -> None:
    """A crash, and who is bankrupt is deleveraged by list, in one call or in several."""
    fuzz.twins.wait(12)
    fuzz.move_to(market, fuzz.prices[market] * (1_000 - side * per_mille) // 1_000)
    for which in range(4):
        if whole:
            deleverage_by_list(fuzz, keeper, which, 0)
        else:
            open_list(fuzz, keeper, which)
            hand_in(fuzz, keeper, market, 8, 0, 0)
            execute_list(fuzz, keeper, market, 2)
            execute_list(fuzz, keeper, market, 64)


@operation(
    8, market=MARKET, policy=tuple(range(-1, 7)), timeout=(60, 300, 3_600), list_from=(0, 0, 100, 20_000)
)
def share_by(fuzz: Fuzz, market: int, policy: int, timeout: int, list_from: int) -> None:
    """Another way to share out, or by index."""
    names = sorted(POLICIES)
    fuzz.share_by(market, names[policy] if policy >= 0 else None, timeout, list_from)
