"""The moment at which simulated customers read: before the sender of a message knows that it was taken."""

from collections.abc import Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.shoppers import Audience
from sandbox.whatsapp.books import AcceptedMessage
from sandbox.whatsapp.cloud import WhatsAppSandbox


class ReadingDoor:
    """WhatsApp's door, behind which accepted messages are read before the sender has its answer."""

    def __init__(self, app: ASGIApp, whatsapp: WhatsAppSandbox, audience: Audience | None) -> None:
        self._app = app
        self._books = whatsapp.books
        self._audience = audience
        self._read = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; its answer is held back until what it brought was read."""
        held: list[Message] = []

        async def hold(message: Message) -> None:
            held.append(message)

        await self._app(scope, receive, hold)
        for accepted in self._unread():
            if self._audience is not None:
                await self._audience.read(accepted)
        for message in held:
            await send(message)

    def _unread(self) -> Sequence[AcceptedMessage]:
        """Messages accepted since the last look; taken at once, so that each is read once."""
        unread = self._books.messages[self._read :]
        self._read = len(self._books.messages)
        return unread
