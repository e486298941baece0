"""What the owner, the treasury and the stakers do, and parameters."""

from __future__ import annotations

from reference.terms import Funding, LiquidationTerms, Terms, Tier
from stage import (
    FLAG,
    MARKET,
    TRADER,
    WHO,
    Fuzz,
    operation,
    refusing,
)
from worlds import KEEPER

from perpsim.protocol import WAD, wad

# money of the exchange


@operation(4, market=MARKET, what=(0, 1, 2, 3, 4))
def treasury(fuzz: Fuzz, market: int, what: int) -> None:
    """Fees are swept and collected, debt is repaid, gifts are given."""
    twins, keeper = fuzz.twins, fuzz.twins.senders[KEEPER]
    exchange, model = twins.exchange, twins.model
    units = (0, 0, 0, 500, 50_000)[what] * 10**twins.params.decimals + what
    if what == 0:
        twins.send(keeper, exchange.clearinghouse, "sweep_fees", (market,), lambda: model.sweep_fees(market))
    elif what == 1:
        fuzz.owner_sends("parameters", "collect_treasury", (market, twins.owner),
                         lambda: model.collect_treasury(market))  # fmt: skip
    elif what == 2:
        twins.send(keeper, exchange.liquidator, "repay_bad_debt", (market,),
                   lambda: model.repay_bad_debt(market))  # fmt: skip
    else:
        twins.mint(twins.owner, units)
        fuzz.owner_sends("vault", "fund", (units,), lambda: model.fund(units))


@operation(2, who=WHO, holder=(0, 1), amount=(1, 1_000_000))
def donate(fuzz: Fuzz, who: int, holder: int, amount: int) -> None:
    """Tokens that nobody asked for change nothing."""
    twins, sender = fuzz.twins, fuzz.twins.senders[who]
    receiver = (twins.exchange.clearinghouse, twins.exchange.vault)[holder].address
    twins.mint(sender, amount)

    def given() -> bool:
        twins.model.state.tokens[("clearinghouse", "vault")[holder]] += amount
        twins.donated[("clearinghouse", "vault")[holder]] += amount
        return True

    twins.send(sender, twins.exchange.token, "transfer", (receiver, amount), given)


# stakers


@operation(6, who=TRADER, other=TRADER, what=(0, 0, 1), tokens=(0, 1, 100, 10_000))
def stake(fuzz: Fuzz, who: int, other: int, what: int, tokens: int) -> None:
    """Join the vault, by an amount of tokens or of shares."""
    twins, sender = fuzz.twins, fuzz.twins.senders[who]
    receiver = twins.senders[other]
    units = tokens * 10**twins.params.decimals + tokens % 7
    if what == 0:
        twins.mint(sender, units)
        twins.send(sender, twins.exchange.vault, "deposit", (units, receiver),
                   lambda: twins.model.stake(sender, units, receiver))  # fmt: skip
    else:
        shares = twins.model.to_shares(units)
        twins.mint(sender, units + 1)
        twins.send(sender, twins.exchange.vault, "mint", (shares, receiver),
                   lambda: twins.model.mint_shares(sender, shares, receiver))  # fmt: skip


@operation(5, who=TRADER, tenths=(0, 1, 5, 10, 10, 11))
def request_withdraw(fuzz: Fuzz, who: int, tenths: int) -> None:
    """Ask to leave."""
    twins, sender = fuzz.twins, fuzz.twins.senders[who]
    shares = twins.model.shares_of(sender) * tenths // 10
    twins.send(sender, twins.exchange.vault, "request_withdraw", (shares,),
               lambda: twins.model.request_withdraw(sender, shares))  # fmt: skip


@operation(1, who=TRADER)
def cancel_withdraw(fuzz: Fuzz, who: int) -> None:
    """Stay after all."""
    twins, sender = fuzz.twins, fuzz.twins.senders[who]
    twins.send(sender, twins.exchange.vault, "cancel_withdraw", (),
               lambda: twins.model.cancel_withdraw(sender))  # fmt: skip


