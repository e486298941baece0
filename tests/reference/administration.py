"""Markets and their terms (SPECIFICATION 2): any change renews mark and rate with the old terms first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from reference.book import Book
from reference.errors import require
from reference.market import Market
from reference.state import Core, transaction
from reference.terms import DeleverageTerms, Funding, LiquidationTerms, Schedule, Terms, Tier


class Administration(Core):
    """The owner's transactions."""

    @transaction
    def add_market(
        self,
        grid: tuple[int, int, int, int],
        terms: Terms,
        funding: Funding,
        tiers: tuple[Tier, ...],
        cap: int,
        liquidation: LiquidationTerms,
    ) -> int:
        """Open a market; `grid` is tick, lot and minimum size (WAD) and an account's most orders."""
        number = len(self.state.markets)
        self.state.markets.append(
            Market(
                number,
                terms.as_kept(),
                funding.as_kept(),
                Schedule(tuple(tier.as_kept() for tier in tiers)),
                cap // 10**6 * 10**6,
                liquidation.as_kept(),
                terms.max_age,
            )
        )
        self.state.books.append(Book(*grid))
        self.state.debts.append([0] * 5)
        return number

    @contextmanager
    def _changing(self, number: int) -> Iterator[Market]:
        market = self.market(number)
        if market.index:
            self.renew(number)
        yield market

    @transaction
    def set_terms(self, number: int, terms: Terms) -> None:
        """Fees, vault share, max age."""
        terms = terms.as_kept()
        require(terms.maker_fee + terms.taker_fee >= 0, "terms: rebate above taker fee")
        with self._changing(number) as market:
            market.terms = terms

    @transaction
    def set_funding_terms(self, number: int, funding: Funding) -> None:
        """Funding and mark."""
        with self._changing(number) as market:
            market.funding = funding.as_kept()

    @transaction
    def set_margin_tiers(self, number: int, tiers: tuple[Tier, ...]) -> None:
        """Margin schedule: limits rise, initial >= maintenance > 0, and no margin falls to the next tier."""
        schedule = Schedule(tuple(tier.as_kept() for tier in tiers))
        schedule.check()
        with self._changing(number) as market:
            market.schedule = schedule

    @transaction
    def set_max_age(self, number: int, max_age: int) -> None:
        """How old a price may be when it is posted (s); how long it counts as fresh is among the terms."""
        self.market(number).max_post_age = max_age

    @transaction
    def set_open_interest_cap(self, number: int, cap: int) -> None:
        """Largest open interest that a trade may lead to."""
        with self._changing(number) as market:
            market.cap = cap // 10**6 * 10**6

    @transaction
    def set_close_only(self, number: int, close_only: bool) -> None:
        """Stop, or allow again, orders that open."""
        with self._changing(number) as market:
            market.close_only = close_only

    @transaction
    def set_liquidation_terms(self, number: int, terms: LiquidationTerms) -> None:
        """Liquidation parameters."""
        self.market(number).liquidation = terms.as_kept()

    @transaction
    def set_deleverage_terms(self, number: int, terms: DeleverageTerms) -> None:
        """How bankrupt positions are shared out; not while a list is open."""
        market = self.market(number)
        require(market.open_list is None, "list: open")
        if terms.policy is not None:
            require(60 <= terms.timeout <= 3600, "terms: timeout outside 60 to 3600 s")
        market.deleverage = terms.as_kept()

    @transaction
    def set_cap(self, number: int, cap: int, window: int) -> None:
        """Cap of what the vault pays for a market, token units."""
        self.vault.set_cap(number, cap, window, self.now)

    @transaction
    def set_breaker(self, trip: int, resume: int) -> None:
        """The vault's breaker."""
        self.vault.set_breaker(trip, resume, self.now)
