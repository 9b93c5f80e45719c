"""Any service Apprise knows as a channel: Telegram, e-mail, ntfy, Matrix, MQTT and many more.

Apprise is an extra of this package and is imported when the first such channel is built. What it
logs about a send never leaves this module: it is read for the reason of a failure, which Apprise
tells nowhere else, and then forgotten.
"""

import inspect
import logging
import re
import threading
from collections.abc import Callable, Iterator, Sized
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from omega_jobs.delivery import Delivery, DeliveryError
from omega_worker.channels.seam import Channel
from omega_worker.channels.templates import check_template, fill_template
from omega_worker.pace import TELEGRAM

if TYPE_CHECKING:
    from apprise import AppriseAsset, NotifyBase

_NEEDS_EXTRA = "needs the apprise extra: install omega-worker[apprise]"
# Tried in turn, to see what the address itself says.
_ANYBODY = ("15551234567", "anybody@example.org", "anybody")
_BLANK = re.compile(r"\{(reply_target|sender_id)\}")
_WHOLE_PIECE = re.compile(r"(?:(?<=[/=])|(?<=[/=]@)|(?<=/%23))\{(reply_target|sender_id)\}(?=[/?&]|$)")
_RECIPIENT_NAMES = ("to", "channel", "channels", "recipients", "room", "thread", "topic")
_ANCHORS = ("schema", "host", "port", "user", "password")

# Apprise undoes quoting more than once, and splits recipients at these.
_SEPARATORS = re.compile(r"[\s\x00-\x1f\x7f-\x9f%,;|?\\<>\"\[\]]")
_PATH_SEPARATORS = re.compile(r"[/#&]")
_PART_OF_A_PIECE = re.compile(r"[\w.+-]+")
# Where the services that do not call them targets keep those they accepted.
_TARGETS = (
    *("channels", "departments", "devices", "dm_users", "groups", "members", "phone", "rooms", "subreddits"),
    *("tag_ids", "target_contacts", "target_groups", "target_phones", "topics", "users", "_topics", "_users"),
)
_MAIL = frozenset(
    "azure brevo groundmail mailersend mailgun mailto mailtos o365 postmark resend sendgrid sendpulse ses"
    " smtp2go sparkpost".split()
)
_LONGEST_SUBJECT = 78

_SIGNS = re.compile(
    r"""
      \berror=(?P<http>\d+)\b
    | \((?P<smtp>\d{3}),\ b['"] | \ was\ refused:\ (?P<smtp_each>\d{3})\b
    | (?P<unsent> Connection\ error\ while\ submitting\ email | Max\ retries\ exceeded
        | [Ff]ailed\ to\ establish | Connection\ refused | [Nn]ame\ or\ service | [Nn]ame\ resolution )
    | (?P<sent> Read\ timed\ out | Connection\ aborted | Connection\ broken | IncompleteRead
        | MQTT\ message\ could\ not\ be\ delivered
        | Exception:\ (?![^\n]*\(\d{3},)[^\n]*\nSending\ email )
    """,
    re.VERBOSE,
)


def apprise_channel(
    url_template: str, *, timeout: timedelta = timedelta(seconds=30), name: str | None = None
) -> Channel:
    """A channel that sends through one Apprise service, such as `tgram://<token>/{reply_target}`.

    One service and one recipient per delivery, no retries of Apprise's own, no receipt, and no
    de-duplication: what is not answered within `timeout` is ambiguous and held for a person. Raises
    ValueError, echoing no address, if Apprise is not installed or cannot use this one.
    """
    service = _Service(url_template, timeout.total_seconds())
    rate = TELEGRAM if url_template.lower().startswith("tgram:") else None
    return Channel(service.send, on_ambiguous="hold", name=name, rate=rate)


