"""Words of the finance lexicon, written for this project from general knowledge of market English; no published
word list was copied. Read by `signals.sentiment`.

`word~` stands for the word with its regular endings (-s, -ed, -ing, …), a bare word for itself, `a_b` for a phrase.
"""

from collections.abc import Iterator, Mapping

STRONG, PLAIN, MILD, HINT = 1.0, 0.6, 0.28, 0.03
"""Weights of a word that stands alone. Two mild words are worth a stance, one is not; hints only break a tie."""

GOOD_THINGS = """
backlog backlogs bitcoin bookings breadth brent buyback buybacks cash cashflow confidence consumption copper crude
dax deliveries demand dividend dividends dow downloads earnings ebit ebitda efficiency eps equities equity estimate
estimates exports fair_value forecast forecasts ftse futures gdp gold growth guidance income index indices jobs lira
margin margins momentum nasdaq nikkei occupancy oil order orderbook orders outlook output passengers payrolls
permits peso popularity price_target production productivity profit profitability profits pt rating result results
retail revenue revenues rouble royalties s&p sales savings sentiment share share_price shares spending starts stock
stock_price stocks subscribers surplus traffic turnover users valuation viewership visitors volume volumes wages
yuan
"""

BAD_THINGS = """
bankruptcies cases charge charges churn claims complaints concerns cost costs deaths debt debts default defaults
deficit deficits delinquencies emissions expense expenses fear fears impairment impairments indebtedness infections
inflation injuries inventories jobless layoffs liabilities loss losses outages probability redundancies risk risks
tariff tariffs tax taxes uncertainty unemployment vacancy worries writedowns
"""

RESULTS = "profit profits profitability loss losses surplus deficit"
"""Things one can land in: after "fell to a loss" the loss decides, not the fall."""

UP = """
accelerate~ advance advances ascend~ boost~ climb~ double~ edge_up edged_up edges_up exceed~ expand~ gain~ goes_up
going_up grew grow growing grown grows growth higher hike~ improve~ inch_up increase~ jump~ leap~ leapt lift~
outpace~ pick_up picked_up picks_up quadruple~ raise~ rallied rallies rally rallying rebound~ recover~ rise risen
rises rising rose skyrocket~ soar~ spike~ strengthen~ surge~ swell~ triple~ up upgrade~ uptick went_up widen~ zoom~
"""

DOWN = """
collapse~ contracted contracting crash~ crater~ cut cuts cutting decline~ decrease~ deteriorate~ diminish~ dip
dipped dipping dips dive~ dove down downgrade~ drop dropped dropping drops eased easing edge_down edged_down
edges_down erode~ fall fallen falling falls fell fewer goes_down going_down halt~ halve~ less lower lowered lowering
lowers narrow~ plummet~ plunge~ reduce~ reduction retreat retreated retreats sank scrap~ shed shedding sheds shrank
shrink shrinking shrinks shrunk sink sinking sinks slash~ slid slide slides sliding slip slipped slipping slips
slowdown slowed slowing slows slump~ sunk suspend~ tank tanked tanking tanks trim trimmed trimming trims tumble~
weaken~ went_down worsen~
"""

