"""The yardstick of the gateway: `uvicorn --factory bench.endpoint:create`, which checks the signature and no more."""

import hashlib
import hmac

from fastapi import FastAPI, Request, Response

from bench.shop import SECRET
from providers.whatsapp.webhooks import SIGNATURE_HEADER


def signature(body: bytes) -> str:
    """What WhatsApp would send beside the body."""
    return "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()


def create() -> FastAPI:
    """FastAPI as its first page shows it, with the one check that no gateway can leave out."""
    app = FastAPI()

    @app.post("/webhooks/whatsapp")
    async def receive(request: Request) -> Response:
        body = await request.body()
        genuine = hmac.compare_digest(signature(body), request.headers.get(SIGNATURE_HEADER, ""))
        return Response(status_code=200 if genuine else 401)

    return app
