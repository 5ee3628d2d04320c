"""The answer for somebody who is not in a journey: what was decided about them and when, and what holds now."""

from datetime import datetime
from typing import Final, assert_never

from models.enums import AnswerCode, JourneyKind, JourneyState, LeftOut, ReviewOutcome
from models.journey import Tracking, WinBack
from policies.calendar import inactive_days
from policies.run_times import RunTimes
from reports.cases import Answer, Case
from reports.documents import ReviewView, RuleView
from reports.pauses import pause_advice, paused_words
from reports.wording import REVIEWS, outcome_words
from storage.daily_selections import selection_times

_LEFT_OUT: Final[dict[str, str | None]] = {
    LeftOut.NO_PHONE: "enter the customer's number in the shop; it is heard of by itself",
    LeftOut.NO_CONSENT: "ask the customer for consent to WhatsApp marketing in the shop; it is heard of by itself",
    LeftOut.UNSUBSCRIBED: "leave the customer alone; a new consent in the shop lets them be written to again",
    LeftOut.SMART_SENDING: "nothing to do; `smart_sending_days` in the journey file is the rest that a customer gets",
    LeftOut.RECENT_ORDER: "nothing to do; `recent_order_days` in the journey file is the rest after an order",
    LeftOut.IN_OTHER_JOURNEY: "`status PHONE` shows the other journey; a higher `priority` takes customers over",
    LeftOut.FILTER_INACTIVE_DAYS: "nothing to do, unless `inactive_days` in the journey file is wrong",
    LeftOut.FILTER_LAST_ORDER_TOTAL: "nothing to do, unless `last_order_total` in the journey file is wrong",
    LeftOut.FILTER_COLUMN: "move the card, or give the column a follow-up",
    LeftOut.FILTER_CLOSED: "`include_closed` in the journey file lets closed conversations in",
    LeftOut.FILTER_SILENCE: None,
    LeftOut.FILTER_CART: None,
    LeftOut.FILTER_CART_TOTAL: "nothing to do, unless the cart's `minimum` in the journey file is wrong",
    LeftOut.FILTER_ONLY_NEW: "`launch` without `--only-new` reads older ones too",
    LeftOut.RE_ENTRY: "nothing to do; `re_entry_days` in the journey file is the time between two entries",
    LeftOut.MARKETING_NOT_DELIVERABLE: "reach the customer in another way",
    LeftOut.ERASED: None,
    LeftOut.LIMIT: "`launch` again without `--limit`, or with a larger one",
    LeftOut.PACED: "a larger `max_per_day` in the journey file lets more in on a day",
    LeftOut.ALREADY_BOUGHT: None,
    LeftOut.ANALYSED: None,
    LeftOut.ANALYSED_LATELY: None,
    LeftOut.NO_TEXT: None,
    LeftOut.MAX_ATTEMPTS: None,
    LeftOut.NOT_VERIFIED: "see that the shop, and the CRM, answer: `store check`",
    LeftOut.MOVED_ON: None,
}


def paced(case: Case) -> Answer | None:
    """The answer for somebody who waits for a later day, or for room."""
    most = case.asked.definition.sending.max_per_day
    if case.paced is not None:
        row, before = case.paced.row, case.paced.before
        since = case.decision.at if case.decision is not None and case.decision.outcome == LeftOut.PACED else None
        text = (
            f"Qualifies, and waits for {row.day:%a %Y-%m-%d}: at most {most} customers enter {case.name} a day, and "
            f"{_count(before)} before them. The rules are asked again on that day."
        )
        return Answer(AnswerCode.PACED, text, since, None, _LEFT_OUT[LeftOut.PACED]).and_also(_stands(case))
    if case.watch is not None and case.watch.answer.outcome == LeftOut.PACED:
        since = case.decision.at if case.decision is not None else None
        text = (
            f"Qualifies, and waits for room: at most {most} customers enter {case.name} a day, and "
            f"{_count(case.watch.before)} before them. The rules are asked again as soon as there is room."
        )
        again = case.watch.answer.again_at or case.rounds.next_at
        return Answer(AnswerCode.PACED, text, since, again, _LEFT_OUT[LeftOut.PACED]).and_also(_stands(case))
    return None