@operation(5, which=tuple(range(8)), what=(0, 1), tenths=(1, 3, 10, 10, 11))
def leave(fuzz: Fuzz, which: int, what: int, tenths: int) -> None:
    """Claim, by shares or by tokens; of somebody who has asked, if there is one."""
    twins, model = fuzz.twins, fuzz.twins.model
    asked = [holder for holder in model.stakes.requests if model.request_of(holder).shares]
    sender = asked[which % len(asked)] if asked else twins.senders[which]
    shares = model.redeemable(sender) * tenths // 10
    if what == 0:
        args = (shares, sender, sender)
        twins.send(sender, twins.exchange.vault, "redeem", args,
                   lambda: model.redeem(sender, shares, sender))  # fmt: skip
    else:
        units = model.to_assets(shares)
        args = (units, sender, sender)
        twins.send(sender, twins.exchange.vault, "withdraw", args,
                   lambda: model.claim(sender, units, sender))  # fmt: skip


@operation(1, who=TRADER, other=TRADER, tenths=(1, 10, 11))
def send_shares(fuzz: Fuzz, who: int, other: int, tenths: int) -> None:
    """Give shares away."""
    twins, sender = fuzz.twins, fuzz.twins.senders[who]
    args = (twins.senders[other], twins.model.shares_of(sender) * tenths // 10)
    twins.send(sender, twins.exchange.vault, "transfer", args,
               lambda: twins.model.send_shares(sender, *args) or True)  # fmt: skip


@operation(3, which=(0, 1, 2, 3), market=MARKET, what=(0, 0, 1))
def report(fuzz: Fuzz, which: int, market: int, what: int) -> None:
    """Tell the vault of a bankrupt account, or of a market in doubt."""
    twins, sender = fuzz.twins, fuzz.twins.senders[which]
    vault, model = twins.exchange.vault, twins.model
    if what == 0:
        account, _ = fuzz.bankrupt(which)
        twins.send(sender, vault, "report", (account,), lambda: model.report(account))
    else:
        twins.send(sender, vault, "report_market", (market,), lambda: model.report_market(market))


@operation(3, market=MARKET, what=(0, 0, 1, 2, 3), on=FLAG)
def pools(fuzz: Fuzz, market: int, what: int, on: int) -> None:
    """Isolate a market or merge it, give to its tranche, switch staking, change the times."""
    twins, model = fuzz.twins, fuzz.twins.model
    if what == 0:
        fuzz.owner_sends("vault", "set_isolated", (market, bool(on)),
                         lambda: model.set_isolated(market, bool(on)))  # fmt: skip
    elif what == 1:
        units = 2_000 * 10**twins.params.decimals
        twins.mint(twins.owner, units)
        fuzz.owner_sends("vault", "fund_market", (market, units), lambda: model.fund_market(market, units))
    elif what == 2:
        wanted = bool(on or market)
        fuzz.owner_sends("vault", "set_staking", (wanted,), lambda: model.set_staking(wanted))
    else:
        times = ((3_600, 90 * 86_400), (13 * 86_400, 3 * 86_400))[on]
        fuzz.owner_sends("vault", "set_withdrawal_times", times,
                         lambda: model.set_withdrawal_times(*times))  # fmt: skip


# parameters


@operation(4, market=MARKET, what=(0, 1, 2, 3, 4, 5), variant=(0, 0, 0, 0, 0, 1, 2, 3))
def parameters(fuzz: Fuzz, market: int, what: int, variant: int) -> None:
    """Change a term, or change it back (variant 0)."""
    twins, model = fuzz.twins, fuzz.twins.model
    params = twins.params.markets[market]
    if what == 0:
        terms = params.terms
        if variant:
            maker, taker = ((wad("0.001"), wad("0.002")), (-wad("0.0002"), wad("0.0002")), (-(10**9), 0))[
                variant - 1
            ]
            share, age = ((10_000, 60), (0, 3_600), (3_333, 30))[variant - 1]
            terms = terms._replace(maker_fee=maker, taker_fee=taker, vault_share=share, max_age=age)
        fuzz.owner_sends(
            "parameters", "set_terms", (market, terms), lambda: model.set_terms(market, Terms(*terms))
        )
    elif what == 1:
        funding = params.funding
        if variant:
            funding = (
                funding._replace(interest=wad("0.02"), cap=wad("0.5"), clamp=wad("0.1")),
                funding._replace(
                    interest=-wad("0.01"), cap=wad("0.05"), clamp=0, band=wad("0.2"), basis_time=7
                ),
                funding._replace(interest=0, cap=wad("0.01"), band=wad("0.01"), premium_time=60),
            )[variant - 1]
        fuzz.owner_sends("parameters", "set_funding_terms", (market, funding),
                         lambda: model.set_funding_terms(market, Funding(*funding)))  # fmt: skip
    elif what == 2:
        tiers = list(params.tiers)
        if variant:
            tiers = [
                [Tier(wad(10**8), wad("0.3"), wad("0.15"))],
                [
                    Tier(wad(1_000), wad("0.01"), wad("0.005")),
                    Tier(wad(9_000), wad("0.01"), wad("0.0075"), wad("2.5")),
                ],
                [Tier(wad(10**5), wad("0.123456789012"), wad("0.000000000001"))],
            ][variant - 1]
        schedule = tuple(Tier(*tier) for tier in tiers)
        fuzz.owner_sends("parameters", "set_margin_tiers", (market, tiers),
                         lambda: model.set_margin_tiers(market, schedule))  # fmt: skip
    elif what == 3:
        closed = variant == 1
        sender = twins.senders[KEEPER] if variant == 2 else twins.owner
        reason = "access: not owner or guardian" if variant == 2 else ""
        twins.send(sender, twins.exchange.parameters, "set_close_only", (market, closed),
                   lambda: refusing(reason) or model.set_close_only(market, closed))  # fmt: skip
    elif what == 4:
        cap = (params.open_interest_cap, 0, params.min_size * 1_000, 10**20 + 1)[variant]
        fuzz.owner_sends("parameters", "set_open_interest_cap", (market, cap),
                         lambda: model.set_open_interest_cap(market, cap))  # fmt: skip
    else:
        terms = params.liquidation
        if variant:
            terms = (
                terms._replace(surplus_share=WAD, full_threshold=WAD, cover_slippage=terms.max_slippage),
                terms._replace(penalty_rate=0, reward_rate=0, reward_min=0, full_below=0, buffer=0),
                terms._replace(penalty_rate=wad("0.02"), reward_rate=wad("0.01"), reward_min=wad("0.5"),
                               cover_slippage=0, full_threshold=0, full_below=wad(1)),
            )[variant - 1]  # fmt: skip
        fuzz.owner_sends("liquidator", "set_params", (market, terms),
                         lambda: model.set_liquidation_terms(market, LiquidationTerms(*terms)))  # fmt: skip


@operation(1, market=MARKET, seconds=(0, 1, 30, 600))
def max_age(fuzz: Fuzz, market: int, seconds: int) -> None:
    """How old a price may be when it is posted."""
    seconds = seconds or fuzz.twins.params.markets[market].terms.max_age
    fuzz.owner_sends("oracle", "set_max_age", (market, seconds),
                     lambda: fuzz.twins.model.set_max_age(market, seconds))  # fmt: skip


@operation(2, market=MARKET, what=(0, 0, 1), variant=(0, 0, 1, 2, 3))
def vault_rules(fuzz: Fuzz, market: int, what: int, variant: int) -> None:
    """Caps and breaker."""
    model = fuzz.twins.model
    one = 10**fuzz.twins.params.decimals
    if what == 0:
        args = (market, *((0, 86_400), (100 * one, 3_600), (5_000 * one + 7, 86_400), (one, 61))[variant])
        fuzz.owner_sends("vault", "set_cap", args, lambda: model.set_cap(*args))
    else:
        rates = ((WAD // 2, WAD // 4), (wad("0.3"), wad("0.25")), (WAD, WAD), (wad("0.01"), wad("0.01")))[
            variant
        ]
        fuzz.owner_sends("vault", "set_breaker", rates, lambda: model.set_breaker(*rates))