POSITIVE: Mapping[float, str] = {
    STRONG: """
above_consensus above_estimates above_expectations ahead_of_estimates ahead_of_expectations all_time_high beat
beating beats better_than_expected better_than_feared blast_off boost~ break_out breaking_out breakout breakouts
breaks_out breakthrough broke_out broken_out bull_camp bull_flag bull_run bullish buoyed buy_rating buy_the_dip
crazy_about cup_and_handle double_bottom fresh_high gains_market_share golden_cross higher_high higher_highs
higher_than_expected improve~ improvement improvements initiated_at_buy into_the_black leap~ leapt lift_off liftoff
market_share_gains milestone month_high moon mooning multi_year_high new_high new_highs optimism optimistic outpace~
outperform~ oversold overweight piling_into price_target_lifted price_target_raised profitable pt_boosted pt_lifted
pt_raised pt_up raised_guidance raised_its_outlook raises_guidance raises_outlook raises_price_target rallied
rallies rally rallying rated_buy rebound~ record_closing_high record_closing_highs record_earnings record_high
record_highs record_profit record_quarter record_revenue record_sales record_year reinstated reinstates
return_to_profit returned_to_profit returns_to_profit robust short_squeeze skyrocket~ smash~ snapping_up soar~
starts_at_buy strong_buy stronger strongest surge~ surpass~ swings_to_a_net_profit swings_to_profit
swung_to_a_net_profit swung_to_a_profit swung_to_net_profit swung_to_profit take_off target_boosted target_lifted
target_raised target_raised_to tendies thrive~ to_the_moon topped tops turned_to_a_profit turned_to_profit
undervalued upbeat upgrade~ upgraded_to upgraded_to_buy upside upside_potential warming_up_to week_high
wins_approval won year_high zoomed 52_week_high 52_week_highs
""",
    PLAIN: """
accelerate~ added_more advantage applause approval approve approved approves attractive awarded beat_by
beats_estimates best_financial_result best_result bot_some bounce bounced bounces bouncing bullishness buyback
buybacks climb~ comeback commanding_lead competitive_advantage deal_hopes delighted dividend_hike
double_digit_growth dovish eases_fears easing_fears encouraging exceed~ excellent expanding explosive fast_growing
fast_track favorable favourable fda_approval fda_approves fears_ease financial_result_ever fires_on_all fresh_record
full_steam gain gained gains good_news granted great_results green_light grew growing_interest higher hope hopeful
hopes impressed impressive in_line increases_dividend is_a_buy jump~ large_order largest_ever leading_position
leads_the_way looking_good looks_good maintains_buy major_contract market_leader meets_estimates momentum_building
must_buy new_record notch_records on_track outperformance outstanding partner_in positive positive_data
positive_impact positive_results praise praised price_hike price_increase priority_review profitability proved~
raised raises raises_dividend ramp_up ramping record_close records_for recover~ recovery reiterates_buy resilient
resume_buying resumed_at_buy return_to_profitability returned_to_profitability rises rising risk_on roaring
rocketing rose screaming_buy sealed second_largest signed_a_contract signed_an_agreement significant_step
signs_contract snap_up sold_out solid special_dividend strategic_partnership strengthen~ strong strong_demand
succeeded success successful successful_trial successfully taking_flight tops_estimates trade_deal turnaround
upswing uptrend upward well_positioned win_win winners winning_bid wins_contract won_contract 📈 🚀
""",
    MILD: """
alliance bargain bull bulls buy buying constructive contract_win contracts cooperation deal demand dividend_growth
double~ efficiency efficient enhance~ excited expand~ expansion flexible grow grows growth ideal increase~
innovative largest_order long_term_contract lucrative momentum nice orders_worth partnership pleased pleasure
profits promising proud recognised recognized renewed reward~ rise rocket satisfied secure secured secures signed
significant_order stability stable step_forward strength superior support_zone tightens_grip tops_list triple~
""",
    HINT: """
above acquire~ acquisition add added adding adds agree~ agreement aim~ appoint~ approach attract~ award~ backing
backs bags benefit~ best better bid bids bought build~ buys call calls cheap clear~ complete~ confident contract
deal~ deliver~ develop~ easier escape~ extend~ first fly free fun gold good great green growing haha happy healthy
high highs hold holding holds hot innovation integrate~ interest invest~ joint jointly lands launch~ leader leading
like likes lol long love lures merger modern names new nod offer offers open~ opportunities opportunity order orders
partner~ plan plans popular power premium raise~ ready receive~ recommended regain~ reiterates resilience savings
settle settled settlement settles sign signal signs starting stimulus strongly supply support~ takeover target
targets top trumpets up win winning wins wow yes :) :d
""",
}

