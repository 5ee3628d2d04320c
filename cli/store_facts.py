"""What `store add` is told, from options, a file, the environment and questions, checked as a whole."""

import getpass
import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import phonenumbers

from cli.failures import USAGE, Failure
from models.warm_up import NONE, WarmUp
from policies.stop_words import is_usable
from policies.throughput import FASTEST
from policies.zones import zone_or_none
from storage.secrets import is_signing_secret
from storage.stores import NewStore

_SECRETS: Final = {
    "whatsapp_token": "WhatsApp access token",
    "whatsapp_app_secret": "Meta app secret",
    "whatsapp_verify_token": "webhook verify token (chosen by you, entered at Meta too)",
    "shop_token": "Shopify Admin API access token",
    "shop_webhook_secret": "Shopify app's client secret",
}
_FACTS: Final = {
    "name": "store's name",
    "time_zone": "time zone (such as Europe/Madrid)",
    "currency": "currency (such as EUR)",
    "languages": "languages (such as en es)",
    "phone_number_id": "phone number id",
    "waba_id": "WhatsApp Business Account id",
    "shop_domain": "shop domain (such as example.myshopify.com)",
}
_SIGNS_QUESTIONS: Final = "crm_secret"
_OPTIONAL: Final = (
    "region",
    "portfolio_id",
    "shop_endpoint",
    "whatsapp_endpoint",
    "salt",
    "stop_words",
    "alert_emails",
    "crm_url",
    _SIGNS_QUESTIONS,
)
_OF_NUMBER: Final = ("warm_up", "messages_per_second")
_LISTS: Final = ("languages", "stop_words", "alert_emails")
_ENVIRONMENT: Final = "REKINDLE_STORE_"

_LARGEST_FILE: Final = 64 * 1024


def read_new_store(given: Mapping[str, Any], from_file: Path | None) -> NewStore:
    """Everything about the store; options win over the file, the file over the environment, questions come last.

    Raises:
        Failure: something is missing and cannot be asked for, or is wrong; everything is listed, no secret is shown.
    """
    facts: dict[str, Any] = _file(from_file) if from_file is not None else {}
    facts |= {key: value for key, value in given.items() if value is not None}
    for key in (*_SECRETS, _SIGNS_QUESTIONS):
        value = os.environ.get(_ENVIRONMENT + key.upper())
        if key not in facts and value:
            facts[key] = value
    _ask(facts)
    problems = [text for key, wrong in _CHECKS.items() if key in facts and (text := wrong(facts[key])) is not None]
    problems += [f"{key} is empty" for key in _SECRETS if not str(facts[key]).strip()]
    problems += [
        f"{key} holds characters that no credential has"
        for key in _SECRETS
        if not (str(facts[key]).isascii() and str(facts[key]).strip().isprintable())
    ]
    if problems:
        raise Failure(*problems)
    return NewStore(
        slug=facts["name"],
        time_zone=facts["time_zone"],
        currency=facts["currency"].upper(),
        languages=tuple(facts["languages"]),
        default_region=str(facts["region"]).upper() if facts.get("region") else None,
        phone_number_id=str(facts["phone_number_id"]),
        waba_id=str(facts["waba_id"]),
        portfolio_id=str(facts["portfolio_id"]) if facts.get("portfolio_id") else None,
        whatsapp_token=facts["whatsapp_token"].strip(),
        whatsapp_app_secret=facts["whatsapp_app_secret"].strip(),
        whatsapp_verify_token=facts["whatsapp_verify_token"].strip(),
        shop_domain=facts["shop_domain"].lower(),
        shop_token=facts["shop_token"].strip(),
        shop_webhook_secrets=(facts["shop_webhook_secret"].strip(),),
        shop_endpoint=facts.get("shop_endpoint"),
        whatsapp_endpoint=facts.get("whatsapp_endpoint"),
        salt=facts.get("salt"),
        stop_words=tuple(facts["stop_words"]) if "stop_words" in facts else None,
        warm_up=_warm_up_of(facts["warm_up"]) if "warm_up" in facts else None,
        messages_per_second=facts.get("messages_per_second"),
        crm_url=facts.get("crm_url"),
        crm_secret=facts.get(_SIGNS_QUESTIONS),
        alert_emails=tuple(facts["alert_emails"]) if "alert_emails" in facts else None,
    )


