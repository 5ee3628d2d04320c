"""The templates that the sandbox starts with, and how a WABA lists them.

The names and their variables are the ones that the shipped journeys use; the words are the sandbox's own.
"""

import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from models.enums import TemplateStatus

VARIABLE = re.compile(r"\{\{\s*([a-z0-9_]+)\s*\}\}")

_BODIES = {
    "winback_hello": {
        "en": "Hi {{1}}, it has been a while! We would love to see you again.",
        "es": "Hola, {{1}}: ¡cuánto tiempo! Nos encantaría volver a verte.",
        "pt_BR": "Oi, {{1}}! Faz tempo que você não aparece. Vamos adorar ver você de novo.",
    },
    "winback_note": {
        "en": "A note from our team: {{1}} Just reply to this message if you need anything.",
        "es": "Una nota de nuestro equipo: {{1}} Responde a este mensaje si necesitas algo.",
        "pt_BR": "Um recado da nossa equipe: {{1}} Responda a esta mensagem se precisar de algo.",
    },
    "follow_up_note": {
        "en": "About our conversation: {{1}} We are here if you have questions.",
        "es": "Sobre nuestra conversación: {{1}} Aquí estamos si tienes preguntas.",
        "pt_BR": "Sobre a nossa conversa: {{1}} Estamos aqui se você tiver perguntas.",
    },
    "tracking_note": {
        "en": "An update for you: {{1}} Thank you for your patience.",
        "es": "Una novedad para ti: {{1}} Gracias por tu paciencia.",
        "pt_BR": "Uma novidade para você: {{1}} Obrigado pela paciência.",
    },
    "winback_coupon": {
        "en": "{{1}}, here is something to make coming back easier: use the code {{2}} at checkout.",
        "es": "{{1}}, un detalle para que vuelvas: usa el código {{2}} al pagar.",
        "pt_BR": "{{1}}, um presente para você voltar: use o código {{2}} ao pagar.",
    },
    "winback_pending": {
        "en": "Hi {{1}}, our new season has just arrived.",
        "es": "Hola, {{1}}: acaba de llegar nuestra nueva temporada.",
        "pt_BR": "Oi, {{1}}! A nossa nova coleção acabou de chegar.",
    },
    "winback_paused": {
        "en": "Hi {{1}}, your favourites are waiting for you.",
        "es": "Hola, {{1}}: tus favoritos te esperan.",
        "pt_BR": "Oi, {{1}}! Os seus favoritos esperam por você.",
    },
}
_STATUSES = {"winback_pending": TemplateStatus.PENDING, "winback_paused": TemplateStatus.PAUSED}
_UTILITY = frozenset({"tracking_note"})
_COPY_CODE_LABEL = "Copy offer code"
_SAMPLES = {"1": "Ada", "2": "COMEBACK10"}


@dataclass(slots=True)
class SandboxTemplate:
    """One template in one language.

    Attributes:
        name: the template's name.
        language: such as `en` or `pt_BR`.
        body: the text with its variables in double braces.
        status: its state; only `APPROVED`, `FLAGGED` and `REINSTATED` can be sent.
        category: `MARKETING` or `UTILITY`.
        parameter_format: whether variables go by position or by name.
        copy_code: it has a copy-code button, the first and only one.
        quality: Meta's colour for it.
    """

    name: str
    language: str
    body: str
    status: TemplateStatus = TemplateStatus.APPROVED
    category: Literal["MARKETING", "UTILITY"] = "MARKETING"
    parameter_format: Literal["POSITIONAL", "NAMED"] = "POSITIONAL"
    copy_code: bool = False
    quality: str = "GREEN"
    id: str = ""
    variables: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.variables = tuple(dict.fromkeys(VARIABLE.findall(self.body)))
        if not self.id:
            self.id = str(700_000_000_000_000 + zlib.crc32(f"{self.name}/{self.language}".encode()))

    def render(self, values: Mapping[str, str]) -> str:
        """The words that the customer reads."""
        return VARIABLE.sub(lambda found: values[found[1]], self.body)

    def node(self) -> dict[str, Any]:
        """The template as the Graph API shows it, with every field."""
        if self.parameter_format == "NAMED":
            named = [{"param_name": name, "example": "example"} for name in self.variables]
            example: dict[str, Any] = {"body_text_named_params": named}
        else:
            example = {"body_text": [[_SAMPLES.get(name, "example") for name in self.variables]]}
        body: dict[str, Any] = {"type": "BODY", "text": self.body}
        if self.variables:
            body["example"] = example
        components = [body]
        if self.copy_code:
            button = {"type": "COPY_CODE", "text": _COPY_CODE_LABEL, "example": ["COMEBACK10"]}
            components.append({"type": "BUTTONS", "buttons": [button]})
        return {
            "id": self.id,
            "name": self.name,
            "status": self.status.value,
            "category": self.category,
            "language": self.language,
            "parameter_format": self.parameter_format,
            "components": components,
            "quality_score": {"score": self.quality, "date": 1_795_000_000},
            "rejected_reason": "NONE",
            "previous_category": None,
            "correct_category": self.category,
            "message_send_ttl_seconds": None,
        }


def house_templates() -> list[SandboxTemplate]:
    """Fresh copies of the templates that every sandbox starts with."""
    return [
        SandboxTemplate(
            name=name,
            language=language,
            body=body,
            status=_STATUSES.get(name, TemplateStatus.APPROVED),
            category="UTILITY" if name in _UTILITY else "MARKETING",
            copy_code=name == "winback_coupon",
        )
        for name, bodies in _BODIES.items()
        for language, body in bodies.items()
    ]


class TemplateRegistry:
    """A WABA's templates by name and language."""

    def __init__(self, templates: Iterable[SandboxTemplate]) -> None:
        self._by_key = {(template.name, template.language): template for template in templates}

    def get(self, name: str, language: str) -> SandboxTemplate | None:
        """The template, if there is one."""
        return self._by_key.get((name, language))

    def add(self, template: SandboxTemplate) -> None:
        """Add a template, or replace the one of its name and language."""
        self._by_key[template.name, template.language] = template

    def matching(self, filters: Mapping[str, str]) -> list[SandboxTemplate]:
        """The templates that a list request asks for: part of the name; language, status and category as they are."""
        wanted_name = filters.get("name", "")
        exact = [(key, filters[key].casefold()) for key in ("language", "status", "category") if key in filters]
        return [
            template
            for template in self._by_key.values()
            if wanted_name in template.name
            and all(str(getattr(template, key)).casefold() == wanted for key, wanted in exact)
        ]
