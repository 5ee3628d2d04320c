"""Who is held out as control: a fixed, secret draw per journey lineage and customer.

The draw depends on nothing that happens, so a customer is in the same arm however often the selection runs, and the
percentage can be raised without taking anybody out of the control group.
"""

import hashlib
import hmac

_BITS = 64


def in_control(*, salt: bytes, journey: str, customer: str, control_percent: int) -> bool:
    """Whether the customer belongs to the control group of the journey.

    Args:
        salt: the store's secret salt.
        journey: the journey's lineage, the same over all its versions.
        customer: the customer's stable id.
        control_percent: 0 (nobody) to 100 (everybody).

    Raises:
        ValueError: the percentage is out of range or the salt is empty.
    """
    if not 0 <= control_percent <= 100:  # noqa: PLR2004 - a percentage
        raise ValueError(f"control_percent must be 0 to 100, not {control_percent}")
    if not salt:
        raise ValueError("the holdout draw needs the store's salt")
    # The length keeps ("a", "bc") and ("ab", "c") apart.
    subject = f"{len(journey)}:{journey}{customer}".encode()
    draw = int.from_bytes(hmac.digest(salt, subject, hashlib.sha256)[: _BITS // 8])
    return draw * 100 < control_percent << _BITS