def _file(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as content:
            found = json.loads(content.read(_LARGEST_FILE))
    except FileNotFoundError:
        raise Failure(f"{path}: there is no such file", code=USAGE) from None
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise Failure(f"{path} is not JSON") from None
    if not isinstance(found, dict):
        raise Failure(f"{path} holds no JSON object")
    known = {*_FACTS, *_SECRETS, *_OPTIONAL, *_OF_NUMBER}
    problems = [
        f"{path}: {key!r} is not known; known are {', '.join(sorted(known))}" for key in found if key not in known
    ]
    problems += [
        f"{path}: {key} must be a text"
        for key, value in found.items()
        if key in known and key not in {*_LISTS, *_OF_NUMBER} and not isinstance(value, str)
    ]
    for key in _LISTS:
        texts = found.get(key, [])
        if not (isinstance(texts, list) and all(isinstance(one, str) for one in texts)):
            problems.append(f"{path}: {key} must be a list of texts")
    if problems:
        raise Failure(*problems)
    return found


def _ask(facts: dict[str, Any]) -> None:
    missing = [key for key in (*_FACTS, *_SECRETS) if key not in facts]
    if missing and not sys.stdin.isatty():
        told = [f"{key} is missing ({(_FACTS | _SECRETS)[key]})" for key in missing]
        hint = f"give them as options, with --from FILE, or secrets as {_ENVIRONMENT}..."
        raise Failure(*told, hint, code=USAGE)
    for key in missing:
        if key in _SECRETS:
            facts[key] = getpass.getpass(f"{_SECRETS[key]}: ", stream=sys.stderr)
        else:
            sys.stderr.write(f"{_FACTS[key]}: ")
            sys.stderr.flush()
            answer = sys.stdin.readline().strip()
            facts[key] = answer.replace(",", " ").split() if key == "languages" else answer


def _matching(pattern: str, text: str) -> Callable[[str], str | None]:
    compiled = re.compile(pattern)
    return lambda value: None if compiled.fullmatch(value) else text.format(value=value[:60])


def _languages(value: list[str]) -> str | None:
    wrong = [one for one in value if re.fullmatch(r"[a-z]{2,3}(_[A-Z]{2})?", one) is None]
    if wrong or not value:
        given = ", ".join(map(repr, wrong)) or "nothing"
        return f"languages: {given} cannot be used; write them as WhatsApp does, such as en or pt_BR"
    return None


def _stop_words(value: list[str]) -> str | None:
    if all(one.isprintable() and is_usable(one) for one in value):
        return None
    return "a stop word has letters or digits, and at most 200 characters"


def _warm_up_of(value: Any) -> str:
    """The rule as it is stored.

    Raises:
        ValueError: it is none.
    """
    rule = WarmUp.parse(value) if isinstance(value, str) else WarmUp.model_validate(value)
    return NONE if rule is None else str(rule)


def _warm_up(value: Any) -> str | None:
    try:
        _warm_up_of(value)
    except ValueError as error:
        if isinstance(value, str):
            return str(error)
        return 'warm_up is {"start": 50, "grow": 1.5, "ceiling": "tier"} or "none"'
    return None


def _messages_per_second(value: Any) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= FASTEST:
        return None
    return f"messages_per_second is a number from 1 to {FASTEST}"


def _alert_emails(value: list[str]) -> str | None:
    wrong = [one for one in value if re.fullmatch(r"[^\s@<>,;\"]+@[^\s@<>,;\"]+\.[^\s@<>,;\"]+", one) is None]
    return f"{wrong[0][:60]!r} is no e-mail address" if wrong else None


def _zone(value: str) -> str | None:
    return None if zone_or_none(value) is not None else f"{value[:60]!r} is no IANA time zone, such as Europe/Madrid"


def _region(value: str) -> str | None:
    if not value or value.upper() in phonenumbers.SUPPORTED_REGIONS:
        return None
    return f"{value[:20]!r} is no country code of two letters, such as ES"


def _salt(value: str) -> str | None:
    return None if re.fullmatch(r"[0-9a-f]{64}", value) else "salt must be 32 bytes in hex"


def _crm_secret(value: str) -> str | None:
    return None if is_signing_secret(value) else "crm_secret must be whsec_ and 24 to 64 bytes in base64"


_CHECKS: Final[dict[str, Callable[[Any], str | None]]] = {
    "name": _matching(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", "{value!r} is no name: small letters, digits and hyphens"),
    "time_zone": _zone,
    "currency": _matching(r"[A-Za-z]{3}", "{value!r} is no currency; write its three letters, such as EUR"),
    "languages": _languages,
    "stop_words": _stop_words,
    "alert_emails": _alert_emails,
    "warm_up": _warm_up,
    "messages_per_second": _messages_per_second,
    "region": _region,
    "phone_number_id": _matching(r"\d{5,20}", "phone_number_id is Meta's id of the number: digits only"),
    "waba_id": _matching(r"\d{5,20}", "waba_id is Meta's id of the account: digits only"),
    "shop_domain": _matching(
        r"(?i)[a-z0-9][a-z0-9-]*\.myshopify\.com",
        "{value!r} is not the shop's permanent domain, such as example.myshopify.com",
    ),
    "shop_endpoint": _matching(r"https?://\S+", "shop_endpoint must start with https:// or http://"),
    "whatsapp_endpoint": _matching(r"https?://\S+", "whatsapp_endpoint must start with https:// or http://"),
    "salt": _salt,
    _SIGNS_QUESTIONS: _crm_secret,
}
