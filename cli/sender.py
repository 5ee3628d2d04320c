"""What `doctor` and `store check` say of a number's limits."""

from cli.checks import Check
from cli.documents import Finding
from cli.run import Run
from reports.senders import in_words, sender_of, sender_view
from storage.engine import Database
from storage.stores import StoreParts


async def sender_findings(run: Run, database: Database, parts: StoreParts) -> list[Finding]:
    """The limits of the store's number and what is used of them, from the database."""
    async with database.read() as session:
        use = await sender_of(session, parts, now=run.clock())
    text = in_words(sender_view(use))
    if not use.is_full:
        return [Finding(check=Check.WHATSAPP_LIMITS, subject="whatsapp limits", state="ok", text=text)]
    advice = "whoever is due waits for a place; send less a day, or wait until Meta raises the limit"
    return [Finding(check=Check.WHATSAPP_LIMITS, subject="whatsapp limits", state="warning", text=text, advice=advice)]
