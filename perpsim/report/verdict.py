"""The verdict in two sentences: what happened to the fund, and who else had to pay, if anybody."""

from __future__ import annotations

from perpsim.report.facts import Facts
from perpsim.report.words import count, duration, moment, money, percent, policy, role

STILL = 5e-5  # a change of the fund that rounds to nothing


def verdict(facts: Facts) -> tuple[str, str]:
    return fund_sentence(facts), people_sentence(facts)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _part(facts: Facts) -> str:
    """For a run that was cut short: how much of it there is."""
    if facts.complete:
        return ""
    if facts.planned_blocks:
        size = f"{facts.blocks:,} of {facts.planned_blocks:,} blocks"
    else:
        size = count(facts.blocks, "block")
    until = f", up to {moment(facts.end)}" if facts.end is not None else ""
    return f"in the part of the run that exists ({size}{until}) "


def _flows(facts: Facts) -> str:
    """'it took in 2,000 USD and paid out 500 USD', '' where that is not known."""
    if facts.inflow is None or facts.outflow is None:
        return ""
    if not facts.inflow and not facts.outflow:
        return "nothing came in and nothing went out"
    gifts = f" ({money(facts.top_ups, facts.unit)} of it as a top-up)" if facts.top_ups > 0 else ""
    taken = money(facts.inflow, facts.unit) if facts.inflow else "nothing"
    paid = money(facts.outflow, facts.unit) if facts.outflow else "nothing"
    return f"it took in {taken}{gifts} and paid out {paid}"


def _lowest(facts: Facts) -> str:
    """Where the low lies well under both ends: how far, and when."""
    low, start, end = facts.fund_low, facts.fund_start, facts.fund_end
    if low is None or not start or end is None or low >= min(start, end) - start * 0.001:
        return ""
    at = f" ({moment(facts.fund_low_at)})" if facts.fund_low_at is not None else ""
    return f"at its lowest{at} it was down {percent(1 - low / start)}"


def fund_sentence(facts: Facts) -> str:
    """What happened to the insurance fund."""
    part, start, end, unit = _part(facts), facts.fund_start, facts.fund_end, facts.unit
    span = f" in {duration(facts.span)}" if facts.span else ""
    flows, lowest = _flows(facts), _lowest(facts)
    if start is None or end is None:
        return _capital(f"{part}nothing is on record about the insurance fund.")
    if start <= 0 and end <= 0:
        text = "had no money at the start and none at the end"
        tail = [flows]
    elif start <= 0:
        text = f"started empty and ended with {money(end, unit)}"
        tail = [flows]
    elif facts.emptied:
        when = f" on {moment(facts.fund_low_at)}" if facts.fund_low_at is not None else ""
        text = (
            f"was emptied{when}, having started with {money(start, unit)}, and ended with {money(end, unit)}"
        )
        tail = [f"over the whole time {flows}" if flows else ""]
    elif abs(end / start - 1) < STILL:
        text = f"ended where it started, at {money(end, unit)}"
        tail = [flows, lowest]
    else:
        verb = "grew" if end > start else "fell"
        text = f"{verb} by {percent(abs(end / start - 1))}{span}, from {money(start)} to {money(end, unit)}"
        tail = [flows, lowest]
    rest = "; ".join(t for t in tail if t)
    return _capital(f"{part}the insurance fund {text}{': ' if rest else ''}{rest}.")


def _who(facts: Facts) -> str:
    """'812 accounts; 81 % fell on leveraged traders, 12 % on market makers'."""
    accounts = count(facts.adl_accounts, "account") if facts.adl_accounts else ""
    shares = [
        f"{percent(round(part, 2))} {'' if i else 'fell '}on {role(name)}"
        for i, (name, part) in enumerate(facts.adl_roles[:2])
        if part >= 0.005
    ]
    if len(facts.adl_roles) == 1:
        shares = [f"all {role(facts.adl_roles[0][0])}"]
    return "; ".join(t for t in (accounts, ", ".join(shares)) if t)