class _Service:
    def __init__(self, template: str, seconds: float) -> None:
        # To Apprise a # is a part of the name of a room, not the end of the address.
        self._template = template.replace("#", "%23")
        self._scheme = template.partition("://")[0].lower()
        self._kind = _kind(self._scheme)
        _check(self._template, self._scheme)
        self._seconds = seconds
        self._blanks = set(_BLANK.findall(self._template))
        self._in_pieces = set(_BLANK.findall(_WHOLE_PIECE.sub("", self._template)))
        self._has_targets = "targets" in inspect.signature(self._kind.__init__).parameters
        with _listening():
            self._anchors = self._first_reading()
            self._place = self._try_out()

    def send(self, delivery: Delivery) -> None:
        self._check_recipient(delivery)
        url = fill_template(self._template, reply_target=delivery.reply_target, sender_id=delivery.sender_id)
        sent: Future[None] = Future()
        # Apprise's own deadline would have sends wait for one of its few threads, and call one that
        # never left that queue a timeout like any other.
        threading.Thread(
            target=self._run, args=(url, delivery.text, sent), name="omega-apprise", daemon=True
        ).start()
        try:
            sent.result(self._seconds)
        except TimeoutError:
            raise DeliveryError(f"no answer within {self._seconds:g} s", ambiguous=True) from None

    def _run(self, url: str, text: str, sent: "Future[None]") -> None:
        with _listening() as said:
            try:
                self._attempt(url, text, said, sent)
            except BaseException as error:  # noqa: BLE001  whatever it is belongs to the one who waits
                sent.set_exception(error)

    def _attempt(self, url: str, text: str, said: list[str], sent: "Future[None]") -> None:
        from apprise import Apprise, NotifyFormat

        plugin = self._plugin(url)
        if self._place not in (None, _place(plugin)):
            raise _refused("would change the place it is sent to")
        title = text.partition("\n")[0][:_LONGEST_SUBJECT] if self._scheme in _MAIL else ""
        result = Apprise(plugin, asset=plugin.asset).notify(
            body=text, title=title, body_format=NotifyFormat.TEXT
        )
        # Told before the plugin is let go of: some log out then, and may take their time.
        if result:
            sent.set_result(None)
        else:
            sent.set_exception(_failure("\n".join(said)))

    def _plugin(self, url: str) -> "NotifyBase":
        from apprise import Apprise

        found = self._parsed(url)
        if found is None or any(found.get(name) != said for name, said in self._anchors.items()):
            raise _refused("would change more of the address than its own place")
        found.setdefault("rto", self._seconds)
        found |= {"retry": 0, "optional": False}
        try:
            plugin = Apprise.instantiate(found, asset=_asset(), suppress_exceptions=False)
        except Exception:  # noqa: BLE001  a plugin refuses what it is given in any way it likes
            plugin = None
        if plugin is None or (self._has_targets and _count(plugin) != 1):
            raise _refused(f"is not exactly one that {self._scheme}:// can reach")
        return plugin

    def _first_reading(self) -> dict[str, object]:
        found = self._parsed(_BLANK.sub(_ANYBODY[0], self._template))
        if found is None:
            raise ValueError(f"Apprise cannot read this {self._scheme}:// address")
        return {name: found.get(name) for name in _ANCHORS}

    def _try_out(self) -> tuple[object, ...] | None:
        for anybody in _ANYBODY:
            with suppress(DeliveryError):
                return _place(self._plugin(_BLANK.sub(quote(anybody), self._template)))
        if self._blanks:
            return None  # such recipients have a form of their own
        raise ValueError(f"Apprise cannot use this {self._scheme}:// address, or it has not one recipient")

    def _parsed(self, url: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] | None = self._kind.parse_url(url)
        except Exception:  # noqa: BLE001  nor do they agree on how to say that they cannot read it
            return None
        return found or None

    def _check_recipient(self, delivery: Delivery) -> None:
        for name in sorted(self._blanks):
            value: str = getattr(delivery, name)
            if _SEPARATORS.search(value) or (not self._has_targets and _PATH_SEPARATORS.search(value)):
                raise _refused("holds a character at which Apprise would take it apart", name)
            if name in self._in_pieces and value and not _PART_OF_A_PIECE.fullmatch(value):
                raise _refused("does not fit into the middle of an address", name)


def _refused(why: str, name: str = "recipient") -> DeliveryError:
    return DeliveryError(f"the {name} {why}", retry=False)