def left_out(case: Case) -> Answer | None:
    """The answer for somebody about whom a rule said no, as it was then; and whether it would be otherwise now."""
    decision = case.decision
    if decision is None or decision.outcome not in set(LeftOut):
        return None
    text = f"Considered {case.local(decision.at)} and left out: {outcome_words(decision.outcome)}"
    text += f" ({decision.seen}; asked is {decision.threshold})." if decision.seen else f" ({decision.threshold})."
    until = case.failing.passes_at if case.failing is not None and case.failing.rule == decision.outcome else None
    if case.watch is not None and case.watch.answer.outcome == decision.outcome:
        until = case.watch.answer.again_at or until
    answer = Answer(AnswerCode.LEFT_OUT, text, decision.at, until, _LEFT_OUT[decision.outcome])
    return answer.and_also(_now(case, decision.outcome), _before(case), _stands(case))


def reviewed(case: Case) -> Answer | None:
    """The answer of a daily review that led to no follow-up."""
    if case.review is None:
        return None
    found: ReviewView = case.review
    line = found.review
    if line.reason is not None:
        text = f"The review of {case.local(found.began_at)} left them out: {outcome_words(line.reason.value)}"
        text += f" ({line.seen}; asked is {line.threshold})." if line.seen else "."
        answer = Answer(AnswerCode.LEFT_OUT, text, line.at, _next_look(case), _LEFT_OUT[line.reason])
        return answer.and_also(_now(case, line.reason.value), _stands(case))
    if line.outcome in (ReviewOutcome.ENROLLED, ReviewOutcome.CONTROL):
        return None
    text = f"The review of {case.local(found.began_at)} read their conversation: {REVIEWS[line.outcome]}"
    text += f" ({line.intent.value} intent)." if line.intent is not None else "."
    return Answer(AnswerCode.REVIEWED, text, line.at, _next_look(case), None).and_also(_next(case), _stands(case))


def of_journey(case: Case) -> Answer | None:
    """The answer where the journey itself takes nobody."""
    journey = case.asked.journey
    since, why = journey.state_since, journey.state_reason
    at = f" since {case.local(since)}" if since is not None else ""
    match journey.state:
        case JourneyState.ACTIVE:
            return None
        case JourneyState.DRAFT:
            text = f"{case.name} was never launched, so nobody is in it."
            return Answer(AnswerCode.JOURNEY_DRAFT, text, since, None, "`launch` its file")
        case JourneyState.PENDING:
            text = f"{case.name} waits{at} for {why or 'its templates'} and takes nobody before that."
            advice = "`templates --sync` asks Meta; it goes live by itself"
            return Answer(AnswerCode.JOURNEY_PENDING, text, since, None, advice)
        case JourneyState.PAUSED:
            since = journey.paused_since or since
            at = f" since {case.local(since)}" if since is not None else ""
            text = f"{case.name} is paused{at}: {paused_words(journey)}. Nobody enters it meanwhile."
            return Answer(AnswerCode.JOURNEY_PAUSED, text, since, None, pause_advice(journey))
        case JourneyState.STOPPED:
            text = f"{case.name} was stopped{at.replace('since ', '')}: {why or 'nobody said why'}. Nobody enters it."
            return Answer(AnswerCode.JOURNEY_STOPPED, text, since, None, "`launch` its file to go on")
        case JourneyState.ARCHIVED:
            text = f"{case.name} is archived{at}: it is kept for its numbers, and nobody enters it."
            return Answer(AnswerCode.JOURNEY_ARCHIVED, text, since, None, "`launch` another journey")
        case _:
            assert_never(journey.state)


def never_considered(case: Case) -> Answer:
    """The answer for somebody whom no selection, watch or review has met, by what the rules say now."""
    met = _never_met(case)
    rule = case.failing
    if rule is None:
        text = f"{met} Every rule lets them in now. {_next(case)}"
        at = _next_look(case)
        advice = "`launch` the file again" if case.kind is JourneyKind.WIN_BACK and at is None else None
        return Answer(AnswerCode.NEXT_SELECTION, text, None, at, advice)
    by_the_shop = rule.rule == LeftOut.FILTER_INACTIVE_DAYS
    what = f"{outcome_words(rule.rule)} ({rule.seen}; asked is {rule.threshold})"
    if by_the_shop:
        text = f"{met} The shop's own list of those who are quiet for long enough does not have them: {what}."
    else:
        text = f"{met} Asked now, a rule says no: {what}."
    code = AnswerCode.SHOP_FILTER if by_the_shop else AnswerCode.NEVER_CONSIDERED
    return Answer(code, text, None, rule.passes_at, _LEFT_OUT[rule.rule]).and_also(_from(case, rule))


