"""A way for a person or a test to make Meta and the shop's staff act: `POST /_sandbox/whatsapp/{what}`.

What follows leaves by the sandbox's outbox, as a signed webhook like any other. `docs/sandbox.md` lists what there is.
"""

from abc import abstractmethod
from datetime import date, datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from models.enums import TemplateStatus
from sandbox.whatsapp.announcements import Announcements, BanState, Category, Quality
from sandbox.whatsapp.cloud import WhatsAppSandbox

DOOR_PATH = "/_sandbox/whatsapp"
_PHONE = r"^\+[1-9][0-9]{6,14}$"


class _Act(BaseModel):
    """Something that happens; `body` lets it happen and gives the webhook that tells of it."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    @abstractmethod
    def body(self, sandbox: WhatsAppSandbox, at: datetime) -> bytes: ...


class _Restriction(_Act):
    type: str = Field(default="RESTRICTED_BIZ_INITIATED_MESSAGING", min_length=1)
    hours: float | None = Field(default=24, gt=0, le=24 * 365)

    def body(self, sandbox: WhatsAppSandbox, at: datetime) -> bytes:
        until = None if self.hours is None else at + timedelta(hours=self.hours)
        return Announcements(sandbox).restrict(self.type, until, at)


class _Ban(_Act):
    state: BanState
    day: date | None = None

    def body(self, sandbox: WhatsAppSandbox, at: datetime) -> bytes:
        return Announcements(sandbox).ban(self.state, self.day or at.date(), at)


class _Limit(_Act):
    max_daily: int | None = Field(gt=0)

    def body(self, sandbox: WhatsAppSandbox, at: datetime) -> bytes:
        return Announcements(sandbox).limit(self.max_daily, at)


class _NumberEvent(_Act):
    event: str = Field(default="THROUGHPUT_UPGRADE", min_length=1)

    def body(self, sandbox: WhatsAppSandbox, at: datetime) -> bytes:
        return Announcements(sandbox).number_event(self.event, at)


class _TemplateAct(_Act):
    name: str
    language: str = "en"


class _TemplateStatus(_TemplateAct):
    status: TemplateStatus

    def body(self, sandbox: WhatsAppSandbox, at: datetime) -> bytes:
        return sandbox.set_template_status(self.name, self.language, self.status, at)


class _TemplateQuality(_TemplateAct):
    quality: Quality

    def body(self, sandbox: WhatsAppSandbox, at: datetime) -> bytes:
        return Announcements(sandbox).template_quality(self.name, self.language, self.quality, at)


class _TemplateCategory(_TemplateAct):
    category: Category
    announced: bool = False

    def body(self, sandbox: WhatsAppSandbox, at: datetime) -> bytes:
        return Announcements(sandbox).template_category(
            self.name, self.language, self.category, at, announced=self.announced
        )


class _Echo(_Act):
    phone: str = Field(pattern=_PHONE)
    text: str = Field(min_length=1, max_length=4096)

    def body(self, sandbox: WhatsAppSandbox, at: datetime) -> bytes:
        return Announcements(sandbox).staff_wrote(self.phone, self.text, at)


class _NumberChange(_Act):
    phone: str = Field(pattern=_PHONE)
    new_phone: str = Field(pattern=_PHONE)

    def body(self, sandbox: WhatsAppSandbox, at: datetime) -> bytes:
        return Announcements(sandbox).moved(self.phone, self.new_phone, at)


_ACTS: dict[str, type[_Act]] = {
    "restriction": _Restriction,
    "ban": _Ban,
    "limit": _Limit,
    "number-event": _NumberEvent,
    "template-status": _TemplateStatus,
    "template-quality": _TemplateQuality,
    "template-category": _TemplateCategory,
    "echo": _Echo,
    "number-change": _NumberChange,
}


def door(sandbox: WhatsAppSandbox) -> Starlette:
    """The door of a sandbox; its one route may be served beside others too."""

    async def act(request: Request) -> JSONResponse:
        act_type = _ACTS.get(request.path_params["what"])
        if act_type is None:
            return _problems(404, f"nothing of this name happens here; there is {', '.join(_ACTS)}")
        now = sandbox.clock()
        try:
            body = act_type.model_validate_json(await request.body() or b"{}").body(sandbox, now)
        except ValidationError as error:
            return _problems(400, *(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()))
        except KeyError:
            return _problems(404, "the sandbox has no such template in this language")
        sandbox.outbox.put_body(now, body)
        return JSONResponse({"queued": 1})

    return Starlette(routes=[Route(f"{DOOR_PATH}/{{what}}", act, methods=["POST"])])


def _problems(status: int, *problems: str) -> JSONResponse:
    return JSONResponse({"problems": list(problems)}, status)
