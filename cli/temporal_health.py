"""What `doctor` looks at in Temporal: the namespace, its search attributes, and who polls the queues."""

from collections.abc import Sequence

from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from activities import queues
from activities.search_attributes import ALL
from cli.checks import Check
from cli.documents import Finding
from cli.temporal import is_served

_REGISTER = (
    "register them: `temporal operator search-attribute create --namespace {namespace} --name NAME --type TYPE` "
    "(names and types stand in docker-compose.yml)"
)


async def look_at_namespace(client: Client) -> list[Finding]:
    """Whether the namespace exists and knows what our workflows are filtered by."""
    try:
        await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
    except RPCError as error:
        text = f"the namespace {client.namespace} cannot be read ({error.status.name})"
        advice = "create it with deploy/temporal/create-namespace.sh, or set TEMPORAL_NAMESPACE"
        return [
            Finding(
                check=Check.TEMPORAL_NAMESPACE, subject="temporal namespace", state="fault", text=text, advice=advice
            )
        ]
    try:
        known = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=client.namespace)
        )
    except RPCError as error:
        text = f"the search attributes cannot be listed ({error.status.name})"
        return [
            Finding(check=Check.TEMPORAL_ATTRIBUTES, subject="temporal search attributes", state="warning", text=text)
        ]
    missing = [key.name for key in ALL if key.name not in known.custom_attributes]
    if missing:
        text = f"not registered: {', '.join(missing)}; journeys cannot start"
        advice = _REGISTER.format(namespace=client.namespace)
        return [
            Finding(
                check=Check.TEMPORAL_ATTRIBUTES,
                subject="temporal search attributes",
                state="fault",
                text=text,
                advice=advice,
            )
        ]
    return [
        Finding(
            check=Check.TEMPORAL_ATTRIBUTES, subject="temporal search attributes", state="ok", text="all are registered"
        )
    ]


async def look_at_queues(client: Client, of_stores: Sequence[str]) -> list[Finding]:
    """Whether a worker polls the main queue, the model's, the webhooks', and those of every shop and number."""
    findings = []
    for queue in (queues.MAIN, queues.LLM, queues.WEBHOOKS, *of_stores):
        try:
            served = await is_served(client, queue, workflows=queue == queues.MAIN)
        except RPCError as error:
            text = f"{queue} cannot be looked at ({error.status.name})"
            findings.append(Finding(check=Check.WORKER, subject="worker", state="warning", text=text))
            continue
        findings.append(
            Finding(
                check=Check.WORKER,
                subject="worker",
                state="ok" if served else "fault",
                text=f"{queue} is polled" if served else f"nobody polls {queue}",
                advice=None if served else "start a worker: `python worker.py`, or `docker compose up -d worker`",
            )
        )
    return findings
