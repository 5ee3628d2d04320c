"""Which activities serve which task queue."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from activities.analysis import AnalysisActivities
from activities.audience import AudienceActivities
from activities.compose import ComposeActivities
from activities.daily_selection import DailySelectionActivities
from activities.follow_up import FollowUpActivities
from activities.health import HealthActivities
from activities.journey import JourneyActivities
from activities.prepare import PrepareActivities
from activities.reopen import ReopenActivities
from activities.reviewing import ReviewingActivities
from activities.send import SendActivities
from activities.services import Services
from activities.upkeep import UpkeepActivities
from activities.watch import WatchActivities
from activities.webhooks import WebhookActivities

Activity = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class ActivitySet:
    """The activities by the kind of queue that dispatches them.

    Attributes:
        main: the database's, on `queues.MAIN` beside the workflows.
        shop: those that ask one shop, on `shopify-<domain>`.
        whatsapp: those that send from one number, on `whatsapp-<phone_number_id>`.
        llm: those that ask the model, on `queues.LLM`.
        webhooks: those that tell stores' own systems, on `queues.WEBHOOKS`.
    """

    main: list[Activity]
    shop: list[Activity]
    whatsapp: list[Activity]
    llm: list[Activity]
    webhooks: list[Activity]


def activity_set(services: Services) -> ActivitySet:
    """Every activity, bound to its services."""
    journey, audience = JourneyActivities(services), AudienceActivities(services)
    prepare, send = PrepareActivities(services), SendActivities(services)
    compose, health = ComposeActivities(services), HealthActivities(services)
    watch, upkeep = WatchActivities(services), UpkeepActivities(services)
    reviewing, analysis = ReviewingActivities(services), AnalysisActivities(services)
    return ActivitySet(
        main=[
            journey.load_plan,
            journey.skip_stage,
            journey.wait_for_person,
            journey.conclude,
            ReopenActivities(services).reopen_stage,
            audience.launch_phase,
            audience.judge_page,
            audience.rank,
            audience.enroll_page,
            audience.finish_launch,
            audience.next_day,
            audience.start_entrants,
            DailySelectionActivities(services).begin_day,
            health.check_store,
            watch.look,
            reviewing.begin_run,
            reviewing.consider_page,
            reviewing.finish_run,
            analysis.next_reviews,
            analysis.give_up,
        ],
        shop=[
            audience.select_page,
            audience.enter_paced,
            prepare.prepare_stage,
            prepare.check_and_conclude,
            FollowUpActivities(services).follow_up,
            upkeep.keep_up,
        ],
        whatsapp=[send.send_message, send.settle_unknown],
        llm=[compose.compose_stage, analysis.analyse_conversation],
        webhooks=[WebhookActivities(services).deliver_webhook],
    )