NEGATIVE: Mapping[float, str] = {
    STRONG: """
awful bagholder bagholders bankrupt bear_flag bearish below_consensus below_estimates below_expectations bleed~
bloodbath break_down breaking_down broke_down brutal chapter_11 class_action collapse~ crash~ crater~ cut_dividend
cut_guidance cut_jobs cuts_dividend cuts_guidance cuts_jobs cuts_outlook death_cross default_on delisted delisting
disappoint~ disappointment dividend_cut doomed double_top downgrade~ downgraded_from downgraded_to dumped fraudulent
goes_lower going_concern going_lower head_and_shoulders headed_lower horrible impairment in_the_red into_the_red
job_cuts laid_off lay_off laying_off layoff layoffs lays_off lower_high lower_low lower_lows lower_than_expected
lowered_guidance lowers_guidance miss misses missing month_low multi_year_low new_low new_lows overbought overvalued
plummet~ plunge~ ponzi price_target_cut profit_warning pt_cut pt_lowered pt_trimmed recalls recession record_loss
record_low redundancies redundant rekt rolling_over sank scandal screwed sell_off sell_offs sell_rating sell_signal
selloff selloffs short_of_estimates short_of_expectations sink sinking sinks slash~ slipped_to_a_loss slump~ sunk
suspended_dividend suspends_dividend swings_to_a_loss swings_to_loss swung_to_a_loss swung_to_a_net_loss
swung_to_loss swung_to_net_loss target_cut target_lowered target_reduced target_slashed target_trimmed terrible
toast toppy tumble~ turned_to_a_loss ugly under_pressure underperform~ underweight unprofitable wants_lower warned
warns weaker weakest weakness week_low wipe_out wiped wipes_out worse_than_expected worthless writedown year_low
52_week_low 52_week_lows
""",
    PLAIN: """
a_negative antitrust are_dumping are_selling back_off bad_news bankruptcy bear_market bearish_on below_the_level
bleak breach burden burdened cancel~ cancellation cash_burn cashing_out challenging closure closures concerns
contagion crisis_deepens cuts_stake cyberattack damage~ dangerous darker decelerates decline~ declines_to_approve
delist deteriorate~ difficult difficulties dilution dim dips dismal downbeat downside downtrend downturn drag~
drag_on drop dropped dropping drops emergency fades fading failed failure fall falling falls fear_grows fears fell
fined fines_of fraud_charges furlough~ gloom gloomy grim hack hacked halting hammered hamper hawkish headwinds
hit_by hit_hard hit_to hits_profit hurt~ insolvencies insolvency investigations is_dumping job_losses lagged lagging
lags lawsuit lawsuits left_behind liquidation losers loses loss loss_making losses lost lower lower_guidance
lowest_finish make_redundant miserable misery miss_estimates missed_analyst missed_estimates missed_expectations
negative negative_effect negative_impact negative_impacts negative_results obliterated ousted outage penalties peril
perilous pessimistic poorly pouring_cold_water pressured probe probes pull_back pulls_back pulls_guidance recall
recalled reject rejected rejects remain_below remained_below resigned resigns risk_of_default riskiest sanction
sanctions scaling_back shortages shortfall shutdown skid skids slid slide slides sliding slip slipped slipping slips
slowdown slowing sluggish snarled soft_outlook souring_on stagnated stay_away stepped_down stepping_down steps_down
struggle~ stumble~ sue sued sues suffer~ suing suspend~ suspension to_cut_jobs trouble troubled troubles turbulent
turmoil uncertain uncertainties upside_down violation violations virus_hit wane wanes warn warning weak weigh_on
weighed_on weighs_on withdraw~ withdraws_guidance withdrew_guidance woes worried worries worry worsen~ 🐻 📉
""",
    MILD: """
accident accuse~ axe banned bears blame~ burning close_stores closing_stores concern costly criticise~ criticize~
cut cuts decrease~ dip dipped dipping dismiss~ disrupted disruption disruptions down drain drawdown expensive
flat_sales fluctuated glut lose losing oversupply pressure selling shorted shorting shorts skeptical slow stagnant
strike strikes tension tensions terminate~ unstable volatile
""",
    HINT: """
against allegation allegations alleged attack~ avoid bad ban bans bear below breakdown breaks_down bubble burn
careful cautious claim claims close~ cloud~ coronavirus cost crisis death deaths debt delay~ despite died dispute~
dump dumping end ending exit~ fail fails fear fine fines fired fraud guilty halt halted halts hard investigation
lack lacks leave~ limited limits low lows missed no off oil_spill outbreak pandemic penalty poor problem problems
protest~ put puts question~ quit quits red resistance restructuring risk risky scared scrap~ sell short shortage
shut shuts slams sold spill squeeze step_down step_up stop stopped strike~ stuck tariff tariffs threat threaten~
tough unable virus wait war without worse worst wrong
""",
}

