"""Riskless profits that executable quotes lock in: put-call parity strike by strike, and box spreads.

Everything is bought at the ask and sold at the bid, pays a fee a contract, and is stated as the present value of the
worst case, USD per share. Only good rows take part. Markets that trade leave pennies: a strike whose quotes miss
parity, or what the strikes around it say, by more than `STALE_SHARE` of spot is stale, and no opportunity.

With A = C_ask − P_bid the price of the synthetic forward bought at strike K and B = C_bid − P_ask that of the one sold,
European put-call parity (Stoll 1969) puts the forward's present value D·F between B + D·K and A + D·K. A conversion
sells the synthetic against the forward, a reversal buys it, and a box buys it at one strike and sells it at another.

American exercise (Merton 1973; Hull, Options, Futures and Other Derivatives, ch. 11):

* Conversion (short call, long put, long stock): early assignment pays K sooner and leaves the put, but forgoes the
  dividends still to come. It is counted against the stock itself, as if there were none: B − S + D·K.
* Reversal (long call, short put, short stock): early assignment asks for K sooner. It is counted with K undiscounted.
* Long box (long call and short put at the lower strike, the reverse at the upper): an assigned short call is met by
  exercising the lower call, an assigned short put by the upper put; either way the width comes sooner and what is left
  cannot be worth less than nothing. Notice comes overnight, so that a dividend may be lost: those that the forward
  implies are taken off.
* Short box: its short legs are the ones in the money. Assigned on one side it pays the width at once and still owes up
  to the width on the other. It is never counted (Billingsley & Chance 1985; Ronn & Ronn 1989 on box spreads).
"""

from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.units import Bools, Days, Floats
from options.priced import ExpirySlice, PricedChain

Kind = Literal["conversion", "reversal", "long_box", "short_box"]
Rows = NDArray[np.int64]
MAD_TO_SD = 1.4826  # standard deviation over median absolute deviation of normal noise
STALE_FLOOR = 0.05  # USD per share
STALE_SHARE = 0.0005  # of spot
AROUND = 3  # strikes on either side with which a strike is compared


class ArbitrageLeg(NamedTuple):
    """One contract: quantity +1 bought at the ask, −1 sold at the bid; `price` in USD per share."""

    symbol: str
    quantity: int
    price: float


@dataclass(frozen=True, slots=True)
class Arbitrage:
    """One locked profit. Conversions and reversals need the forward beside the legs (`hedge`, shares per share)."""

    kind: Kind
    root: str
    expiry: date
    strikes: tuple[float, ...]
    legs: tuple[ArbitrageLeg, ...]
    hedge: int  # +1 long the underlying forward, −1 short, 0 none
    profit: float  # USD per share, present value, after fees and doubts
    profit_per_unit: float  # USD for one contract of each leg
    annual_return: float  # decimal, simple: profit over capital a year
    units: float | None  # that the quoted sizes hold; None where sizes are unknown


@dataclass(frozen=True, slots=True, eq=False)
class ParityGaps:
    """Conversion and reversal at every strike that quotes both rights, shape `(n,)`, ascending by expiry and strike.

    USD per share, present value of the worst case after fees and `doubts` standard errors of the forward; > 0 is a
    locked profit. `call` and `put` index the chain's rows.
    """

    expiry: Days
    call: Rows
    put: Rows
    strike: Floats
    conversion: Floats
    reversal: Floats
    stale: int  # strikes left out as stale
    found: tuple[Arbitrage, ...]  # profitable ones, best first

    def __len__(self) -> int:
        return len(self.strike)


class Boxes(NamedTuple):
    """What the search over all pairs of strikes found; `best` holds the top ones, best first."""

    pairs: int  # boxes judged, long and short counted apart
    profitable: int
    best: tuple[Arbitrage, ...]


def forward_error(piece: ExpirySlice) -> float:
    """Standard error of a parity forward, USD per share: 1.4826 · median |residual| / √pairs; NaN without parity."""
    if piece.forward_source != "parity" or piece.parity_pairs < 1:
        return float("nan")
    return float(MAD_TO_SD * piece.parity_residual / np.sqrt(piece.parity_pairs))


