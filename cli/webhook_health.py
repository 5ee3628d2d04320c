"""What `doctor` and `store check` say of the store's own systems that are told of events, and of its CRM."""

from cli.checks import Check
from cli.connections import crm_findings
from cli.documents import Finding
from cli.run import Run
from storage.endpoints import list_endpoints
from storage.engine import Database
from storage.stores import StoreParts


async def own_systems_findings(run: Run, database: Database, parts: StoreParts) -> list[Finding]:
    """Endpoints that are disabled or take nothing at present, and whether the CRM answers."""
    async with database.read() as session:
        endpoints = await list_endpoints(session, parts.id)
    found = []
    for one in endpoints:
        if one.disabled_reason is not None:
            text = f"endpoint {one.id} is disabled ({one.disabled_reason.value}) and is told of nothing"
            advice = f"mend it, then `webhooks enable {one.id}`, or `webhooks remove {one.id}`"
            found.append(
                Finding(check=Check.OWN_SYSTEMS, subject="webhooks", state="warning", text=text, advice=advice)
            )
        elif one.failing_since is not None:
            text = f"endpoint {one.id} has taken nothing since {one.failing_since:%Y-%m-%d %H:%M} UTC"
            advice = f"`webhooks deliveries --endpoint {one.id}` shows what it answers"
            found.append(
                Finding(check=Check.OWN_SYSTEMS, subject="webhooks", state="warning", text=text, advice=advice)
            )
    if endpoints and not found:
        found.append(
            Finding(
                check=Check.OWN_SYSTEMS,
                subject="webhooks",
                state="ok",
                text=f"{len(endpoints)} endpoints, none of them failing",
            )
        )
    return [*found, *await crm_findings(run, parts)]
