"""The webhook channel: a signed POST that carries its own key, so that a repeat does no harm."""

import json
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING

from omega_jobs.delivery import Delivery, DeliveryError, one_line
from omega_worker.channels.seam import Channel
from omega_worker.channels.signing import signature, signing_key
from omega_worker.channels.templates import check_template, fill_template

if TYPE_CHECKING:
    from omega_worker.channels.exchange import Answer, Exchanges

LONGEST_RETRY_AFTER = timedelta(hours=24)
_LONGEST_RECEIPT = 200
_SECONDS = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def webhook_channel(
    url_template: str,
    *,
    secret: str | None = None,
    timeout: timedelta = timedelta(seconds=30),
    name: str | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Channel:
    """A channel that POSTs JSON to `url_template` with its blanks filled in.

    `secret` signs after Standard Webhooks; `timeout` bounds the whole exchange; `clock` returns aware
    datetimes. 2xx is delivered (`id` or `message_id` of the answer is the receipt); 408, 425, 429,
    5xx and not connecting are retried; sent without an answer is ambiguous; any other status gives
    the occurrence up. Redirects, proxies and cookies are not followed, used or kept. Raises
    ValueError for an address or a secret that cannot be used, echoing neither.
    """
    check_template(url_template)
    key = signing_key(secret) if secret is not None else None
    webhook = _Webhook(url_template, key, timeout, clock)
    return Channel(webhook.send, deduplicates=True, name=name, close=webhook.close)


class _Webhook:
    def __init__(
        self, template: str, key: bytes | None, timeout: timedelta, clock: Callable[[], datetime]
    ) -> None:
        self._template = template
        self._key = key
        self._timeout = timeout
        self._clock = clock
        self._opening = threading.Lock()
        self._exchanges: Exchanges | None = None

    def send(self, delivery: Delivery) -> str | None:
        from omega_worker.channels.exchange import BadAddressError, NoAnswerError, NotConnectedError

        url = fill_template(self._template, reply_target=delivery.reply_target, sender_id=delivery.sender_id)
        body = _body(delivery)
        try:
            answer = self._opened().post(url, self._headers(delivery, body), body)
        except BadAddressError as error:
            raise DeliveryError(str(error), retry=False) from None
        except NotConnectedError as error:
            raise DeliveryError(str(error)) from None
        except NoAnswerError as error:
            raise DeliveryError(f"sent, but no answer came ({error})", ambiguous=True) from None
        return _receipt(answer, self._clock)

    def close(self) -> None:
        with self._opening:
            exchanges, self._exchanges = self._exchanges, None
        if exchanges is not None:
            exchanges.close()

    def _opened(self) -> "Exchanges":
        from omega_worker.channels.exchange import Exchanges

        with self._opening:
            if self._exchanges is None:
                tls = self._template.lower().startswith("https:")
                self._exchanges = Exchanges(self._timeout.total_seconds(), tls=tls)
            return self._exchanges

    def _headers(self, delivery: Delivery, body: bytes) -> list[tuple[str, str]]:
        timestamp = int(self._clock().timestamp())
        headers = [
            ("Content-Type", "application/json"),
            ("Accept", "application/json"),
            ("Accept-Encoding", "identity"),
            ("User-Agent", _user_agent()),
            ("Idempotency-Key", delivery.id),
            ("webhook-id", delivery.id),
            ("webhook-timestamp", str(timestamp)),
        ]
        if self._key is not None:
            headers.append(("webhook-signature", signature(self._key, delivery.id, timestamp, body)))
        return headers


@cache
def _user_agent() -> str:
    return f"omega-worker/{version('omega-worker')}"


def _body(delivery: Delivery) -> bytes:
    fields = {
        "id": delivery.id,
        "task_id": delivery.task_id,
        "type": "action" if delivery.is_action else "reminder",
        "channel": delivery.channel,
        "sender_id": delivery.sender_id,
        "reply_target": delivery.reply_target,
        "text": delivery.text,
        "description": delivery.description,
        "scheduled_for": delivery.scheduled_for.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "attempt": delivery.attempt,
        "late_seconds": max(0, int(delivery.late_by.total_seconds())),
        "project": delivery.project,
    }
    return json.dumps(fields, separators=(",", ":")).encode("ascii")


def _receipt(answer: "Answer", clock: Callable[[], datetime]) -> str | None:
    if 200 <= answer.status < 300:
        return _message_id(answer.body)
    reason = f"HTTP {answer.status}"
    if answer.status in (408, 425, 429) or 500 <= answer.status < 600:
        raise DeliveryError(reason, retry_after=_wait(answer.retry_after, clock))
    raise DeliveryError(reason, retry=False)


def _message_id(body: bytes) -> str | None:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    ids = (said.get("id"), said.get("message_id"))
    known = [one_line(value, _LONGEST_RECEIPT) for value in ids if type(value) in (str, int)]
    return next(filter(None, known), None)


def _wait(retry_after: str | None, clock: Callable[[], datetime]) -> timedelta | None:
    said = (retry_after or "").strip()
    if _SECONDS.fullmatch(said):
        return timedelta(seconds=min(max(float(said), 0), LONGEST_RETRY_AFTER.total_seconds()))
    try:
        moment = parsedate_to_datetime(said)
        given = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return min(max(given - clock(), timedelta()), LONGEST_RETRY_AFTER)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
