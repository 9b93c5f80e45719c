"""The seam between the worker and a messenger: a callable, and what is known about it."""

from collections.abc import Awaitable, Callable
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from typing import Literal

from omega_jobs.delivery import Delivery
from omega_worker.pace import parse_rate

Send = Callable[[Delivery], str | None] | Callable[[Delivery], Awaitable[str | None]]


@dataclass(frozen=True)
class Channel:
    """A way to reach people: `send` takes a `Delivery` and returns a receipt or None.

    `send` may be a coroutine function. It raises `omega_jobs.delivery.DeliveryError` when it did not
    deliver. `deduplicates` says that the receiver knows `Delivery.id` and accepts each only once, so
    that an attempt of unknown outcome is simply repeated; without it `on_ambiguous` decides: `hold`
    it for a person, or `retry` and risk a second copy. `rate` paces it: `30/s` for the channel, `30/s 1/s`
    for the channel and each target. `close` is called once the worker is done.
    Raises TypeError or ValueError for what cannot be a channel.
    """

    send: Send = field(repr=False)
    _: KW_ONLY
    deduplicates: bool = False
    on_ambiguous: Literal["hold", "retry"] = "hold"
    name: str | None = None
    rate: str | None = None
    close: Callable[[], object] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _check_send(self.send)
        if self.on_ambiguous not in ("hold", "retry"):
            raise ValueError(f"on_ambiguous is 'hold' or 'retry', not {self.on_ambiguous!r}")
        if self.close is not None and not callable(self.close):
            raise TypeError(f"close must be callable, not {type(self.close).__name__}")
        if self.rate is not None:
            parse_rate(self.rate)
        if self.deduplicates:
            object.__setattr__(self, "on_ambiguous", "retry")

    @property
    def is_async(self) -> bool:
        """Whether `send` is a coroutine function, to be awaited on the caller's loop."""
        return any(map(iscoroutinefunction, _bodies(self.send)))


def as_channel(value: object) -> Channel:
    """The value itself if it is a `Channel`, a plain channel around a callable, else TypeError."""
    if isinstance(value, Channel):
        return value
    _check_send(value)
    return Channel(value)  # type: ignore[arg-type]  # any callable; its signature shows at the first send


def _bodies(send: object) -> tuple[object, object]:
    while isinstance(send, partial):
        send = send.func
    return send, type(send).__call__ if callable(send) else None


def _check_send(send: object) -> None:
    if not callable(send):
        raise TypeError(
            f"a channel is a callable that takes a Delivery, or a Channel; not {type(send).__name__}"
        )
    if any(isgeneratorfunction(body) or isasyncgenfunction(body) for body in _bodies(send)):
        raise TypeError("a channel returns its receipt; a generator function would never run")
