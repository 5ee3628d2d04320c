"""What `doctor` and `store check` say of countries and messages that Meta refuses."""

from cli.checks import Check
from cli.documents import Finding
from cli.run import Run
from policies.whatsapp_reactions import explain
from reports.refusals import countries_in_words
from storage.engine import Database
from storage.stores import StoreParts
from storage.templates import templates_of


async def refusal_findings(run: Run, database: Database, parts: StoreParts) -> list[Finding]:
    """One finding for each country that is left out, and for each message that nobody is sent."""
    async with database.read() as session:
        templates = await templates_of(session, parts.number.waba_id)
    findings = [
        Finding(
            check=Check.WHATSAPP_COUNTRIES,
            subject="whatsapp countries",
            state="warning",
            text=text,
            advice="when Meta has lifted it: `store allow-country COUNTRY`",
        )
        for text in countries_in_words(parts.number, run.clock())
    ]
    for template in templates:
        for block in template.blocks.values():
            text = (
                f"{template.name} ({template.language}) is not sent in {block['journey']}: code {block['code']}. "
                f"{explain(block['code'])}"
            )
            advice = f"then `templates unblock {template.name}`, or publish a version that fits"
            findings.append(
                Finding(
                    check=Check.WHATSAPP_TEMPLATES,
                    subject="whatsapp templates",
                    state="fault",
                    text=text,
                    advice=advice,
                )
            )
    return findings
