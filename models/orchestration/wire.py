"""The base of everything that travels through Temporal."""

from pydantic import BaseModel, ConfigDict


class Wire(BaseModel):
    """An input, an answer, a signal or an update: immutable."""

    model_config = ConfigDict(frozen=True)