def _never_met(case: Case) -> str:
    first = (
        "Rekindle did not know this customer until now; the shop has just told of them. " if case.newly_known else ""
    )
    last = case.rounds.last_at
    match case.kind:
        case JourneyKind.WIN_BACK:
            if last is None:
                return f"{first}{case.name} has not selected anybody yet."
            return f"{first}Never considered: the last selection, {case.local(last)}, did not meet them{_then(case)}."
        case JourneyKind.TRACKING if last is None:
            return f"{first}{case.name} has not reviewed anything yet."
        case JourneyKind.TRACKING:
            return f"{first}Never considered: no review has come to a conversation of theirs."
        case JourneyKind.FOLLOW_UP:
            return f"{first}Never considered: no silence of theirs has come due."
        case JourneyKind.ABANDONED_CART:
            return f"{first}Never considered: no cart of theirs has come due."
        case _:
            assert_never(case.kind)


def _then(case: Case) -> str:
    """What the shop's filter saw at the last selection, where it would have said no."""
    definition, last, ordered_at = case.asked.definition, case.rounds.last_at, case.ordered_at
    if last is None or ordered_at is None or not isinstance(definition, WinBack):
        return ""
    days, least = inactive_days(ordered_at, last, case.zone), definition.audience.inactive_days
    return f", whose last order was then {max(days, 0)} days old and must be {least}" if days < least else ""


def _now(case: Case, outcome: str) -> str:
    """Whether the rules say something else by now."""
    rule = case.failing
    if rule is None:
        return f"Asked now, every rule lets them in. {_next(case)}".rstrip()
    if rule.rule == outcome:
        return f"Asked now, the rule says the same ({rule.seen}). {_from(case, rule)}".rstrip()
    what = f"{outcome_words(rule.rule)} ({rule.seen}; asked is {rule.threshold})"
    return f"Asked now, another rule says no: {what}. {_from(case, rule)}".rstrip()


def _from(case: Case, rule: RuleView) -> str:
    if rule.passes_at is None or rule.passes_at <= case.now:
        return ""
    return f"It lets them in from {case.local(rule.passes_at)}, if nothing new happens."


def _next_look(case: Case) -> datetime | None:
    """When the journey looks for entrants next, by itself."""
    if not case.is_active:
        return None
    definition = case.asked.definition
    match case.kind:
        case JourneyKind.WIN_BACK:
            daily = case.rounds.daily_at
            return selection_times(daily, case.zone.key).following(case.now) if daily is not None else None
        case JourneyKind.TRACKING if isinstance(definition, Tracking):
            return RunTimes.of(definition, case.zone).following(case.now)
        case _:
            return case.rounds.next_at


def _next(case: Case) -> str:
    at = _next_look(case)
    match case.kind:
        case _ if not case.is_active:
            return ""
        case JourneyKind.WIN_BACK if at is None:
            return "The next selection takes them; nobody has asked for one yet."
        case JourneyKind.WIN_BACK if at is not None:
            return f"The next selection is {case.local(at)}."
        case JourneyKind.TRACKING if at is not None:
            return f"The next review is {case.local(at)}."
        case _ if at is not None:
            return f"The next look is {case.local(max(at, case.now))}."
        case _:
            return "The watch looks as soon as something comes due."


def _before(case: Case) -> str | None:
    if not case.passages:
        return None
    earlier = case.passages[0].enrollment
    return f"They were in it before, from {case.local(earlier.entered_at)}."


def _stands(case: Case) -> str | None:
    journey = case.asked.journey
    if journey.state is JourneyState.ACTIVE:
        return None
    return f"The journey is {journey.state.value} now, so nobody enters it."


def _count(before: int) -> str:
    return "nobody waits" if before == 0 else "one waits" if before == 1 else f"{before} wait"