NEUTRAL = """
a_long a_stake after_tax after_taxes as_long asks_for_the_approval at_best at_least award_winning back_up
bear_in_mind before_tax before_taxes best_managed best_practice better_known book_value call_center call_centre
call_for call_option called_for calls_for catch_up conference_call customer_support declares_dividend dividend_fund
dividend_of drop_the_ball dropped_the_ball earnings_call end_up ended_up ends_up equal_weight equity_stake
fine_print follow_up for_sale from_buy from_hold from_neutral from_outperform from_overweight from_strong_buy
from_underperform from_underweight gain_access gold_mine great_deal green_bonds green_building green_hydrogen
growth_and_income growth_opportunities growth_stocks how_long in_order income_fund income_stocks income_tax
last_order lead_time long_term long_term_gain long_time long_way made_up make_up market_open market_report
market_research market_value most_popular nasdaq_omx natural_gas no_longer nominal_value number_of_shares
oil_and_gas oil_company on_top option_to order_to orders_to organic_growth positive_for_coronavirus power_plant
price_list put_in put_on put_option put_out put_up puts_in puts_on rating_agency raw_material_prices
restructuring_costs restructuring_expenses results_of risk_reward sale_of set_up settlement_prices share_capital
share_index share_premium shares_and_voting shares_of_stock short_seller short_sellers short_term short_term_pain
sign_up so_long stake_in start_up stock_exchange stock_market_index stock_options stock_to_buy strong_buy_list
subject_to_approval support_services target_date tax_free tax_loss technical_support the_best the_sale the_top
to_date to_market to_order too_long top_line top_of top_quality top_stocks total_number up_to value_stocks
voting_rights well_known
"""
"""Phrases whose words mean nothing here."""

LONG = "long longs buy buying bought bot added adding accumulate accumulating loading"
SHORT = "short shorts shorting shorted sell selling fade"
CALLS, PUTS = "call calls", "put puts"
"""Words that are a stance when a cashtag stands beside them: "long $GME", "bought $GME puts"."""

NEGATIONS = """
aren't can't cannot cant couldn't didn't didnt doesn't don't dont hardly hasn't haven't isn't isnt n't neither never
never_been_less no none nor not wasn't weren't without won't wont wouldn't
"""

STRONGER = """
clearly considerably huge massive massively never_been_more never_been_so never_been_this sharply significantly steeply
strongly substantially super very way
"""

WEAKER = "could hopes if little marginally may maybe might mildly modestly partially partly perhaps slightly somewhat"


def forms(word: str) -> tuple[str, ...]:
    """The word with its regular endings: -s, -ed, -d, -ing, -es and -ed after a hiss; e dropped before -ing."""
    if word.endswith("e"):
        return word, word + "s", word + "d", word[:-1] + "ing"
    if word.endswith(("ss", "sh", "ch")):
        return word, word + "es", word + "ed", word + "ing"
    return word, word + "s", word + "ed", word + "ing"


def expanded(listing: str) -> Iterator[str]:
    """Every form of every entry of a listing; phrases keep their `_`."""
    for entry in listing.split():
        yield from forms(entry[:-1]) if entry.endswith("~") else (entry,)
