"""What the demo shows: each delivery as it happens, then the ledger, then what comes next."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

from rich.console import Console
from rich.status import Status
from rich.text import Text

from omega_jobs.delivery import Delivery
from omega_models import Occurrence, Store, Task, times
from omega_models.rows import fetch, series_of
from omega_worker.commands.ledgers import print_ledger
from omega_worker.commands.moments import day, full_moment
from omega_worker.commands.spans import lateness
from omega_worker.commands.tables import Column, console, print_table

ANNOUNCED = (
    Column("TASK"),
    Column("TEXT"),
    Column("DUE", right=True),
    Column("HOW OFTEN", takes_rest=True, wraps=True),
)


class Shown(NamedTuple):
    """A reminder of the demo, as announced."""

    id: str
    text: str
    due: str
    about: str


class Screen:
    """Standard output. The worker's threads call `show` and `refused`, the main one all the rest."""

    def __init__(self, store: Store, zone_name: str) -> None:
        self.store = store
        self.zone_name = zone_name
        self.delivered = 0
        self._shown: Sequence[Shown] = ()
        self._width = 0
        self._out: Console = console()
        self._lock = threading.Lock()

    def opening(self, shown: Sequence[Shown]) -> None:
        self._shown = shown
        self._width = max(len(each.text) for each in shown)
        self._out.print("Omega's worker at work: real reminders in a real file, for about twenty seconds.")
        self._heading(f"Stored in {self.store.database.where}")
        rows = [(each.id[:8], each.text, each.due, each.about) for each in shown]
        print_table(ANNOUNCED, rows, indent=2, out=self._out)
        self._heading(f"Delivered by the worker (times in {self.zone_name})")

    def _heading(self, words: str) -> None:
        self._say(Text(f"\n{words}", style="bold"))

    def _say(self, words: Text) -> None:
        """Broken between words on a terminal, and nowhere in a pipe."""
        self._out.print(words, soft_wrap=not self._out.is_terminal)

    # While the worker runs

    def show(self, delivery: Delivery) -> str:
        """A channel: prints the line, returns the receipt."""
        with self._lock:
            self._line(delivery, "delivered", "green", self._said_besides(delivery))
            self.delivered += 1
            return f"demo-{self.delivered}"

    def refused(self, delivery: Delivery) -> None:
        with self._lock:
            self._line(delivery, "refused", "yellow", "HTTP 503, tried again")

    def _line(self, delivery: Delivery, word: str, colour: str, note: str) -> None:
        sent = times.in_zone(delivery.scheduled_for + delivery.late_by, self.zone_name)
        line = Text.assemble(
            (f"  {sent:%H:%M:%S}.{sent.microsecond // 1000:03}  ", "dim"),
            (f"{word:<9}  ", colour),
            (f"{delivery.description:<{self._width}}  ", "bold"),
            (f"{lateness(delivery.late_by) + ' late':>11}  ", "cyan"),
            note,
        )
        line.rstrip()
        self._say(line)

    def _said_besides(self, delivery: Delivery) -> str:
        row = fetch(self.store, delivery.task_id)
        following = series_of(row).after(delivery.scheduled_for) if row else None
        if following is not None:
            return f"next {self._soon(following, delivery.scheduled_local)}"
        return f"attempt {delivery.attempt}" if delivery.attempt > 1 else ""

    def _soon(self, when: datetime, now: datetime) -> str:
        local = times.in_zone(when, self.zone_name)
        same_day = local.date() == times.in_zone(now, self.zone_name).date()
        return f"{local:%H:%M:%S}" if same_day else f"{day(local, now)} {local:%H:%M}"

    @contextmanager
    def waiting(self) -> Iterator[Callable[[], None]]:
        """On a terminal a countdown below the lines; call what it yields now and then."""
        if not self._out.is_terminal:
            yield lambda: None
            return
        with self._out.status("", spinner="dots") as status:
            yield lambda: self._count_down(status)

    def _count_down(self, status: Status) -> None:
        now = self.store.clock()
        ahead = [task for task in self.store.list_tasks() if task.next_send and task.next_send > now]
        if ahead:
            task = min(ahead, key=lambda each: each.next_send or now)
            seconds = ((task.next_send or now) - now).total_seconds()
            status.update(
                Text(f"{task.description} in {seconds:.1f} s" if seconds < 60 else "…", style="dim")
            )

    # Afterwards

    def closing(self) -> None:
        now = self.store.clock()
        self._heading("The ledger: what became of each occurrence")
        rows = [
            (shown.text, self.zone_name, each)
            for shown in self._shown
            for each in self.store.task_history(shown.id)
        ]
        rows.sort(key=lambda row: row[2].scheduled_for)
        print_ledger(rows, now, lambda when: f"{times.in_zone(when, self.zone_name):%H:%M:%S}")
        self._say(Text(f"\n  {summary([each for _, _, each in rows])}"))
        self._heading("What happens next")
        for shown in self._shown:
            task = self.store.get_task(shown.id, "owner")
            self._say(Text(f"  {shown.text:<{self._width}}  {self._future(task, now)}"))
        self._out.print()

    def _future(self, task: Task | None, now: datetime) -> str:
        if task is None or task.status != "pending" or task.next_send is None:
            return f"nothing more: it was {task.status if task else 'removed'}"
        return f"comes again {full_moment(task.next_send, self.zone_name, now)}"


def summary(entries: Sequence[Occurrence]) -> str:
    """How many arrived, how late the latest was, what had to be tried again."""
    delivered = [each for each in entries if each.status == "delivered"]
    at_once = [each.lateness for each in delivered if each.attempts == 1 and each.lateness is not None]
    again = sum(each.attempts - 1 for each in entries)
    latest = f", at most {lateness(max(at_once))} late" if at_once else ""
    retried = f"; {again} refused and sent again" if again else ""
    return f"{len(delivered)} of {len(entries)} delivered, once each{latest}{retried}."
