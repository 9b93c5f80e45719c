"""What a worker knows of its own state, kept in memory so that telling it never waits for the database."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TypeVar

from omega_jobs.deliver import Event
from omega_models import StoreError
from omega_models.overview import Backlog
from omega_worker import narrate

T = TypeVar("T")


class Vitals:
    """When rounds were completed, what stopped the last one, what waited when that was last looked at.

    Written by the worker's duties and read by any thread; times are seconds of `clock`. Listeners are called
    by the thread that delivers: they must be quick, and what they raise is only logged.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.started = clock()
        self.stopping = False
        self.rounds = 0
        self.completed: float | None = None
        self.trouble: str | None = None
        self.failing: dict[str, str] = {}  # what else goes wrong just now, and why
        self.hampered: str | None = None  # what makes it slower, and no less right
        self.backlog: Backlog | None = None
        self.in_hand = 0
        self.surveyed: float | None = None
        self.event_listeners: list[Callable[[Event], object]] = [narrate.delivery]
        self.round_listeners: list[Callable[[Vitals], object]] = []
        self.survey_listeners: list[Callable[[Vitals], object]] = []

    @property
    def is_watched(self) -> bool:
        """Whether anybody wants surveys, which cost a few queries each."""
        return bool(self.survey_listeners)

    def begin(self) -> None:
        """The worker starts: what an earlier run found no longer counts."""
        self.started, self.stopping = self.clock(), False
        self.completed = self.trouble = self.backlog = self.surveyed = None
        self.failing.clear()

    def tell(self, event: Event) -> None:
        """A change of an occurrence's state, to everyone who wants to hear of it."""
        fan_out(self.event_listeners, event)

    @contextmanager
    def round(self) -> Iterator[None]:
        """Around one round of the duty by which the worker is judged."""
        try:
            yield
        except BaseException as error:
            self.trouble = cause(error)
            raise
        self.trouble, self.completed = None, self.clock()
        self.rounds += 1
        fan_out(self.round_listeners, self)

    def say(self, what: str, trouble: str | None) -> None:
        """Something other than the rounds goes wrong; None: no longer."""
        if trouble is None:
            self.failing.pop(what, None)
        else:
            self.failing[what] = trouble

    def survey(self, backlog: Backlog, in_hand: int) -> None:
        """What waits in the database, and how many sends are under way."""
        self.backlog, self.in_hand, self.surveyed = backlog, in_hand, self.clock()
        fan_out(self.survey_listeners, self)


def cause(error: BaseException) -> str:
    """What may be shown of it: a text may hold that of a reminder."""
    return str(error) if isinstance(error, StoreError) else type(error).__name__


def fan_out(listeners: Sequence[Callable[[T], object]], news: T) -> None:
    """One that fails keeps neither the others nor a delivery from going on."""
    for each in tuple(listeners):
        try:
            each(news)
        except BaseException as error:  # noqa: BLE001  whatever a listener raises is its own affair
            with suppress(Exception):
                narrate.listener_failed(error)
