"""Whatever the desk does with what the gate accepted, it stays within the limits: a random life of an account.

Limits are measured here anew from orders, fills and positions, as the account stands and as it would with everything on
its way filled. What is netted (VaR, Greeks, theta) may be moved by the market, by payments, by closings, which a person
approves, and by a structure torn apart leg by leg; a worst case, margin, the day's contracts, positions and their
cover by nothing but the market and payments.
"""

import zlib
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.contract import Right, occ_symbol
from domain.order import Fill, Greeks, LegFill, OrderState, OrderView, SizedCandidate, Sizing, SizingCap, StagedOrder
from domain.regime import Regime
from domain.risk import DollarGreeks, TradingState
from portfolio.book import book_of
from portfolio.closed_today import closed_today
from portfolio.exposure import exposures, units_held
from portfolio.ledger import ledger
from portfolio.margin import MarginSettings
from risk.allocator import allocate
from risk.correlation import Correlations
from risk.gate import decide
from risk.margins import book_margins
from risk.measured import BookMeasures, key_of
from risk.naked import Trade, fill_sequence, uncovered, worst_moment
from risk.revaluation import Scenarios
from tests.factories import AS_OF, candidate, facts, leg, portfolio, risk_settings, view
from tests.support.orders import THESIS

SECTORS = {"AAA": "tech", "BBB": "tech", "CCC": "energy"}
TICKERS = ("AAA", "BBB", "CCC", "DDD")  # DDD has no sector and no history
PAIRS = Correlations(60, 60, {("AAA", "BBB"): 0.9, ("AAA", "CCC"): 0.2, ("BBB", "CCC"): 0.75})
SCENARIOS = 60
LIMITS = risk_settings()
TIGHT = risk_settings(
    hard={
        "position_at_risk": 0.02, "sector_exposure": 0.04, "free_margin": 0.9, "contracts_per_order": 4,
        "position_at_risk_crisis": 0.01,
    },
    soft=[
        {**rule, "budget": {name: share / 2 for name, share in rule["budget"].items()}}
        if rule["rule"] == "var_budget"
        else rule
        for rule in risk_settings().model_dump(mode="json")["soft"]
    ],
)  # fmt: skip
NEAR, FAR = candidate().first_expiry, candidate().first_expiry + timedelta(days=28)
CALL = Right.CALL

# name → legs as (quantity, strike, right, expiry), USD at risk and margin of a unit, its Greeks, purpose
MENU = {
    "put_spread": (((-1, 100, Right.PUT, NEAR), (1, 95, Right.PUT, NEAR)), 400, (30, -1, -90, 1_500), "trade"),
    "call_spread": (((-1, 105, CALL, NEAR), (1, 110, CALL, NEAR)), 400, (-30, -1, -90, 1_500), "trade"),
    "condor": (
        ((1, 80, Right.PUT, NEAR), (-1, 95, Right.PUT, NEAR), (-1, 105, CALL, NEAR), (1, 120, CALL, NEAR)),
        1_400, (2, -2, -200, 2_500), "trade",
    ),
    "butterfly": (
        ((1, 95, CALL, NEAR), (-2, 100, CALL, NEAR), (1, 105, CALL, NEAR)), 120, (5, -1, -50, 800), "trade",
    ),
    "calendar": (((-1, 100, CALL, NEAR), (1, 100, CALL, FAR)), 250, (3, -1, 300, 900), "trade"),
    "hedge": (((1, 90, Right.PUT, NEAR),), 150, (-20, 1, 60, -900), "hedge"),
    "straddle": (((1, 100, CALL, NEAR), (1, 100, Right.PUT, NEAR)), 600, (0, 2, 250, -3_000), "trade"),
    "naked": (((-1, 100, Right.PUT, NEAR),), 300, (30, -1, -90, 1_500), "trade"),
    "late_cover": (((1, 100, CALL, NEAR), (-1, 100, CALL, FAR)), 300, (-3, 1, -300, -900), "trade"),
}  # fmt: skip
PREMIUM = dict.fromkeys(("put_spread", "call_spread", "condor", "naked", "late_cover"), Decimal(1))  # the others cost
UNCOVERED = {"naked", "late_cover"}