def parity_gaps(
    priced: PricedChain, *, fee_per_contract: float, doubts: float = 3.0, rate_doubt: float = 0.0, top: int = 20
) -> ParityGaps:
    """What conversion and reversal earn at each strike of each expiry whose forward comes from parity.

    `fee_per_contract` in USD per contract, charged for both options; `doubts` standard errors of the forward and
    `rate_doubt` (decimal a year, on the strike financed to expiry) are taken off. Expiries without a parity forward
    are left out: a forward that guesses the dividends proves nothing.
    """
    boards = _boards(priced)
    conversions, reversals = [], []
    for board in boards:
        piece = board.piece
        cost = 2.0 * fee_per_contract / board.multiplier + doubts * piece.discount * forward_error(piece)
        cost = cost + rate_doubt * piece.tau * piece.discount * board.strike
        conversions.append(board.sold - board.most + board.received * board.strike - cost)
        reversals.append(board.least - board.bought - board.paid * board.strike - cost)
    earned = [
        (-float(profits[place]), at, int(place), selling)
        for at in range(len(boards))
        for selling, profits in ((True, conversions[at]), (False, reversals[at]))
        for place in np.flatnonzero(profits > 0)
    ]
    return ParityGaps(
        expiry=np.array([b.piece.expiry for b in boards for _ in b.strike], dtype="datetime64[D]"),
        call=_joined([b.call for b in boards]).astype(np.int64),
        put=_joined([b.put for b in boards]).astype(np.int64),
        strike=_joined([b.strike for b in boards]),
        conversion=_joined(conversions),
        reversal=_joined(reversals),
        stale=sum(b.stale for b in boards),
        found=tuple(
            _outright(priced, boards[at], place, -lost, selling=selling)
            for lost, at, place, selling in sorted(earned)[:top]
        ),
    )


def boxes(priced: PricedChain, *, fee_per_contract: float, rate_doubt: float = 0.0, top: int = 20) -> Boxes:
    """Every pair of strikes of every expiry as a long and, European only, a short box, net of four fees.

    A long box costs its quotes and pays K₂ − K₁ at expiry; a short one is the reverse. The width is discounted at the
    expiry's own rate, and `rate_doubt` (decimal a year on the width) is taken off for what funding may cost beyond it.
    """
    judged, profitable = 0, 0
    best: list[tuple[float, int, int, int]] = []
    boards = _boards(priced)
    for at, board in enumerate(boards):
        judged += len(board.strike) * (len(board.strike) - 1) // (1 if board.piece.european else 2)
        profit = _box_profits(board, fee_per_contract, rate_doubt)
        if profit is None:
            continue
        buy, sell = np.nonzero(profit > 0)
        profitable += len(buy)
        chosen = np.argsort(-profit[buy, sell], kind="stable")[:top]
        best += [(-float(profit[buy[i], sell[i]]), at, int(buy[i]), int(sell[i])) for i in chosen]
    found = tuple(_box(priced, boards[at], buy, sell, -lost) for lost, at, buy, sell in sorted(best)[:top])
    return Boxes(judged, profitable, found)


@dataclass(frozen=True, slots=True, eq=False)
class _Board:
    """Strikes of one expiry that quote both rights, shape `(n,)`, ascending; USD per share."""

    piece: ExpirySlice
    call: Rows
    put: Rows
    strike: Floats
    multiplier: Floats
    bought: Floats  # the synthetic forward: A = C_ask − P_bid
    sold: Floats  # B = C_bid − P_ask
    least: float  # that the underlying's claim may be worth today, at worst for whoever is long it ...
    most: float  # ... and at worst for whoever is short it
    paid: float  # what 1 USD of strike weighs at worst when it is paid ...
    received: float  # ... and when it is received
    dividends: float  # that an American long box may lose
    stale: int  # strikes left out as stale


def _boards(priced: PricedChain) -> list[_Board]:
    boards = [_board(priced, piece) for piece in priced.slices if np.isfinite(forward_error(piece))]
    return [board for board in boards if len(board.strike)]


def _board(priced: PricedChain, piece: ExpirySlice) -> _Board:
    chain, good = priced.chain, piece.rows[priced.good[piece.rows]]
    calls, puts = good[chain.is_call[good]], good[~chain.is_call[good]]
    _, at_call, at_put = np.intersect1d(chain.strike[calls], chain.strike[puts], return_indices=True)
    call, put = calls[at_call], puts[at_put]
    alike = chain.multiplier[call] == chain.multiplier[put]
    call, put = call[alike], put[alike]
    worth, discount = piece.discount * piece.forward, piece.discount
    least = most = worth
    paid = received = discount
    if not piece.european:
        least, most = min(worth, priced.spot), max(worth, priced.spot)
        paid, received = max(discount, 1.0), min(discount, 1.0)
    strike, bought, sold = chain.strike[call], chain.ask[call] - chain.bid[put], chain.bid[call] - chain.ask[put]
    live = _live(strike, bought, sold, (least, most), (paid, received), max(STALE_FLOOR, STALE_SHARE * priced.spot))
    return _Board(
        piece=piece,
        call=call[live],
        put=put[live],
        strike=strike[live],
        multiplier=chain.multiplier[call][live],
        bought=bought[live],
        sold=sold[live],
        least=least,
        most=most,
        paid=paid,
        received=received,
        dividends=0.0 if piece.european else max(priced.spot - worth, 0.0),
        stale=int(np.count_nonzero(~live)),
    )


