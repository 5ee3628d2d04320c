"""A store with customers whose first message is written, made directly in a database."""

from dataclasses import dataclass
from datetime import datetime

from bench.journeys import template_journey
from models.enums import ConsentState, EnrollmentState, JourneyState
from models.tables import Customer, Enrollment
from storage.engine import Database
from storage.publishing import publish
from storage.secrets import Cipher
from storage.sends import Draft, save_draft
from storage.stages import locked_stage, stage_send
from storage.stores import NewStore, add_store, find_store, required_id

PHONE_NUMBER_ID = "100000000000001"
SECRET = "bench-secret"  # noqa: S105 - of nothing real


@dataclass(frozen=True, slots=True)
class Entrant:
    """A customer in the journey."""

    phone: str
    enrollment_id: str


@dataclass(frozen=True, slots=True)
class Shop:
    """The store's number and everybody in its journey."""

    number_id: int
    entrants: list[Entrant]


async def open_shop(database: Database, cipher: Cipher, *, entrants: int, now: datetime) -> Shop:
    """A store whose journey so many customers are in, each with a draft of the first stage."""
    new = NewStore(
        slug="bench",
        time_zone="Europe/London",
        currency="GBP",
        languages=("en",),
        default_region="GB",
        phone_number_id=PHONE_NUMBER_ID,
        waba_id="200000000000001",
        portfolio_id=None,
        whatsapp_token=SECRET,
        whatsapp_app_secret=SECRET,
        whatsapp_verify_token=SECRET,
        shop_domain="bench.myshopify.com",
        shop_token=SECRET,
        shop_webhook_secrets=(SECRET,),
    )
    async with database.write() as session:
        await add_store(session, new, cipher=cipher, now=now)
    async with database.read() as session:
        parts = await find_store(session, new.slug)
    definition = template_journey()
    async with database.write() as session:
        journey, version = await publish(session, parts.id, definition, now=now)
        journey.state = JourneyState.ACTIVE
        journey_id, version_id = required_id(journey.id), required_id(version.id)
    made = []
    for number in range(entrants):
        phone = f"+44770090{number:04d}"
        async with database.write() as session:
            customer = Customer(store_id=parts.id, phone=phone, consent=ConsentState.SUBSCRIBED)
            session.add(customer)
            await session.flush()
            enrollment = Enrollment(
                id=f"enr-{number}",
                store_id=parts.id,
                journey_id=journey_id,
                version_id=version_id,
                customer_id=required_id(customer.id),
                entry_key=f"order-{number}",
                priority=definition.priority,
                state=EnrollmentState.STARTING,
                selected_at=now,
                entered_at=now,
            )
            session.add(enrollment)
            await session.flush()
            stage = await locked_stage(session, enrollment.id, 0, 0)
            save_draft(stage_send(session, stage, 0, 0), Draft("winback_hello", "en", {"1": "friend"}), now=now)
            made.append(Entrant(phone, enrollment.id))
    return Shop(required_id(parts.number.id), made)
