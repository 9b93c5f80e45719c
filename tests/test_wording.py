"""The words of a reminder, and the values that pass between a delivery and a channel."""

import math
import pickle
from dataclasses import FrozenInstanceError, fields
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from http_receiver import a_delivery

from omega_jobs.delivery import LONGEST_WAIT, Delivery, DeliveryError, Verdict, accepted, verdict_of
from omega_jobs.wording import late_words, reminder_text

NAMES = (
    "id task_id channel sender_id reply_target text description scheduled_for scheduled_local attempt "
    "late_by project is_action"
)
NINE = datetime(2026, 11, 20, 9, tzinfo=ZoneInfo("Europe/Berlin"))


def said(late_by: timedelta, local: datetime = NINE, missed: int = 0) -> str:
    return reminder_text("Call John", late_by=late_by, scheduled_local=local, missed=missed)


@pytest.mark.parametrize("seconds", [-5, 0, 1, 60])
def test_a_punctual_reminder_is_just_the_reminder(seconds: int) -> None:
    assert said(timedelta(seconds=seconds)) == "Reminder: Call John"


def test_a_late_one_says_when_it_was_due() -> None:
    assert said(timedelta(seconds=61)) == "Reminder: Call John (due Fri 20 Nov 09:00 CET, 1 min late)"
    expected = "Reminder: Call John (due Fri 20 Nov 09:00 CET, 2 h 5 min late)"
    assert said(timedelta(hours=2, minutes=5, seconds=30)) == expected


def test_missed_ones_are_counted() -> None:
    assert said(timedelta(0), missed=1) == "Reminder: Call John (1 earlier one was missed)"
    expected = "Reminder: Call John (due Fri 20 Nov 09:00 CET, 2 h late; 4 earlier ones were missed)"
    assert said(timedelta(hours=2), missed=4) == expected


def test_another_year_is_named() -> None:
    assert "due Fri 20 Nov 2026 09:00 CET, 60 days late" in said(timedelta(days=60))
    assert "due Fri 20 Nov 2026 09:00 CET" in said(timedelta(days=400))


@pytest.mark.parametrize(
    ("zone", "label"),
    [
        (ZoneInfo("Asia/Riyadh"), "09:00 UTC+03,"),
        (ZoneInfo("America/Sao_Paulo"), "09:00 UTC-03,"),
        (ZoneInfo("Asia/Kathmandu"), "09:00 UTC+05:45,"),
        (ZoneInfo("Africa/Casablanca"), "09:00 UTC"),
        (ZoneInfo("America/New_York"), "09:00 EST,"),
        (ZoneInfo("Etc/GMT"), "09:00 GMT,"),
        (ZoneInfo("Etc/GMT+5"), "09:00 UTC-05,"),
        (timezone(timedelta(hours=3)), "09:00 UTC+03:00,"),
        (timezone(timedelta(0), "-00"), "09:00 UTC,"),
        (timezone(timedelta(0), ""), "09:00,"),
        (UTC, "09:00 UTC,"),
    ],
)
def test_the_zone_is_labelled(zone: timezone | ZoneInfo, label: str) -> None:
    assert label in said(timedelta(minutes=2), NINE.replace(tzinfo=zone))


@pytest.mark.parametrize(
    ("lateness", "words"),
    [
        (timedelta(seconds=-3), "0 s"),
        (timedelta(seconds=45.9), "45 s"),
        (timedelta(seconds=60), "1 min"),
        (timedelta(minutes=5, seconds=59), "5 min"),
        (timedelta(hours=1), "1 h"),
        (timedelta(hours=2, minutes=5), "2 h 5 min"),
        (timedelta(hours=23, minutes=59, seconds=59), "23 h 59 min"),
        (timedelta(days=1), "1 day"),
        (timedelta(days=1, hours=23), "1 day 23 h"),
        (timedelta(days=3), "3 days"),
        (timedelta(days=3, minutes=59), "3 days"),
    ],
)
def test_lateness_in_words(lateness: timedelta, words: str) -> None:
    assert late_words(lateness) == words


def test_the_fields_and_their_order() -> None:
    assert " ".join(field.name for field in fields(Delivery)) == NAMES


def test_a_delivery_is_frozen_and_its_repr_keeps_quiet() -> None:
    delivery = a_delivery(text="Reminder: secret plan", description="secret plan")
    assert "secret" not in repr(delivery)
    with pytest.raises(FrozenInstanceError):
        delivery.attempt = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (None, None),
        (30, timedelta(seconds=30)),
        (1.5, timedelta(seconds=1.5)),
        (timedelta(minutes=2), timedelta(minutes=2)),
        (-4, timedelta()),
        (math.inf, LONGEST_WAIT),
        (1e300, LONGEST_WAIT),
        (math.nan, None),
    ],
)
def test_retry_after_becomes_a_usable_timedelta(
    given: float | timedelta | None, kept: timedelta | None
) -> None:
    assert DeliveryError("busy", retry_after=given).retry_after == kept


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (DeliveryError("busy", True, 30), Verdict("retry", error="busy", retry_after=timedelta(seconds=30))),
        (DeliveryError("gone", retry=False), Verdict("failed", error="gone")),
        (DeliveryError("no answer", ambiguous=True), Verdict("ambiguous", error="no answer")),
        (DeliveryError("no answer", retry=False, ambiguous=True), Verdict("ambiguous", error="no answer")),
        (DeliveryError("a\x00b\nc\ud800"), Verdict("retry", error="a b c")),
        (DeliveryError(""), Verdict("retry", error="DeliveryError")),
        (DeliveryError("x" * 9000), Verdict("retry", error="x" * 500)),
        (ValueError("Call John, token 12345"), Verdict("retry", error="ValueError")),
        (TimeoutError(), Verdict("retry", error="TimeoutError")),
    ],
)
def test_what_an_exception_means(error: Exception, verdict: Verdict) -> None:
    assert verdict_of(error) == verdict


@pytest.mark.parametrize(
    ("returned", "receipt"),
    [
        ("m1", "m1"),
        (42, "42"),
        (None, None),
        (True, None),
        ("", None),
        ("\x00", None),
        ({"text": "Call John"}, None),
        ("m" * 900, "m" * 200),
        pytest.param(10**5000, None, id="a number too long to print"),
    ],
)
def test_what_a_channel_returns_is_a_receipt_if_it_can_be(returned: object, receipt: str | None) -> None:
    assert accepted(returned) == Verdict("delivered", receipt=receipt)


def test_the_error_survives_a_process_boundary() -> None:
    copy = pickle.loads(pickle.dumps(DeliveryError("busy", False, 5, ambiguous=True)))
    assert (copy.reason, copy.retry, copy.retry_after, copy.ambiguous) == (
        "busy",
        False,
        timedelta(seconds=5),
        True,
    )
