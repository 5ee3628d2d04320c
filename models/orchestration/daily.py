"""What an always-on win-back's daily run answers."""

from models.orchestration.wire import Wire


class DayBegun(Wire):
    """The launches that a day's run has asked the AudienceWorkflow for; none if the journey is not to run now."""

    launch_ids: tuple[int, ...]
