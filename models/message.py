"""One message of a journey: a template, free text, or a text that the model writes, with what stands in for it."""

from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Discriminator, Field, Tag, ValidationInfo, field_validator, model_validator

from models.definition import INVALID, Strict
from models.journey_rules import Finding, refuse, text_findings, uses, variable_findings
from models.placeholders import AI_TEXT

LONGEST_TEXT: Final = 4096
"""Longest free text in characters (WhatsApp's limit for the body of a text message)."""

FALLBACK_TAGS: Final = frozenset({"<template>", "<text>"})
"""How pydantic tells the two forms of a fallback apart in its positions; no key of a file looks like this."""


class TemplateRef(Strict):
    """An approved WhatsApp template in one language, with what fills its variables.

    In a file its name may stand under `template` instead of `name`, as the short form of a message has it.
    """

    name: str = Field(pattern=r"^[a-z0-9_]{1,512}$")
    language: str = Field(pattern=r"^[a-z]{2,3}(_[A-Z]{2})?$")
    variables: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _accept_short_form(cls, value: Any) -> Any:
        if isinstance(value, dict) and "template" in value and "name" not in value:
            return {"name" if key == "template" else key: entry for key, entry in value.items()}
        return value

    @field_validator("variables")
    @classmethod
    def _check_variables(cls, value: dict[str, str]) -> dict[str, str]:
        refuse("variables", variable_findings(value))
        return value

    def uses(self, *paths: str) -> bool:
        """Whether a variable is filled from one of the placeholder paths."""
        return any(uses(text, *paths) for text in self.variables.values())

    def findings_of(self, path: str, text: str) -> Iterator[Finding]:
        """A finding with this text for each variable that is filled from the placeholder path."""
        return (Finding(("variables", name), text) for name, value in self.variables.items() if uses(value, path))


class AiInstruction(Strict):
    """What the language model is asked to write."""

    mode: Literal["smart", "goal"] = "smart"
    goal: str | None = Field(default=None, min_length=1, max_length=2000, validate_default=True)
    extra: str | None = Field(default=None, min_length=1, max_length=2000)

    @field_validator("goal")
    @classmethod
    def _check_goal(cls, value: str | None, info: ValidationInfo) -> str | None:
        mode = info.data.get("mode")
        if mode == "goal" and value is None:
            raise ValueError("mode: goal needs a goal: what the message should achieve, in a sentence")
        if mode == "smart" and value is not None:
            raise ValueError("goal is used with mode: goal only; change the mode or move the words to extra")
        return value


def _check_free_text(value: str | None) -> str | None:
    if value is not None:
        refuse("text", text_findings(value))
        if uses(value, AI_TEXT):
            raise ValueError("{ai.text} is filled in a message with ai only, by its template")
    return value


class FallbackText(Strict):
    """A text, the same for everybody, that goes when the model gives no valid one; inside the 24-hour window only."""

    text: str = Field(min_length=1, max_length=LONGEST_TEXT)

    @field_validator("text")
    @classmethod
    def _check_text(cls, value: str) -> str:
        _check_free_text(value)
        return value


def _fallback_form(value: Any) -> str:
    keys = value if isinstance(value, dict) else type(value).model_fields if isinstance(value, BaseModel) else ()
    return "<text>" if "text" in keys and not {"template", "name"} & set(keys) else "<template>"


Fallback = Annotated[
    Annotated[TemplateRef, Tag("<template>")] | Annotated[FallbackText, Tag("<text>")],
    Discriminator(_fallback_form),
]


def _check_fallback(value: Fallback | None, info: ValidationInfo) -> Fallback | None:
    if value is not None and info.data.get("ai", INVALID) is None:
        raise ValueError("a fallback stands in for a text by the model, and the message has no ai")
    if isinstance(value, TemplateRef):
        text = "the fallback cannot use {ai.text}: it is sent when there is no such text"
        refuse("fallback", value.findings_of(AI_TEXT, text))
    return value


