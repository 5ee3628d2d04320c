"""What a holdout counted: the two arms of a journey, customer by customer, in the strata that may be compared."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Arm:
    """The customers of one arm whose horizon is over.

    Attributes:
        customers: how many.
        converted: how many of them bought within a horizon of theirs, whatever in.
        spent: by currency, how many of them spent how much: minor units to customers. Who spent nothing is left out.
    """

    customers: int = 0
    converted: int = 0
    spent: Mapping[str, Mapping[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stratum:
    """Customers who entered while so many percent were held out: between them the draw alone chose the arm."""

    control_percent: int
    treated: Arm
    control: Arm


@dataclass(frozen=True, slots=True)
class Standing:
    """How many customers of one arm there are, each under the first of these that is true.

    Attributes:
        unheld: entered only while nobody, or everybody, was held out: there is nobody to compare them with.
        running: their first horizon is not over.
        compared: the rest.
    """

    unheld: int = 0
    running: int = 0
    compared: int = 0

    @property
    def eligible(self) -> int:
        """All of them."""
        return self.unheld + self.running + self.compared


@dataclass(frozen=True, slots=True)
class Arms:
    """A journey's holdout as the database knows it.

    `currencies` are those in which anybody bought within a horizon that is over.
    """

    treated: Standing
    control: Standing
    strata: tuple[Stratum, ...]

    @property
    def currencies(self) -> tuple[str, ...]:
        """Those in which anybody of either arm bought."""
        found = {one for stratum in self.strata for arm in (stratum.treated, stratum.control) for one in arm.spent}
        return tuple(sorted(found))
