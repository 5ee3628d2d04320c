"""Which message with which template a refusal is about, so that the same one is not asked for again and again.

Meta refuses a request for what is in it: the template as it has it, filled as a journey's version says. Either of the
two being another is another request.
"""

import hashlib
import json
from collections.abc import Sequence

from models.message import Message


def fingerprint(
    message: Message, *, variables: Sequence[str], named: bool, copy_code_index: int | None, body: str
) -> str:
    """What stands for a version's message together with the template's content at Meta.

    Args:
        message: as the journey's version has it.
        variables: of the template, in its order.
        named: whether they have names instead of numbers.
        copy_code_index: where its button is that copies a code.
        body: its text.
    """
    told = [message.model_dump_json(), list(variables), named, copy_code_index, body]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
