"""A stored draft as the request that leaves: a template, or free text while WhatsApp's service window is open."""

from dataclasses import dataclass
from datetime import datetime

from models.tables import Send, Template
from policies.windows import service_window_open
from providers.whatsapp.messages import template_message, text_message
from providers.whatsapp.wire import SendTemplate, SendText
from storage.enrollments import EnrollmentFacts


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message, complete but for the attempt that it will travel under.

    Attributes:
        to: E.164, or None where the customer is known by `recipient` (a business-scoped user id) alone.
        shown: the text as the customer reads it, for the conversation.
    """

    to: str | None
    recipient: str | None
    template_name: str | None
    template_language: str
    parameters: dict[str, str]
    named: bool
    copy_code: str | None
    copy_code_index: int
    free_text: str | None
    shown: str

    @property
    def uses_template(self) -> bool:
        """Whether it goes as a template."""
        return self.free_text is None and self.template_name is not None

    @property
    def says_nothing(self) -> bool:
        """Whether there is only a free text and the window for it is closed."""
        return self.free_text is None and self.template_name is None

    @property
    def kind(self) -> str:
        """WhatsApp's type of the message."""
        return "text" if self.free_text is not None else "template"

    def fits(self) -> bool:
        """Whether WhatsApp's format allows the message at all."""
        try:
            self.body("enrollment:1:1:1")
        except ValueError:
            return False
        return True

    def body(self, attempt_id: str) -> SendTemplate | SendText:
        """The request's body.

        Raises:
            ValueError: something that WhatsApp's format does not allow.
        """
        if self.free_text is not None:
            return text_message(body=self.free_text, to=self.to, recipient=self.recipient, callback_data=attempt_id)
        if self.template_name is None:
            raise ValueError("there is neither a text nor a template")
        values = self.parameters if self.named else [self.parameters[key] for key in sorted(self.parameters, key=int)]
        return template_message(
            template=self.template_name,
            language=self.template_language,
            to=self.to,
            recipient=self.recipient,
            body_values=values,
            copy_code=self.copy_code,
            copy_code_index=self.copy_code_index,
            callback_data=attempt_id,
        )


def outgoing(facts: EnrollmentFacts, send: Send, template: Template | None, *, now: datetime) -> Outgoing:
    """The draft as it would leave now."""
    open_window = service_window_open(facts.customer.last_inbound_at, now)
    free_text = send.free_text if open_window else None
    index = template.copy_code_index if template is not None else None
    return Outgoing(
        to=facts.customer.phone,
        recipient=None if facts.customer.phone else facts.customer.wa_user_id,
        template_name=send.template_name,
        template_language=send.template_language or "",
        parameters=send.parameters,
        named=template is not None and template.named_variables,
        copy_code=send.coupon_code if index is not None else None,
        copy_code_index=index or 0,
        free_text=free_text,
        shown=free_text or _shown(template, send),
    )


def _shown(template: Template | None, send: Send) -> str:
    text = template.body if template is not None else ""
    for name, value in send.parameters.items():
        text = text.replace("{{" + name + "}}", value)
    return text
