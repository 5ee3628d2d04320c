"""One enrollment for a person at a terminal."""

from zoneinfo import ZoneInfo

from cli.output import Output
from reports.documents import CartView, ConversationView, EnrollmentView, MessageView
from reports.wording import ATTEMPTS, SENDS, SETTLE_ADVICE, SKIPS, STATES, local_time


def show_enrollment(output: Output, view: EnrollmentView, zone: ZoneInfo) -> None:
    """The enrollment for a person."""
    output.line()
    output.line(f"{view.journey}, version {view.version}: {STATES[view.state]}", style="bold")
    output.line(f"workflow {view.workflow_id}")
    if view.conversation is not None:
        output.line(f"about  {_conversation_words(view.conversation, zone)}")
    if view.cart is not None:
        output.line(f"about  {_cart_words(view.cart, zone)}")
    if view.exit is not None:
        output.line(f"ended  {view.exit.reason}: {view.exit.text}")
    if view.next_action is not None:
        at = f", {view.next_action.at_local}" if view.next_action.at_local is not None else ""
        output.line(f"next   {view.next_action.text}{at}")
    if view.hold is not None:
        output.line(f"held   {view.hold.reason.value}: {view.hold.text}")
    for one in view.messages:
        if one.approval_id is not None:
            output.line(f"decide `approve {one.approval_id}`, with --text to say something else, or its `reject`")
        if one.can_settle and one.attempts:
            tried = local_time(one.attempts[-1].claimed_at, zone)
            output.line(f"settle `sends settle {one.send_id}`: since {tried} nobody knows whether it was sent;")
            output.line(f"       {SETTLE_ADVICE}")
    if view.messages:
        output.table(
            ["message#", "state", "template", "text"],
            [
                [f"{one.stage} of {view.stages}", _state_words(one), one.template or "", one.text or ""]
                for one in view.messages
            ],
        )
    output.table(["when", "what", ""], [[local_time(line.at, zone), line.what, line.text] for line in view.timeline])


def _conversation_words(conversation: ConversationView, zone: ZoneInfo) -> str:
    where = f"column {conversation.column}" if conversation.column is not None else "no column"
    since = conversation.silent_since
    silence = f"silent since {local_time(since, zone)}" if since is not None else "the customer spoke last"
    return f"the conversation: {where}, {'open' if conversation.is_open else 'closed'}, {silence}"


def _cart_words(cart: CartView, zone: ZoneInfo) -> str:
    since = cart.idle_since
    state = f"left alone since {local_time(since, zone)}" if since is not None else "no longer open"
    return f"a cart of {cart.total.amount} {cart.total.currency}, {state}"


def _state_words(message: MessageView) -> str:
    if message.skip_reason is not None:
        return f"{SENDS[message.state]}: {SKIPS[message.skip_reason]}"
    if message.attempts and message.state.value == "accepted":
        return ATTEMPTS[message.attempts[-1].status]
    return SENDS[message.state]
