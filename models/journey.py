"""A journey as its author wrote it, checked field by field; `models.journey_file` reads it from YAML with line numbers.

A definition is immutable once published: its JSON form is stored with the `JourneyVersion` and an enrollment runs to
its end on the version that it entered with. The kinds share everything but who enters and what a message may be. The
parts with a subject of their own have modules of their own and are named here too, so that callers import the whole
definition from one place.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

from pydantic import Field, TypeAdapter, field_validator, model_validator

from models.audience import Audience, ConsentRule, MoneyRange
from models.cart import Cart
from models.conversations import Conversations, Repeat, written_out
from models.coupon import COUPON_PRESETS, Coupon, FixedCoupon, PersonalCoupon, PresetCoupon
from models.enums import DEFAULT_PRIORITY, JourneyKind
from models.journey_base import MAX_MESSAGES, JourneyDefinition, Stage
from models.journey_rules import Finding
from models.message import AiInstruction, FallbackText, Message, TemplateRef, WinBackMessage
from models.sending import SendingRules, Weekday
from models.span import Span, Unit
from models.tracking import Tracking

__all__ = [
    "COUPON_PRESETS",
    "KINDS",
    "MAX_MESSAGES",
    "AbandonedCart",
    "AiInstruction",
    "Audience",
    "Cart",
    "ConsentRule",
    "Conversations",
    "Coupon",
    "Definition",
    "FallbackText",
    "FixedCoupon",
    "FollowUp",
    "JourneyDefinition",
    "Message",
    "MoneyRange",
    "PersonalCoupon",
    "PresetCoupon",
    "Repeat",
    "SendingRules",
    "Span",
    "Stage",
    "TemplateRef",
    "Tracking",
    "Unit",
    "Weekday",
    "WinBack",
    "WinBackMessage",
    "WinBackStage",
    "parse_definition_json",
]

_AT_ONCE: Final = Span(amount=0, unit=Unit.MINUTES)


class WinBackStage(Stage):
    """A stage whose message can go outside the 24-hour window."""

    message: WinBackMessage


class WinBack(JourneyDefinition):
    """Brings back customers who have not ordered for some time."""

    kind: Literal[JourneyKind.WIN_BACK]
    priority: int = Field(default=DEFAULT_PRIORITY[JourneyKind.WIN_BACK], ge=0, le=1000)
    stages: tuple[WinBackStage, ...]
    audience: Audience

    @property
    def control_percent(self) -> int:
        """As the audience says."""
        return self.audience.control_percent

    @property
    def re_entry_days(self) -> int:
        """As the audience says."""
        return self.audience.re_entry_days


class FollowUp(JourneyDefinition):
    """Writes again in conversations in which we spoke last and the customer went silent.

    Attributes:
        repeat: in a file only, never in a definition, where it is written out as stages.
        message: the message that is repeated; in a file only, as `repeat`.
    """

    kind: Literal[JourneyKind.FOLLOW_UP]
    priority: int = Field(default=DEFAULT_PRIORITY[JourneyKind.FOLLOW_UP], ge=0, le=1000)
    conversations: Conversations = Conversations()
    repeat: Repeat | None = Field(default=None, exclude=True)
    message: Any = Field(default=None, exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _write_out(cls, value: Any) -> Any:
        return written_out(value) if isinstance(value, dict) else value

    @field_validator("repeat", mode="before")
    @classmethod
    def _refuse_nothing(cls, value: Any) -> Any:
        if value is None:
            raise ValueError("nothing stands here; write such as repeat: {every: 2h, times: 1}")
        return value

    @field_validator("repeat")
    @classmethod
    def _refuse_both(cls, value: Repeat | None) -> Repeat | None:
        if value is not None:  # the short form alone has been written out before
            raise ValueError("the journey has both stages and repeat; write every message under stages, or repeat one")
        return value

    @field_validator("message")
    @classmethod
    def _refuse_message(cls, _message: Any) -> Any:
        raise ValueError("a message stands beside repeat, such as repeat: {every: 2h, times: 1}, or inside a stage")

    @classmethod
    def delay_findings(cls, stages: tuple[Stage, ...]) -> Iterator[Finding]:
        """The first delay is the silence, and there is none of length zero."""
        if stages and stages[0].after.amount == 0:
            yield Finding((0, "after"), f"{stages[0].after} is no silence; a follow-up waits for at least 1m")

    @property
    def control_percent(self) -> int:
        """As the conversations say."""
        return self.conversations.control_percent

    @property
    def entry_delay(self) -> Span:
        """The silence."""
        return self.stages[0].after

    def delay_of(self, stage: int) -> Span:
        """As for every journey, but entry has waited for the first message's silence already."""
        return super().delay_of(stage) if stage > 0 else _AT_ONCE


class AbandonedCart(JourneyDefinition):
    """Reminds customers of a checkout that they did not finish."""

    kind: Literal[JourneyKind.ABANDONED_CART]
    priority: int = Field(default=DEFAULT_PRIORITY[JourneyKind.ABANDONED_CART], ge=0, le=1000)
    cart: Cart = Cart()

    @property
    def control_percent(self) -> int:
        """As the cart says."""
        return self.cart.control_percent

    @property
    def entry_delay(self) -> Span:
        """How long a checkout stays open."""
        return self.cart.after


Definition = Annotated[WinBack | FollowUp | AbandonedCart | Tracking, Field(discriminator="kind")]

KINDS: Final[dict[JourneyKind, type[WinBack | FollowUp | AbandonedCart | Tracking]]] = {
    JourneyKind.WIN_BACK: WinBack,
    JourneyKind.FOLLOW_UP: FollowUp,
    JourneyKind.ABANDONED_CART: AbandonedCart,
    JourneyKind.TRACKING: Tracking,
}
"""The kinds that can be launched."""

_DEFINITION: Final[TypeAdapter[Definition]] = TypeAdapter(Definition)


def parse_definition_json(text: str) -> Definition:
    """The definition in a version's JSON.

    Raises:
        ValidationError: it is none.
    """
    return _DEFINITION.validate_json(text)