def _rule(facts: Facts) -> str:
    """', queue (BitMEX)', or ', mostly' that where more than one rule had a part in it."""
    if not facts.adl_rules:
        return ""
    return f", {'mostly ' if len(facts.adl_rules) > 1 else ''}{policy(facts.adl_rules[0])}"


def _deleveraged(facts: Facts) -> str:
    low, start = facts.fund_low, facts.fund_start
    left = low is not None and start is not None and start > 0 and low > start / 100
    cause = "although the fund was never empty" if left else "as the fund could not pay for every loss"
    who, short = _who(facts), facts.adl_short
    if facts.adl_notional == 0 and facts.paid_by_adl:
        taken = money(facts.paid_by_adl, facts.unit)
        return f"{cause}, {taken} was charged to those in profit{f' ({who})' if who else ''}"
    worth = f" worth {money(facts.adl_notional, facts.unit)}" if facts.adl_notional else ""
    side, mixed = "", ""
    if short is not None and 0.005 <= short <= 0.995:
        mixed = f" ({percent(round(short, 2))} short, the rest long)"
    elif short is not None:
        side = "short " if short > 0.5 else "long "
    return (
        f"{cause}, {side}positions{worth}{mixed} were closed by force against the bankrupt ones "
        f"(auto-deleveraging{_rule(facts)}{': ' if who else ''}{who})"
    )


def _charged(facts: Facts) -> str:
    among = (
        f" shared out among {count(facts.charged_accounts, 'account')}"
        if facts.charged_accounts
        else " charged to one side of the market"
    )
    amount = money(facts.paid_by_side, facts.unit)
    return f"{amount} of losses that nothing else could pay were{among} (socialised)"


def _spared(facts: Facts) -> str:
    """Why nobody had to be deleveraged or charged, as far as the data says."""
    if facts.liquidations == 0:
        return ": nobody was even liquidated"
    if facts.liquidations is None or facts.shortfall is None:
        return ""
    if facts.shortfall <= 0 or not facts.paid_by_fund:
        if facts.shortfall > 0:
            return ""
        return f": {count(facts.liquidations, 'liquidation')} left no loss behind"
    many = (f"{facts.below:,} of " if facts.below else "") + count(facts.liquidations, "liquidation")
    lost = money(facts.paid_by_fund, facts.unit)
    every = "all of the" if facts.unpaid == 0 else "the"
    return f": the fund paid {every} {lost} that {many} lost beyond the margin"


def people_sentence(facts: Facts) -> str:
    """Who paid besides the fund, or that nobody did."""
    so_far = "" if facts.complete else "up to there "
    deleveraged = bool(facts.adl_count or facts.adl_notional)
    charged = bool(facts.paid_by_side and facts.paid_by_side > 0)
    silent = facts.adl_count is None and facts.adl_notional is None
    if deleveraged and charged:
        text = f"{_deleveraged(facts)}, and a further {_charged(facts)}"
    elif deleveraged:
        text = f"{_deleveraged(facts)}; no loss was socialised"
    elif silent:
        text = "whether anybody was deleveraged is not on record" + (
            f", but {_charged(facts)}" if charged else ""
        )
    elif charged:
        text = f"nobody was deleveraged, but {_charged(facts)}"
    else:
        text = f"nobody was deleveraged and nobody was charged for another's loss{_spared(facts)}"
    if facts.paid_by_treasury:
        text += f"; the treasury paid {money(facts.paid_by_treasury, facts.unit)} of losses out of its fees"
    if facts.unpaid:
        text += f"; {money(facts.unpaid, facts.unit)} of losses has not been paid by anybody"
    if facts.owing_accounts and facts.owing >= 0.01:
        text += (
            f"; at the end {count(facts.owing_accounts, 'account')} owed {money(facts.owing, facts.unit)} "
            "beyond their margin, which nobody has paid yet"
        )
    return _capital(f"{so_far}{text}.")
