"""The coupon of a journey: one code for all, one for each customer, or the house's preset terms."""

from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, Discriminator, Field, Tag, ValidationInfo, field_validator

from models.definition import INVALID, Amount, Strict

COUPON_CODE_LENGTH: Final = 15
"""Longest code of WhatsApp's copy-code button, letters and digits only."""

GENERATED_CODE_LENGTH: Final = 8
"""Characters that are added to a personal coupon's prefix."""


class FixedCoupon(Strict):
    """One code, made by the shop, the same for everybody."""

    code: str = Field(min_length=1, max_length=COUPON_CODE_LENGTH, pattern=r"^[A-Za-z0-9]+$")


class PersonalCoupon(Strict):
    """One code per customer, created in Shopify when the first message that needs it is prepared."""

    percent: int | None = Field(default=None, ge=1, le=100)
    amount: Amount | None = Field(default=None, gt=0, validate_default=True)
    prefix: str = Field(default="BACK", pattern=rf"^[A-Z0-9]{{1,{COUPON_CODE_LENGTH - GENERATED_CODE_LENGTH}}}$")
    valid_days: int = Field(default=30, ge=1, le=365)
    minimum: Amount | None = Field(default=None, ge=0)

    @field_validator("amount")
    @classmethod
    def _check_one_worth(cls, value: Decimal | None, info: ValidationInfo) -> Decimal | None:
        percent = info.data.get("percent", INVALID)
        if percent is None and value is None:
            raise ValueError("the coupon is worth nothing; give percent or amount (or code or preset instead)")
        if percent is not None and value is not None:
            raise ValueError("the coupon has both percent and amount; give one of them")
        return value


class PresetCoupon(Strict):
    """One of the house's presets by name (`models.journey.COUPON_PRESETS`)."""

    preset: Literal["gentle", "standard", "strong"]


def _coupon_form(value: Any) -> str:
    """Which of the three forms the author meant, by the key that only that form has."""
    keys = value if isinstance(value, dict) else type(value).model_fields if isinstance(value, BaseModel) else ()
    return "fixed" if "code" in keys else "preset" if "preset" in keys else "personal"


def _check_one_form(value: Any) -> Any:
    if isinstance(value, dict):
        forms = [key for key in ("code", "preset", "percent", "amount") if key in value]
        if len(forms) > 1 and {"code", "preset"} & set(forms):
            raise ValueError(f"the coupon has {' and '.join(forms)}; it is one of code, preset, percent or amount")
    return value


Coupon = Annotated[
    Annotated[FixedCoupon, Tag("fixed")]
    | Annotated[PersonalCoupon, Tag("personal")]
    | Annotated[PresetCoupon, Tag("preset")],
    Discriminator(_coupon_form),
    BeforeValidator(_check_one_form),
]

COUPON_PRESETS: dict[str, PersonalCoupon] = {
    "gentle": PersonalCoupon(percent=5, valid_days=30),
    "standard": PersonalCoupon(percent=10, valid_days=14),
    "strong": PersonalCoupon(percent=20, valid_days=7),
}
