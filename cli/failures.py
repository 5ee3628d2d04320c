"""What can go wrong on the command line, as plain lines and an exit code that scripts can rely on."""

from collections.abc import Sequence
from typing import Final
from zoneinfo import ZoneInfoNotFoundError

from models.journey_file import JourneyFileError
from models.orders_file import OrdersFileError
from policies.phones import PhoneError
from settings import SettingsError
from storage.engine import DatabaseUnavailableError
from storage.journeys import UnknownJourneyError
from storage.schema import SchemaError
from storage.secrets import SecretKeyError
from storage.stores import StoreExistsError, UnknownStoreError

DONE: Final = 0
REFUSED: Final = 1
"""Refused or failed; every problem is listed."""
USAGE: Final = 2
"""Also a question that cannot be asked."""
NOT_FOUND: Final = 3
INTERRUPTED: Final = 130


class Failure(Exception):  # noqa: N818 - it is a command's outcome, told by its code
    """Ends a command with these lines on stderr.

    Attributes:
        lines: what is wrong and what to do, one problem a line.
        code: the exit code.
    """

    def __init__(self, *lines: str, code: int = REFUSED) -> None:
        super().__init__("\n".join(lines))
        self.lines = list(lines)
        self.code = code


def explain(error: BaseException) -> Failure:
    """The error as lines for a person; what nobody expected names its kind only, because its text may hold data."""
    match error:
        case Failure():
            return error
        case UnknownStoreError() | UnknownJourneyError():
            return Failure(_text(error), code=NOT_FOUND)
        case PhoneError():
            return Failure(f"this is no phone number: {error}", code=USAGE)
        case JourneyFileError():
            return Failure(*(str(problem) for problem in error.problems))
        case SettingsError() | OrdersFileError():
            return Failure(*str(error).splitlines())
        case DatabaseUnavailableError():
            return Failure(f"{error}; {_START_DATABASE}")
        case SchemaError() | SecretKeyError() | StoreExistsError():
            return Failure(str(error))
        case ZoneInfoNotFoundError():
            return Failure("a store's time zone is unknown on this machine; `doctor` says which one and what to do")
        case KeyboardInterrupt():
            return Failure("interrupted", code=INTERRUPTED)
        case _:
            return _of_a_service(error)


def _of_a_service(error: BaseException) -> Failure:
    # Loaded here: a command that speaks to nobody must not wait for Temporal's libraries.
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - see above

    from composition import TemporalUnavailableError  # noqa: PLC0415 - see above
    from providers.errors import ProviderError  # noqa: PLC0415 - see above

    if isinstance(error, TemporalUnavailableError):
        return Failure(str(error))
    if isinstance(error, ProviderError):
        return Failure(provider_line(error))
    if isinstance(error, SQLAlchemyError):
        return Failure(f"the database refused a statement ({type(error).__name__}); {_MORE}")
    if type(error).__module__.startswith("temporalio."):
        return Failure(f"Temporal answered with an error ({_temporal_word(error)}); {_MORE}")
    if isinstance(error, OSError):
        return Failure(f"{error.filename or 'a file or connection'}: {error.strerror or type(error).__name__}")
    return Failure(f"an unexpected error ({type(error).__name__}); {_MORE}")


def provider_line(error: BaseException) -> str:
    """What a service's error means for the person at the keyboard."""
    from providers.errors import CredentialRefused, NotSent, ProviderError, Throttled  # noqa: PLC0415 - see above

    names = {"whatsapp": "WhatsApp", "shopify": "Shopify", "llm": "the language model", "crm": "the CRM"}
    if not isinstance(error, ProviderError):
        return str(error)
    name = names[error.service]
    match error:
        case CredentialRefused():
            return f"{name} refuses the store's credential ({error.detail}); enter a new one with `store add --replace`"
        case NotSent():
            return f"{name} cannot be reached ({error.detail}); check the network and its configured address"
        case Throttled():
            return f"{name} is busy ({error.detail}); try again later"
        case _:
            return f"{name} answered with an error: {error.operation}, {error.detail}"


def _temporal_word(error: BaseException) -> str:
    status = getattr(error, "status", None)
    return str(getattr(status, "name", None) or getattr(error, "type", None) or type(error).__name__)


def _text(error: LookupError) -> str:
    return str(error.args[0]) if error.args else str(error)


def problem_lines(path: str, error: JourneyFileError) -> Sequence[str]:
    """The file's problems as editors and terminals link them: `FILE:LINE:COL: field: text`."""
    return [
        f"{path}:{problem.line}:{problem.column}: {f'{problem.field}: ' if problem.field else ''}{problem.text}"
        for problem in error.problems
    ]


_START_DATABASE: Final = (
    "check REKINDLE_DATABASE_URL, and start PostgreSQL with `docker compose up -d postgres` if it is that one"
)
_MORE: Final = "run the command again with --debug to see where"