class Message(Strict):
    """One stage's message.

    Free text, written here or by the model, goes inside WhatsApp's 24-hour window and the template outside it; a
    message that has nothing for where its customer is is passed over.
    """

    text: str | None = Field(default=None, min_length=1, max_length=LONGEST_TEXT)
    ai: AiInstruction | None = None
    template: TemplateRef | None = Field(default=None, validate_default=True)
    fallback: Fallback | None = Field(default=None, validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _accept_short_form(cls, value: Any) -> Any:
        """`{template: x, language: en, variables: {...}}` means `{template: {name: x, language: en, ...}}`."""
        if not isinstance(value, dict) or not isinstance(value.get("template"), str):
            return value
        inside = {key: value[key] for key in ("language", "variables") if key in value}
        return {key: entry for key, entry in value.items() if key not in inside} | {
            "template": {"name": value["template"], **inside}
        }

    @field_validator("text")
    @classmethod
    def _check_text(cls, value: str | None) -> str | None:
        return _check_free_text(value)

    @field_validator("ai")
    @classmethod
    def _check_one_text(cls, value: AiInstruction | None, info: ValidationInfo) -> AiInstruction | None:
        if value is not None and info.data.get("text", INVALID) is not None:
            raise ValueError("the message has both text and ai; a text is either written here or by the model")
        return value

    @field_validator("template")
    @classmethod
    def _check_template(cls, value: TemplateRef | None, info: ValidationInfo) -> TemplateRef | None:
        text, ai = info.data.get("text", INVALID), info.data.get("ai", INVALID)
        if value is None and text is None and ai is None:
            raise ValueError("the message says nothing; give it a text, ai or a template")
        if value is not None and ai is None:
            refuse("template", value.findings_of(AI_TEXT, "nothing fills {ai.text}: the message has no ai"))
        return value

    @field_validator("fallback")
    @classmethod
    def _check_fallback(cls, value: Fallback | None, info: ValidationInfo) -> Fallback | None:
        return _check_fallback(value, info)

    def templates(self) -> tuple[TemplateRef, ...]:
        """The templates that this message may be sent with, the fallback last."""
        return tuple(one for one in (self.template, self.fallback) if isinstance(one, TemplateRef))


class WinBackMessage(Message):
    """A message of a win-back.

    It mostly goes outside WhatsApp's 24-hour window, where only templates may go: so `text` and `ai` each need a
    template beside them, and a fallback is a template too.
    """

    @field_validator("template")
    @classmethod
    def _check_template(cls, value: TemplateRef | None, info: ValidationInfo) -> TemplateRef | None:
        text, ai = info.data.get("text", INVALID), info.data.get("ai", INVALID)
        if value is None:
            if ai is not None:
                raise ValueError("ai needs a template for customers outside the 24-hour window, in a win-back most")
            if text is not None:
                raise ValueError("text needs a template for customers outside the 24-hour window, in a win-back most")
            raise ValueError("the message says nothing; give it a template")
        if ai is None:
            refuse("template", value.findings_of(AI_TEXT, "nothing fills {ai.text}: the message has no ai"))
        if ai is not None and not value.uses(AI_TEXT):
            raise ValueError('no variable of the template shows what the model writes; give one "{ai.text}"')
        return value

    @field_validator("fallback")
    @classmethod
    def _check_fallback(cls, value: Fallback | None, info: ValidationInfo) -> Fallback | None:
        if value is None and info.data.get("ai", INVALID) is not None:
            raise ValueError("ai needs a fallback: the template that is sent when no valid text comes out")
        if isinstance(value, FallbackText):
            text = "a win-back's fallback is a template: it mostly goes outside the 24-hour window"
            raise ValueError(text)  # noqa: TRY004 - pydantic takes a ValueError for a fault of the file
        return _check_fallback(value, info)