def _check(template: str, scheme: str) -> None:
    authority, slash, rest = re.split(r"://", template, maxsplit=1)[1].partition("/")
    authority, mark, query = authority.partition("?")
    if "{" in authority or "}" in authority:
        raise ValueError("{reply_target} and {sender_id} may stand only behind the host")
    # Tokens in place of hosts are no hosts: what they hold is checked as if it were a path.
    check_template(f"{scheme}://host/{authority}{mark}{query}{slash}{rest}", schemes=(scheme,))
    for pair in template.partition("?")[2].split("&"):
        key = pair.partition("=")[0].lower()
        if _BLANK.search(pair) and not key.startswith((":", "-")) and key not in _RECIPIENT_NAMES:
            raise ValueError(
                f"behind the ? a recipient may be the value of {', '.join(_RECIPIENT_NAMES)}, :name or -name"
            )


def _kind(scheme: str) -> "type[NotifyBase]":
    try:
        from apprise.manager_plugins import NotificationManager
    except ImportError:
        raise ValueError(_NEEDS_EXTRA) from None
    known = NotificationManager()  # type: ignore[no-untyped-call]
    if scheme not in known:
        named = f" as {scheme}://" if re.fullmatch("[a-z0-9]{1,20}", scheme) else ""
        raise ValueError(f"there is no such kind of channel{named}")
    kind: type[NotifyBase] = known[scheme]
    if not kind.enabled:
        needed = kind.requirements.get("packages_required") or "something this system lacks"
        packages = needed if isinstance(needed, str) else ", ".join(needed)
        raise ValueError(f"{scheme}:// needs more than is installed: {packages}")
    return kind


def _asset() -> "AppriseAsset":
    from apprise import AppriseAsset

    return AppriseAsset(
        app_id="Omega",
        app_desc="Omega",
        app_url="",
        async_mode=False,
        service_timeout=0,
        http_redirects=False,
        pgp_autogen=False,
        pem_autogen=False,
    )


def _place(plugin: "NotifyBase") -> tuple[object, ...]:
    return tuple(getattr(plugin, name, None) for name in (*_ANCHORS, "smtp_host"))


def _count(plugin: "NotifyBase") -> int:
    names = ("targets",) if hasattr(plugin, "targets") else _TARGETS
    kept = [getattr(plugin, name, None) for name in names]
    counted = [len(each) for each in kept if isinstance(each, Sized) and not isinstance(each, str)]
    return sum(counted) if counted else len(plugin)


def _failure(said: str) -> DeliveryError:
    signs = list(_SIGNS.finditer(said))
    if not signs:
        return DeliveryError("not delivered, and Apprise does not say why")
    last = signs[-1]
    if last["sent"]:
        return DeliveryError("sent, but no answer came", ambiguous=True)
    if last["unsent"]:
        return DeliveryError("not connected")
    if last["http"]:
        return _by_http(int(last["http"]))
    code = int(last["smtp"] or last["smtp_each"])
    return DeliveryError(f"SMTP {code}", retry=not 500 <= code < 600)


def _by_http(code: int) -> DeliveryError:
    if not 100 <= code < 600:
        return DeliveryError(f"not delivered: the service says {code}")
    return DeliveryError(f"HTTP {code}", retry=code in (408, 425, 429) or not 300 <= code < 500)


_heard: ContextVar[list[str] | None] = ContextVar("heard", default=None)


class _Ear(logging.Filter):
    """Keeps from every log what is said of our sends; what is said of others passes as before."""

    def __init__(self, least: Callable[[], int]) -> None:
        super().__init__()
        self._least = least

    def filter(self, record: logging.LogRecord) -> bool:
        said = _heard.get()
        if said is None:
            return record.levelno >= self._least()
        message = record.getMessage()
        if record.levelno >= logging.WARNING or "Exception: " in message[:40]:
            said.append(message)
        return False


@contextmanager
def _listening() -> Iterator[list[str]]:
    _lend_an_ear()
    said: list[str] = []
    token = _heard.set(said)
    try:
        yield said
    finally:
        _heard.reset(token)


@cache
def _lend_an_ear() -> None:
    log, root = logging.getLogger("apprise"), logging.getLogger()
    before = log.level
    log.addFilter(_Ear(lambda: before or root.level))
    # What broke a connection, or the code of a mail server, is said at this level alone.
    log.setLevel(logging.DEBUG)
    # It names each path it asks for, and Telegram's hold the token.
    logging.getLogger("urllib3.connectionpool").addFilter(_Ear(lambda: logging.NOTSET))