def _live(
    strike: Floats,
    bought: Floats,
    sold: Floats,
    worth: tuple[float, float],
    weight: tuple[float, float],
    allowance: float,
) -> Bools:
    """Strikes whose synthetic forward lies within `allowance` of its bounds and of its neighbours' median."""
    (least, most), (paid, received) = worth, weight
    beyond = np.maximum(sold + received * strike - most, least - bought - paid * strike)
    odd = _out_of_line(0.5 * (bought + sold) + received * strike) - 0.5 * (bought - sold)
    return np.asarray((beyond <= allowance) & (odd <= allowance))


def _out_of_line(value: Floats) -> Floats:
    """Distance of each value from the median of itself and those `AROUND` it, which early exercise, bending the values
    steadily one way, leaves at nothing; 0 at the ends.
    """
    away = np.zeros(len(value))
    if len(value) > 2 * AROUND:
        around = np.lib.stride_tricks.sliding_window_view(value, 2 * AROUND + 1)
        away[AROUND:-AROUND] = np.abs(np.median(around, axis=1) - value[AROUND:-AROUND])
    return away


def _box_profits(board: _Board, fee: float, rate_doubt: float) -> Floats | None:
    """Profit of buying the synthetic at strike i and selling it at strike j, shape `(n, n)`, −inf where not allowed;
    None when no pair can earn anything.
    """
    piece, strike = board.piece, board.strike
    fees = 2.0 * fee / board.multiplier
    ask = board.bought + board.received * strike + fees
    bid = board.sold + board.received * strike - fees
    if not bid.max() - ask.min() - board.dividends > 0:
        return None
    width = strike[None, :] - strike[:, None]
    profit = bid[None, :] - ask[:, None] - board.dividends - rate_doubt * piece.tau * piece.discount * np.abs(width)
    allowed = width != 0 if piece.european else width > 0
    return np.where(allowed & (board.multiplier[None, :] == board.multiplier[:, None]), profit, -np.inf)


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.empty(0)


def _outright(priced: PricedChain, board: _Board, at: int, profit: float, *, selling: bool) -> Arbitrage:
    """The conversion (the synthetic is sold) or the reversal at one strike."""
    side = -1 if selling else 1
    return _arbitrage(
        priced,
        "conversion" if selling else "reversal",
        board.piece,
        ((int(board.call[at]), side), (int(board.put[at]), -side)),
        hedge=-side,
        profit=profit,
        capital=board.piece.discount * float(board.strike[at]),
    )


def _box(priced: PricedChain, board: _Board, buy: int, sell: int, profit: float) -> Arbitrage:
    piece, call, put = board.piece, board.call, board.put
    legs = ((int(call[buy]), 1), (int(put[buy]), -1), (int(call[sell]), -1), (int(put[sell]), 1))
    width = abs(float(board.strike[sell] - board.strike[buy]))
    # A long box ties up what it costs, about the discounted width; a short one the width as margin.
    kind: Kind = "long_box" if sell > buy else "short_box"
    capital = piece.discount * width if kind == "long_box" else width
    return _arbitrage(priced, kind, piece, legs, hedge=0, profit=profit, capital=capital)


def _arbitrage(
    priced: PricedChain,
    kind: Kind,
    piece: ExpirySlice,
    legs: tuple[tuple[int, int], ...],
    *,
    hedge: int,
    profit: float,
    capital: float,
) -> Arbitrage:
    chain = priced.chain
    sizes = [chain.ask_size[row] if quantity > 0 else chain.bid_size[row] for row, quantity in legs]
    return Arbitrage(
        kind=kind,
        root=piece.root,
        expiry=piece.expiry,
        strikes=tuple(sorted({float(chain.strike[row]) for row, _ in legs})),
        legs=tuple(
            ArbitrageLeg(str(chain.symbol[row]), quantity, float(chain.ask[row] if quantity > 0 else chain.bid[row]))
            for row, quantity in legs
        ),
        hedge=hedge,
        profit=profit,
        profit_per_unit=profit * float(chain.multiplier[legs[0][0]]),
        annual_return=float(profit / capital / piece.tau),
        units=float(min(sizes)) if np.isfinite(sizes).all() else None,
    )