def structure(name, ticker, intent="open"):
    parts, worst, (delta, gamma, vega, theta), purpose = MENU[name]
    sign = 1 if intent == "open" else -1
    legs = tuple(
        leg(sign * q, strike, right, expiry, root=ticker, symbol=occ_symbol(ticker, expiry, right, strike))
        for q, strike, right, expiry in parts
    )
    return candidate(
        ticker=ticker, intent=intent, strategy=name, family="credit_vertical", legs=legs, spot=100.0, purpose=purpose,
        max_loss=Decimal(worst), margin=Decimal(worst), liquidity=50, fees=Decimal(0),
        worst_per_share=PREMIUM.get(name, Decimal(-worst) / 100), outcomes=((0.9, worst / 2), (0.1, -float(worst))),
        expected_value=worst * 0.35, greeks=Greeks(delta=delta, gamma=gamma, vega=vega, theta=theta, rho=0),
    )  # fmt: skip


def moves(symbol):
    """P&L of one contract in each scenario, USD: any numbers, always the same."""
    return np.random.default_rng(zlib.crc32(symbol.encode())).normal(0.0, 60.0, SCENARIOS)


def sized_at(wanted, units):
    caps = (SizingCap(name="drawn", units=units, detail="as drawn"),)
    return SizedCandidate(candidate=wanted, sizing=Sizing(units=units, binding="drawn", caps=caps, budget=Decimal(0)))


NETTED = {"var", "delta", "gamma", "vega", "theta", "spx_delta", "concentration"}


class Account(RuleBasedStateMachine):
    """Orders and fills as the database keeps them; the market as two numbers."""

    @initialize(
        regime=st.sampled_from([Regime.LOW_VOL, Regime.NEUTRAL, Regime.HIGH_VOL]),
        state=st.sampled_from([*[TradingState.ACTIVE] * 6, TradingState.REDUCING, TradingState.HALTED]),
    )
    def open_account(self, regime, state):
        self.regime, self.state = regime, state
        self.nlv = self.baseline = 100_000.0
        self.violence = 1.0  # what the market did to P&L in the scenarios
        self.now, self.count = AS_OF, 0
        self.orders, self.fills = {}, []
        self.before, self.excused = set(), set()  # limits broken, and what the last step may break
        self.disturbed = False  # what was netted moved while orders were on their way: what becomes of them may show it

    # ---- how it stands

    def account(self):
        structures = ledger(self.fills, [v.order for v in self.orders.values()], as_of=self.now)
        book = book_of(structures, (), starting_cash=Decimal(100_000), as_of=self.now)
        held = units_held(book)
        greeks = {}
        for order_id, units in held.items():
            one = self.orders[order_id].order.sized.candidate.greeks.scaled(units)
            greeks[order_id] = DollarGreeks(
                delta=one.delta * 100, gamma=one.gamma * 100, vega=one.vega / 100, theta=one.theta / 365
            )
        found = exposures(self.orders.values(), book, SECTORS, greeks=greeks)
        return structures, book, found

    def portfolio(self, *, aside=None):
        structures, book, found = self.account()
        day = closed_today(structures, found, as_of=self.now)
        found = tuple(e for e in found if e.order_id != aside or e.state == "open")
        pnl = {key_of(e): sum(part.quantity * self.violence * moves(part.symbol) for part in e.legs) for e in found}
        days = np.zeros(SCENARIOS)
        units = {}
        for name in MENU:
            for ticker in TICKERS:
                legs = structure(name, ticker).legs
                units[tuple((part.symbol, part.quantity) for part in legs)] = self.violence * sum(
                    part.quantity * moves(part.symbol) for part in legs
                )
        scenarios = Scenarios(("AAA",), days[:, None], days[:, None], days, days)
        spots = dict.fromkeys(TICKERS, 100.0)
        return portfolio(
            exposures=found, nlv=self.nlv, baseline_nlv=self.baseline, contracts_today=day, as_of=self.now,
            trading_state=self.state, measures=BookMeasures(scenarios, {}, pnl, dict.fromkeys(TICKERS[:3], 1.5), units),
            margins=book_margins(book, found, spots, MarginSettings()),
        )  # fmt: skip

    def question(self, wanted, *, aside=None, closes=None):
        book = self.portfolio(aside=aside)
        return view(
            ticker=wanted.ticker, regime=self.regime, correlations=PAIRS, order=None, closes=closes,
            facts=facts(ticker=wanted.ticker, sector=SECTORS.get(wanted.ticker, "unknown")),
            portfolio=book.superseding(wanted.ticker, wanted.purpose) if wanted.intent == "open" else book,
        )  # fmt: skip

    def settings(self, limits=LIMITS):
        """Any structure may be traded in any regime here: the families are another rule's business."""
        allowed = dict.fromkeys(Regime, ("credit_vertical",))
        soft = tuple(r.model_copy(update={"allowed": allowed}) if r.rule == "regime_family" else r for r in limits.soft)
        return limits.model_copy(update={"soft": soft})

    # ---- what may happen

    @rule(
        name=st.sampled_from(sorted(MENU)),
        ticker=st.sampled_from(TICKERS),
        most=st.integers(1, 14),
        at_once=st.booleans(),
    )
    def stage(self, name, ticker, most, at_once):
        wanted = structure(name, ticker).model_copy(update={"liquidity": most})
        question, limits = self.question(wanted), self.settings()
        accepted = next(
            (
                (units, decision)
                for units in range(most, 0, -1)
                if (decision := decide(replace(question, order=sized_at(wanted, units)), limits)).approved
            ),
            None,
        )
        for units in {1, most}:
            order = replace(question, order=sized_at(wanted, units))
            assert decide(order, limits) == decide(order, limits), "same input, same output"
            if decide(order, self.settings(TIGHT)).approved:
                assert decide(order, limits).approved, "a tighter limit never approves more"
        self.walked_down(question, wanted, limits)
        if accepted is None:
            return
        assert name not in UNCOVERED
        assert self.state is TradingState.ACTIVE or (self.state is TradingState.REDUCING and self.held_in(ticker))
        units, decision = accepted
        for order_id, other in self.orders.items():
            theirs = other.order.sized.candidate
            if other.state is OrderState.STAGED and (theirs.ticker, theirs.purpose) == (ticker, wanted.purpose):
                self.step(order_id, OrderState.SUPERSEDED)
        self.count += 1
        order = StagedOrder(
            order_id=f"O-{self.count:03}", version=1, run_id=f"run-{self.count}", snapshot_id="0" * 64,
            staged_at=self.now, expires_at=self.now + timedelta(hours=4), sized=sized_at(wanted, units),
            limit_per_share=wanted.limit_per_share, thesis=THESIS, decision=decision,
        )  # fmt: skip
        self.orders[order.order_id] = OrderView(order=order, state=OrderState.STAGED, changed_at=self.now)
        if at_once:
            self.record(order.order_id, fill_sequence(wanted.legs, units), units)
            self.step(order.order_id, OrderState.FILLED)

    def walked_down(self, question, wanted, limits):
        """The allocator never goes beyond a cap, and no further under a tighter limit."""
        sizes = []
        for chosen in (limits, self.settings(TIGHT)):
            view_of = lambda _, book, chosen=chosen: replace(question, portfolio=book, hard=chosen.hard)  # noqa: E731
            found, _ = allocate([(wanted.ticker, [wanted])], question.portfolio, view_of, (), chosen, lambda _: "O-x")
            sized = found[0].sized
            assert sized.units <= min(cap.units for cap in sized.sizing.caps)
            sizes.append(sized.units if found[0].accepted else 0)
        assert sizes[1] <= sizes[0] <= wanted.liquidity

    @precondition(lambda self: self.of(OrderState.STAGED))
    @rule(data=st.data())
    def approve(self, data):
        """As a person's approval does: the final checks once more, the order itself set aside."""
        order_id = data.draw(st.sampled_from(self.of(OrderState.STAGED)))
        order = self.orders[order_id].order
        question = replace(self.question(order.sized.candidate, aside=order_id), order=order.sized)
        if decide(question, self.settings()).approved:
            self.step(order_id, OrderState.APPROVED)
            self.step(order_id, OrderState.SUBMITTED)

    @precondition(lambda self: self.working())
    @rule(data=st.data(), whole=st.booleans())
    def fill(self, data, whole):
        order_id = data.draw(st.sampled_from(self.working()))
        order, filled = self.orders[order_id].order, self.filled(order_id)
        left = order.units - filled
        units = left if whole else data.draw(st.integers(1, left))
        self.record(order_id, fill_sequence(order.sized.candidate.legs, units), units)
        self.step(order_id, OrderState.FILLED if units == left else OrderState.PARTIALLY_FILLED)

    @precondition(lambda self: self.working())
    @rule(data=st.data())
    def leg_in(self, data):
        """One leg at a time in the proven sequence, stopped at any contract; the rest is cancelled."""
        order_id = data.draw(st.sampled_from(self.working()))
        order = self.orders[order_id].order
        sequence = fill_sequence(order.sized.candidate.legs, order.units - self.filled(order_id))
        stop = data.draw(st.integers(1, sum(abs(trade.quantity) for trade in sequence)))
        self.record(order_id, cut(sequence, stop), 0)
        self.step(order_id, OrderState.CANCELLED)
        self.excused |= NETTED

    @precondition(lambda self: self.working())
    @rule(data=st.data())
    def cancel(self, data):
        self.step(data.draw(st.sampled_from(self.working())), OrderState.CANCELLED)

    @precondition(lambda self: self.of(OrderState.STAGED))
    @rule(data=st.data())
    def expire(self, data):
        self.step(data.draw(st.sampled_from(self.of(OrderState.STAGED))), OrderState.EXPIRED)

    @precondition(lambda self: self.account()[1].positions)
    @rule(data=st.data())
    def close(self, data):
        """All or part, and any other quantity somebody may ask for; legged, and stopped anywhere."""
        _, book, _ = self.account()
        order_id = data.draw(st.sampled_from(sorted({p.order_id for p in book.positions})))
        opened = self.orders[order_id].order.sized.candidate
        units = data.draw(st.integers(1, self.orders[order_id].order.units + 1))
        wanted = structure(opened.strategy, opened.ticker, intent="close")
        question = replace(self.question(wanted, closes=order_id), order=sized_at(wanted, units))
        decision = decide(question, self.settings())
        held = [Trade(p.leg, p.quantity) for p in book.positions if p.order_id == order_id]
        sequence = fill_sequence(wanted.legs, units)
        possible = worst_moment(held, sequence) == 0 and all(
            abs(sum(t.quantity for t in held if t.leg.symbol == part.symbol)) >= abs(part.quantity * units)
            for part in wanted.legs
        )
        assert decision.approved is possible, "closing is never kept from happening, and never closes what is not held"
        if decision.approved:
            stop = data.draw(st.integers(1, sum(abs(trade.quantity) for trade in sequence)))
            self.record(order_id, cut(sequence, stop), 0)
            self.excused |= NETTED

    @rule(factor=st.floats(0.985, 1.015), violence=st.floats(0.8, 1.25))
    def market_moves(self, factor, violence):
        self.nlv, self.violence = self.nlv * factor, self.violence * violence
        self.excused = None

    @rule(amount=st.floats(-20_000, 20_000))
    def cash_flows(self, amount):
        self.nlv, self.baseline = self.nlv + amount, self.baseline + amount
        self.excused = None

    # ---- what must hold

    @invariant()
    def nothing_leaves_a_limit_by_itself(self):
        if not hasattr(self, "before"):
            return
        now, moved = self.breaches(), self.excused is None or bool(self.excused)
        if self.excused is not None:
            excused = self.excused | (NETTED if self.disturbed else set())
            new = {name for name in now - self.before if name[0] not in excused}
            assert not new, f"{sorted(new)} broken without the market"
        self.disturbed = (self.disturbed or moved) and bool(self.of(OrderState.STAGED) or self.working())
        self.before, self.excused = now, set()

    @invariant()
    def no_short_is_without_cover(self):
        if hasattr(self, "before"):
            held = {}
            for position in self.account()[1].positions:
                held.setdefault(position.order_id, []).append(Trade(position.leg, position.quantity))
            assert all(uncovered(trades) == 0 for trades in held.values())

    def breaches(self):
        """Limits that are broken, with what is filled alone and with everything on its way filled."""
        _, book, found = self.account()
        hard, broken = LIMITS.hard, set()
        for kind, part in (("filled", [e for e in found if e.state == "open"]), ("all", found)):
            for name in ("ticker", "sector"):
                total = {}
                for e in part:
                    total[getattr(e, name)] = total.get(getattr(e, name), 0.0) + float(e.worst_case)
                limit = hard.position_at_risk if name == "ticker" else hard.sector_exposure
                broken |= {(name, kind, key) for key, usd in total.items() if usd > limit * self.nlv + 1e-6}
            margins = book_margins(book, part, dict.fromkeys(TICKERS, 100.0), MarginSettings())
            if self.nlv - margins.bound(part, None).usd < hard.free_margin * self.nlv - 1e-6:
                broken.add(("margin", kind, ""))
            pnl = sum((q.quantity * self.violence * moves(q.symbol) for e in part for q in e.legs), np.zeros(SCENARIOS))
            soft = {rule.rule: rule for rule in LIMITS.soft if rule.rule != "portfolio_greek"}
            if -np.sort(pnl)[2] > soft["var_budget"].budget[self.regime] * self.nlv + 1e-6:
                bound = sum(float(e.worst_case) for e in part)
                if bound > soft["var_budget"].budget[self.regime] * self.nlv + 1e-6:
                    broken.add(("var", kind, ""))
            for rule_ in (r for r in LIMITS.soft if r.rule == "portfolio_greek"):
                total = 0.0
                for e in part:
                    amount = getattr(e.greeks, "delta" if rule_.greek == "spx_delta" else rule_.greek)
                    beta = 1.0 if rule_.greek != "spx_delta" else 1.5 if e.ticker != "DDD" else 3.0
                    total += amount * beta
                if abs(total) > rule_.limit[self.regime] * self.nlv + 1e-6:
                    broken.add((rule_.greek, kind, ""))
            theta = {}
            for e in part:
                theta[e.strategy] = theta.get(e.strategy, 0.0) + e.theta / 365
            floor = soft["theta_concentration"].theta_limit[self.regime] * self.nlv
            whole = max(sum(abs(t) for t in theta.values()), floor)
            broken |= {
                ("concentration", kind, s) for s, t in theta.items() if s != "hedge" and abs(t) > 0.30 * whole + 1e-9
            }
            if len({e.order_id for e in part}) > soft["max_positions"].limit[self.regime]:
                broken.add(("max_positions", kind, ""))
            names = sorted(
                {e.ticker for e in part if e.purpose == "trade"}
            )  # hedges need not pass, nor need their theta
            broken |= {
                ("correlated", kind, name)
                for name in names
                if 1 + sum(PAIRS.between(name, other) > 0.7 for other in names if other != name) > 3
            }
        for ticker in TICKERS:
            opened = [v for v in self.orders.values() if v.order.ticker == ticker]
            hedged = any(v.order.sized.candidate.purpose == "hedge" for v in opened)
            total = sum(self.counted(v) for v in opened)
            if total > hard.contracts_per_order and not hedged:
                broken.add(("contracts", "all", ticker))
        return broken

    # ---- odds and ends

    def counted(self, seen):
        alive = seen.state in (OrderState.STAGED, *WORKING)
        units = seen.order.units if alive else self.filled(seen.order.order_id)
        return units * seen.order.sized.candidate.contracts_per_unit

    def of(self, state):
        return sorted(order_id for order_id, seen in self.orders.items() if seen.state is state)

    def working(self):
        return sorted(self.of(OrderState.SUBMITTED) + self.of(OrderState.PARTIALLY_FILLED))

    def filled(self, order_id):
        return sum(fill.units for fill in self.fills if fill.order_id == order_id)

    def held_in(self, ticker):
        return any(e.ticker == ticker and e.state == "open" for e in self.account()[2])

    def step(self, order_id, state):
        self.orders[order_id] = self.orders[order_id].model_copy(update={"state": state, "changed_at": self.now})

    def record(self, order_id, trades, units):
        self.now += timedelta(seconds=1)
        parts = tuple(LegFill(symbol=t.leg.symbol, quantity=t.quantity, price=Decimal(1)) for t in trades)
        cash = -sum((Decimal(100 * part.quantity) for part in parts), Decimal(0))
        number = len(self.fills)
        self.fills.append(
            Fill(
                fill_id=f"{number:04}",
                order_id=order_id,
                at=self.now,
                units=units,
                legs=parts,
                fees=Decimal(0),
                cash=cash,
                rule="test",
            )
        )


WORKING = (OrderState.APPROVED, OrderState.SUBMITTED, OrderState.PARTIALLY_FILLED)


def cut(sequence, contracts):
    """The first `contracts` single contracts of a sequence."""
    done = []
    for part, quantity in sequence:
        some = min(abs(quantity), contracts)
        if some:
            done.append(Trade(part, some if quantity > 0 else -some))
        contracts -= some
    return tuple(done)


TestAccount = Account.TestCase
TestAccount.settings = settings(max_examples=25, stateful_step_count=25, suppress_health_check=[HealthCheck.too_slow])
