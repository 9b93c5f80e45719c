"""The calendar, rule by rule, as examples."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from omega_models.errors import InvalidRepeat, InvalidTime, InvalidTimezone
from omega_models.recurrence import (
    between,
    count_between,
    first_occurrence,
    following,
    known_repeat,
    latest,
    next_occurrence,
    offsets,
    parse_repeat,
    to_instant,
    to_local,
)

ORACLE = json.loads((Path(__file__).parent / "data" / "recurrence_oracle.json").read_text())
LONG_AGO, FAR = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def local(text: str) -> datetime:
    return datetime.fromisoformat(text)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def walls(repeat: str | None, anchor: str, zone: str = "UTC", count: int = 5, after: str = "") -> list[str]:
    """The next occurrences as local time, to the minute."""
    start = utc(after) if after else LONG_AGO
    found = islice(between(repeat, local(anchor), start, FAR, zone), count)
    return [f"{to_local(instant, zone):%Y-%m-%d %H:%M}" for instant in found]


def instants(repeat: str | None, anchor: str, zone: str, after: str, count: int = 5) -> list[str]:
    """The next occurrences in UTC, to the minute."""
    found = islice(between(repeat, local(anchor), utc(after), FAR, zone), count)
    return [f"{instant:%m-%d %H:%M}" for instant in found]


@pytest.mark.parametrize(
    "case", ORACLE, ids=lambda case: f"{case['repeat']} {case['zone']} {case['now_utc']}"
)
def test_independent_engines_agree(case: dict[str, Any]) -> None:
    found = next_occurrence(case["repeat"], case["anchor_local"], case["now_utc"], case["zone"])
    expected = case["expected_next_utc"]
    assert found == (expected and datetime.fromisoformat(expected))


class TestParsing:
    @pytest.mark.parametrize(
        ("given", "stored"),
        [
            (None, None),
            ("once", None),
            (" Once ", None),
            ("DAILY", "daily"),
            ("Weekdays", "weekdays"),
            ("weekly", "weekly"),
            ("Monthly", "monthly"),
            ("yearly", "yearly"),
            ("CRON:0  9 * *  MON-FRI", "cron:0 9 * * MON-FRI"),
            ("cron: 0 9 * * *", "cron:0 9 * * *"),
            ("rrule:freq=daily;count=3", "RRULE:FREQ=DAILY;COUNT=3"),
        ],
    )
    def test_gives_the_text_that_is_stored(self, given: str | None, stored: str | None) -> None:
        assert parse_repeat(given) == stored

    @pytest.mark.parametrize("word", ["", "hourly", "every day", "FREQ=DAILY", "dayly", "cron", "* * * * *"])
    def test_refuses_unknown_words_and_says_what_is_accepted(self, word: str) -> None:
        with pytest.raises(InvalidRepeat, match="unknown; accepted are once, daily, weekdays"):
            parse_repeat(word)

    @pytest.mark.parametrize("value", [7, b"daily", ["daily"], "daily" * 1000])
    def test_refuses_what_is_no_short_text(self, value: Any) -> None:
        with pytest.raises(InvalidRepeat, match="text of at most"):
            parse_repeat(value)

    @pytest.mark.parametrize(
        ("fields", "why"),
        [
            ("0 9 * *", "exactly 5 fields .* not 4"),
            ("0 0 9 * * *", "exactly 5 fields .* not 6"),
            ("@daily", "exactly 5 fields"),
            ("60 9 * * *", "'minute', '60': 60 is not between 0 and 59"),
            ("0 24 * * *", "'hour', '24': 24 is not between 0 and 23"),
            ("0 9 0 * *", "'day of month', '0': 0 is not between 1 and 31"),
            ("0 9 * 13 *", "'month', '13': 13 is not between 1 and 12"),
            ("0 9 * * 8", "'day of week', '8': 8 is not between 0 and 7"),
            ("0 9 * mai *", "'mai' is not a number or one of jan, feb"),
            ("0 9 * * monday", "'monday' is not a number or one of sun, mon"),
            ("0 9 L * *", "'l' is not a number"),
            ("0 9 15w * *", "'15w' is not a number"),
            ("0 9 * * 5#2", "give \\*, a value, a range"),
            ("0 9 ? * *", "give \\*, a value, a range"),
            ("*/0 * * * *", "a step is at least 1"),
            ("5/15 * * * *", "a step needs a range: 5-59/15"),
            ("30-10 * * * *", "a range goes upwards"),
            ("1,,2 * * * *", "give \\*, a value"),
            ("-5 * * * *", "give \\*, a value"),
            ("0 0 30 2 *", "no month of the cron has a day 30"),
            ("0 0 31 4,6,9,11 *", "no month of the cron has a day 31"),
        ],
    )
    def test_refuses_a_wrong_cron_and_names_the_field(self, fields: str, why: str) -> None:
        with pytest.raises(InvalidRepeat, match=why):
            parse_repeat(f"cron:{fields}")

    @pytest.mark.parametrize(
        ("rule", "why"),
        [
            ("", "RRULE part '' is not one of FREQ"),
            ("INTERVAL=2", "needs FREQ"),
            ("FREQ=MINUTELY", "FREQ=MINUTELY is not supported: give one of HOURLY, DAILY"),
            ("FREQ=SECONDLY", "FREQ=SECONDLY is not supported"),
            ("FREQ=DAILY;FREQ=WEEKLY", "names FREQ twice"),
            ("FREQ=DAILY;", "part '' is not one of"),
            ("FREQ=DAILY;BYEASTER=0", "part 'BYEASTER=0' is not one of"),
            ("FREQ=DAILY;INTERVAL=0", "INTERVAL=0 is not a whole number of at least 1"),
            ("FREQ=DAILY;INTERVAL=-1", "INTERVAL=-1 is not a whole number"),
            ("FREQ=DAILY;COUNT=0", "COUNT=0 is not a whole number"),
            ("FREQ=DAILY;COUNT=2;UNTIL=20260101", "COUNT or UNTIL, not both"),
            ("FREQ=DAILY;UNTIL=tomorrow", "UNTIL=TOMORROW is not a date"),
            ("FREQ=DAILY;UNTIL=20260230", "UNTIL=20260230 is not a date"),
            ("FREQ=DAILY;UNTIL=20260101Z", "is not a date"),
            ("FREQ=WEEKLY;BYDAY=XX", "'XX' is not a weekday such as MO"),
            ("FREQ=WEEKLY;BYDAY=2MO", "needs FREQ=MONTHLY or YEARLY"),
            ("FREQ=MONTHLY;BYDAY=0MO", "'0MO' is not a weekday"),
            ("FREQ=YEARLY;BYDAY=2MO;BYWEEKNO=3", "does not go with BYWEEKNO"),
            ("FREQ=MONTHLY;BYMONTHDAY=0", "'0' is not a number from 1 to 31 or -31 to -1"),
            ("FREQ=YEARLY;BYMONTH=13", "'13' is not a number from 1 to 12"),
            ("FREQ=YEARLY;BYMONTH=-1", "'-1' is not a number from 1 to 12"),
            ("FREQ=DAILY;BYHOUR=24", "'24' is not a number from 0 to 23"),
            ("FREQ=DAILY;BYMINUTE=60", "'60' is not a number from 0 to 59"),
            ("FREQ=DAILY;BYSECOND=60", "'60' is not a number from 0 to 59"),
            ("FREQ=DAILY;BYHOUR=", "'' is not a number"),
            ("FREQ=DAILY;WKST=1", "WKST=1 is not one of MO"),
            ("FREQ=DAILY;BYSETPOS=1", "BYSETPOS needs another BY part"),
            ("FREQ=MONTHLY;BYWEEKNO=3", "BYWEEKNO needs FREQ=YEARLY"),
            ("FREQ=DAILY;BYYEARDAY=3", "BYYEARDAY needs FREQ=YEARLY or HOURLY"),
            ("FREQ=WEEKLY;BYMONTHDAY=3", "BYMONTHDAY does not go with FREQ=WEEKLY"),
            ("FREQ=DAILY\nRRULE:FREQ=WEEKLY", "one RRULE only"),
            ("FREQ=DAILY\nEXDATE:20260101T090000", "one RRULE only"),
            ("FREQ=DAILY DTSTART:20260101", "one RRULE only"),
            ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "it would never fire"),
            ("FREQ=DAILY;BYMONTH=4;BYMONTHDAY=31", "it would never fire"),
            ("FREQ=HOURLY;BYMONTH=1;BYYEARDAY=100", "it would never fire"),
            ("FREQ=YEARLY;BYWEEKNO=20;BYMONTH=1;BYDAY=MO", "it would never fire"),
            ("FREQ=MONTHLY;BYDAY=6MO", "it would never fire"),
            ("FREQ=MONTHLY;BYMONTHDAY=1;BYSETPOS=2", "it would never fire"),
            ("FREQ=DAILY;BYHOUR=9,17;BYSETPOS=3", "it would never fire"),
            ("FREQ=HOURLY;BYMINUTE=0;BYSETPOS=-2", "it would never fire"),
            ("FREQ=WEEKLY;BYMONTH=2;BYSETPOS=2", "it would never fire"),
        ],
    )
    def test_refuses_a_wrong_rule_and_names_the_part(self, rule: str, why: str) -> None:
        with pytest.raises(InvalidRepeat, match=why):
            parse_repeat(f"RRULE:{rule}")

    @pytest.mark.parametrize(
        ("given", "known"),
        [(None, None), ("once", None), ("Weekly", "weekly"), ("fortnightly", "daily"), ("cron:x", "daily")],
    )
    def test_a_foreign_row_that_is_unknown_behaves_as_daily(
        self, given: str | None, known: str | None
    ) -> None:
        assert known_repeat(given) == known


class TestWords:
    def test_once_is_the_anchor_alone(self) -> None:
        assert walls(None, "2026-03-01T09:00") == ["2026-03-01 09:00"]
        assert walls("once", "2026-03-01T09:00", after="2026-03-01 09:00") == []

    def test_daily(self) -> None:
        assert walls("daily", "2026-02-27T09:00", count=3) == [
            "2026-02-27 09:00",
            "2026-02-28 09:00",
            "2026-03-01 09:00",
        ]

    def test_weekdays_are_monday_to_friday_and_start_after_a_weekend(self) -> None:
        assert walls("weekdays", "2026-03-07T09:00", count=6) == [
            "2026-03-09 09:00",
            "2026-03-10 09:00",
            "2026-03-11 09:00",
            "2026-03-12 09:00",
            "2026-03-13 09:00",
            "2026-03-16 09:00",
        ]

    def test_weekdays_are_those_of_the_zone(self) -> None:
        assert instants("weekdays", "2026-03-09T08:00", "Asia/Tokyo", "2026-03-07 00:00", 1) == [
            "03-08 23:00"
        ]

    def test_weekdays_do_not_move_to_a_saturday_with_a_missing_friday(self) -> None:
        assert walls("weekdays", "2011-12-28T09:00", "Pacific/Apia", 3) == [
            "2011-12-28 09:00",
            "2011-12-29 09:00",
            "2012-01-02 09:00",
        ]

    def test_weekly(self) -> None:
        assert walls("weekly", "2026-12-24T18:30", count=2) == ["2026-12-24 18:30", "2026-12-31 18:30"]

    def test_monthly_on_the_31st_is_the_last_day_of_a_shorter_month_and_returns(self) -> None:
        days = [day[:10] for day in walls("monthly", "2024-01-31T09:00", count=5)]
        assert days == ["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30", "2024-05-31"]

    @pytest.mark.parametrize(("day", "february"), [(28, 28), (29, 28), (30, 28), (31, 28)])
    def test_monthly_in_a_common_february(self, day: int, february: int) -> None:
        assert walls("monthly", f"2026-01-{day}T09:00", count=2)[1] == f"2026-02-{february} 09:00"

    def test_yearly_on_29_february_is_on_the_28th_and_returns(self) -> None:
        days = [day[:10] for day in walls("yearly", "2024-02-29T09:00", count=5)]
        assert days == ["2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]

    def test_a_century_is_no_leap_year(self) -> None:
        assert walls("yearly", "2096-02-29T09:00", count=5)[4] == "2100-02-28 09:00"

    def test_words_keep_the_seconds_of_their_anchor(self) -> None:
        anchor = local("2026-03-01T09:00:42")
        assert following("daily", anchor, utc("2026-03-05 09:00:41"), "UTC") == utc("2026-03-05 09:00:42")
        assert following("daily", anchor, utc("2026-03-05 09:00:42"), "UTC") == utc("2026-03-06 09:00:42")


class TestDaylightSaving:
    def test_a_repeat_keeps_its_wall_clock_time(self) -> None:
        assert instants("daily", "2026-03-27T09:00", "Europe/Berlin", "2026-03-28 00:00", 2) == [
            "03-28 08:00",
            "03-29 07:00",
        ]

    def test_a_time_in_a_gap_moves_forward_by_its_length_and_back_the_next_day(self) -> None:
        assert walls("daily", "2026-03-07T02:30", "America/New_York", 3) == [
            "2026-03-07 02:30",
            "2026-03-08 03:30",
            "2026-03-09 02:30",
        ]

    def test_an_ambiguous_time_happens_once_and_first(self) -> None:
        assert instants("daily", "2026-10-31T01:30", "America/New_York", "2026-10-31 12:00", 2) == [
            "11-01 05:30",
            "11-02 06:30",
        ]

    def test_a_whole_missing_day_comes_together_with_the_next(self) -> None:
        assert walls("daily", "2011-12-29T09:00", "Pacific/Apia", 3) == [
            "2011-12-29 09:00",
            "2011-12-31 09:00",
            "2012-01-01 09:00",
        ]

    def test_a_fixed_hour_cron_behaves_like_a_word(self) -> None:
        assert walls("cron:30 2 * * *", "2026-03-08T00:00", "America/New_York", 2) == [
            "2026-03-08 03:30",
            "2026-03-09 02:30",
        ]
        assert instants("cron:30 1 * * *", "2026-10-01T00:00", "America/New_York", "2026-11-01 00:00", 2) == [
            "11-01 05:30",
            "11-02 06:30",
        ]

    @pytest.mark.parametrize("hour", ["*", "*/1"])
    def test_an_every_hour_cron_fires_in_both_readings(self, hour: str) -> None:
        assert instants(
            f"cron:0 {hour} * * *", "2026-10-01T00:00", "America/New_York", "2026-11-01 04:30", 4
        ) == [
            "11-01 05:00",
            "11-01 06:00",
            "11-01 07:00",
            "11-01 08:00",
        ]

    def test_an_every_hour_cron_gets_no_odd_time_in_a_gap(self) -> None:
        # Lord Howe Island skips 02:00 to 02:30, so 02:00 is not followed by a stray 02:30.
        assert walls("cron:0 * * * *", "2025-10-05T00:00", "Australia/Lord_Howe", 4) == [
            "2025-10-05 00:00",
            "2025-10-05 01:00",
            "2025-10-05 03:00",
            "2025-10-05 04:00",
        ]

    def test_an_every_quarter_cron_is_even_through_a_gap_and_an_overlap(self) -> None:
        for after in ("2026-03-08 06:00", "2026-11-01 04:00"):
            found = list(
                between(
                    "cron:*/15 * * * *",
                    local("2026-01-01T00:00"),
                    utc(after),
                    utc(after) + timedelta(hours=4),
                    "America/New_York",
                )
            )
            assert [(instant - utc(after)) // timedelta(minutes=15) for instant in found] == list(
                range(1, 17)
            )

    def test_a_cron_that_skips_hours_still_moves_out_of_a_gap(self) -> None:
        assert walls("cron:0 */2 * * *", "2026-03-08T00:00", "America/New_York", 3) == [
            "2026-03-08 00:00",
            "2026-03-08 03:00",
            "2026-03-08 04:00",
        ]

    def test_times_shifted_onto_one_instant_are_one(self) -> None:
        assert walls("cron:30 2,3 * * *", "2026-03-08T00:00", "America/New_York", 2) == [
            "2026-03-08 03:30",
            "2026-03-09 02:30",
        ]
        assert walls("RRULE:FREQ=HOURLY", "2026-03-08T00:30", "America/New_York", 4)[1:] == [
            "2026-03-08 01:30",
            "2026-03-08 03:30",
            "2026-03-08 04:30",
        ]

    def test_shifted_times_are_in_order_with_those_after_the_gap(self) -> None:
        assert walls("cron:15,45 1-3 * * *", "2026-03-08T01:00", "America/New_York", 4) == [
            "2026-03-08 01:15",
            "2026-03-08 01:45",
            "2026-03-08 03:15",
            "2026-03-08 03:45",
        ]
        assert walls("cron:20,35 2 * * *", "2025-10-05T00:00", "Australia/Lord_Howe", 2) == [
            "2025-10-05 02:35",
            "2025-10-05 02:50",
        ]

    @pytest.mark.parametrize("repeat", ["daily", "cron:30 9-21/3 30 * *", "cron:0 */4 30 12 *"])
    def test_a_change_may_reach_into_the_next_page_of_offsets(
        self, repeat: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        expected = walls(repeat, "2011-12-28T09:00", "Pacific/Apia", 40)
        offsets._pieces.cache_clear()
        monkeypatch.setattr(offsets, "_CHUNK", 24 * 3600)
        assert walls(repeat, "2011-12-28T09:00", "Pacific/Apia", 40) == expected
        offsets._pieces.cache_clear()

    def test_an_anchor_in_a_gap_starts_after_it(self) -> None:
        assert first_occurrence("daily", local("2026-03-08T02:30"), "America/New_York") == utc(
            "2026-03-08 07:30"
        )
        assert walls("cron:0 * * * *", "2026-03-08T02:30", "America/New_York", 1) == ["2026-03-08 04:00"]


class TestCron:
    def test_fields_lists_ranges_and_steps(self) -> None:
        assert walls("cron:10-30/10,45 8,17 * * *", "2026-01-01T08:15") == [
            "2026-01-01 08:20",
            "2026-01-01 08:30",
            "2026-01-01 08:45",
            "2026-01-01 17:10",
            "2026-01-01 17:20",
        ]

    @pytest.mark.parametrize("sunday", ["0", "7", "sun", "SUN", "0,7"])
    def test_sunday_has_many_names(self, sunday: str) -> None:
        assert walls(f"cron:0 12 * * {sunday}", "2026-03-02T00:00", count=2) == [
            "2026-03-08 12:00",
            "2026-03-15 12:00",
        ]

    @pytest.mark.parametrize("days", ["fri-sun", "5-7", "FRI,SAT,SUN", "0,5,6"])
    def test_a_range_may_end_on_sunday(self, days: str) -> None:
        found = walls(f"cron:0 12 * * {days}", "2026-03-02T00:00", count=4)
        assert [day[8:10] for day in found] == ["06", "07", "08", "13"]

    def test_months_by_name(self) -> None:
        assert walls("cron:0 12 1 feb-apr,DEC *", "2026-02-02T00:00", count=4) == [
            "2026-03-01 12:00",
            "2026-04-01 12:00",
            "2026-12-01 12:00",
            "2027-02-01 12:00",
        ]

    def test_day_of_month_or_day_of_week_when_both_are_given(self) -> None:
        found = walls("cron:0 9 13 * fri", "2026-02-01T00:00", count=5)
        assert [day[5:10] for day in found] == ["02-06", "02-13", "02-20", "02-27", "03-06"]

    def test_a_field_that_begins_with_a_star_restricts_the_other(self) -> None:
        found = walls("cron:0 9 */2 * mon", "2026-03-01T00:00", count=3)
        assert [day[5:10] for day in found] == ["03-09", "03-23", "04-13"]
        assert walls("cron:0 9 13 * */5", "2026-03-01T00:00", count=2) == [
            "2026-03-13 09:00",
            "2026-09-13 09:00",
        ]

    def test_days_that_a_month_lacks_are_skipped(self) -> None:
        found = walls("cron:0 9 31 * *", "2026-01-01T00:00", count=4)
        assert [day[5:10] for day in found] == ["01-31", "03-31", "05-31", "07-31"]

    def test_29_february_on_a_sunday_is_found_decades_away(self) -> None:
        assert walls("cron:0 9 29 2 */7", "2026-01-01T00:00", count=2) == [
            "2032-02-29 09:00",
            "2060-02-29 09:00",
        ]

    def test_the_anchor_counts_only_if_it_fits(self) -> None:
        anchor = local("2026-03-01T09:00:30")
        assert first_occurrence("cron:0 9 * * *", anchor, "UTC") == utc("2026-03-02 09:00")


class TestRrule:
    @pytest.mark.parametrize(
        ("rule", "anchor", "expected"),
        [
            ("FREQ=HOURLY;INTERVAL=5", "2026-03-01T20:30", ["03-01 20:30", "03-02 01:30", "03-02 06:30"]),
            ("FREQ=HOURLY;BYHOUR=9,10;BYMINUTE=0,30", "2026-03-01T09:15", ["03-01 09:30", "03-01 10:00"]),
            ("FREQ=HOURLY;INTERVAL=6;BYMONTH=4", "2026-03-31T21:00", ["04-01 03:00", "04-01 09:00"]),
            ("FREQ=HOURLY;INTERVAL=7;BYMONTHDAY=1", "2026-03-31T21:00", ["04-01 04:00", "04-01 11:00"]),
            ("FREQ=HOURLY;INTERVAL=12;BYYEARDAY=60,-1", "2026-01-01T06:00", ["03-01 06:00", "03-01 18:00"]),
            ("FREQ=HOURLY;BYMINUTE=0,20,40;BYSETPOS=-1", "2026-03-01T09:00", ["03-01 09:40", "03-01 10:40"]),
            ("FREQ=DAILY;INTERVAL=10", "2026-02-25T09:00", ["02-25 09:00", "03-07 09:00", "03-17 09:00"]),
            ("FREQ=DAILY;BYDAY=SA,SU", "2026-03-04T09:00", ["03-07 09:00", "03-08 09:00", "03-14 09:00"]),
            ("FREQ=DAILY;INTERVAL=2;BYMONTH=6", "2026-03-01T09:00", ["06-01 09:00", "06-03 09:00"]),
            ("FREQ=DAILY;BYMONTHDAY=-1,1", "2026-03-15T09:00", ["03-31 09:00", "04-01 09:00", "04-30 09:00"]),
            ("FREQ=DAILY;BYHOUR=8,12,18;BYSETPOS=1,-1", "2026-03-01T10:00", ["03-01 18:00", "03-02 08:00"]),
            ("FREQ=WEEKLY;BYDAY=MO,FR", "2026-03-04T09:00", ["03-06 09:00", "03-09 09:00", "03-13 09:00"]),
            (
                "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=MO",
                "1997-08-05T09:00",
                ["08-05 09:00", "08-10 09:00", "08-19 09:00"],
            ),
            (
                "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=SU",
                "1997-08-05T09:00",
                ["08-05 09:00", "08-17 09:00", "08-19 09:00"],
            ),
            ("FREQ=WEEKLY;BYDAY=MO,WE,FR;BYSETPOS=1", "2026-03-04T09:00", ["03-09 09:00", "03-16 09:00"]),
            ("FREQ=WEEKLY;BYMONTH=5;BYDAY=MO", "2026-03-04T09:00", ["05-04 09:00", "05-11 09:00"]),
            ("FREQ=MONTHLY", "2026-01-31T09:00", ["01-31 09:00", "03-31 09:00", "05-31 09:00"]),
            ("FREQ=MONTHLY;BYMONTHDAY=-3", "2026-01-01T09:00", ["01-29 09:00", "02-26 09:00", "03-29 09:00"]),
            (
                "FREQ=MONTHLY;BYDAY=2TU,-1FR",
                "2026-03-01T09:00",
                ["03-10 09:00", "03-27 09:00", "04-14 09:00"],
            ),
            ("FREQ=MONTHLY;BYDAY=WE,1FR", "2026-03-01T09:00", ["03-04 09:00", "03-06 09:00", "03-11 09:00"]),
            (
                "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
                "2026-01-01T09:00",
                ["02-13 09:00", "03-13 09:00", "11-13 09:00"],
            ),
            ("FREQ=MONTHLY;INTERVAL=18;BYMONTHDAY=10", "1997-09-10T09:00", ["09-10 09:00", "03-10 09:00"]),
            ("FREQ=YEARLY;BYMONTH=1,7", "2026-03-05T09:00", ["07-05 09:00", "01-05 09:00"]),
            (
                "FREQ=YEARLY;BYYEARDAY=1,100,-1",
                "2026-02-01T09:00",
                ["04-10 09:00", "12-31 09:00", "01-01 09:00"],
            ),
            ("FREQ=YEARLY;BYDAY=20MO", "1997-05-19T09:00", ["05-19 09:00", "05-18 09:00", "05-17 09:00"]),
            ("FREQ=YEARLY;BYMONTH=11;BYDAY=4TH", "2026-01-01T09:00", ["11-26 09:00", "11-25 09:00"]),
            (
                "FREQ=YEARLY;BYWEEKNO=1;BYDAY=MO",
                "2026-02-01T09:00",
                ["01-04 09:00", "01-03 09:00", "01-01 09:00"],
            ),
            ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", "2026-01-01T09:00", ["02-29 09:00", "02-29 09:00"]),
            ("FREQ=YEARLY;BYDAY=MO;BYSETPOS=-1", "2026-01-01T09:00", ["12-28 09:00", "12-27 09:00"]),
            ("FREQ=DAILY;BYSECOND=59;BYMINUTE=59", "2026-03-01T23:00", ["03-01 23:59", "03-02 23:59"]),
        ],
    )
    def test_parts(self, rule: str, anchor: str, expected: list[str]) -> None:
        assert [wall[5:] for wall in walls(f"RRULE:{rule}", anchor, count=len(expected))] == expected

    def test_week_53_exists_only_in_long_years(self) -> None:
        found = walls("RRULE:FREQ=YEARLY;BYWEEKNO=53;BYDAY=MO", "2021-01-01T09:00", count=2)
        assert found == ["2026-12-28 09:00", "2032-12-27 09:00"]

    def test_count_ends_a_series(self) -> None:
        assert walls("RRULE:FREQ=DAILY;COUNT=2", "2026-03-01T09:00") == [
            "2026-03-01 09:00",
            "2026-03-02 09:00",
        ]
        assert walls("RRULE:FREQ=MONTHLY;BYDAY=1MO;COUNT=2", "2026-03-05T09:00") == [
            "2026-04-06 09:00",
            "2026-05-04 09:00",
        ]

    def test_count_includes_what_lies_in_the_past(self) -> None:
        last = local("2026-01-01T09:00") + timedelta(days=3 * 99_999)
        anchor, rule = local("2026-01-01T09:00"), "RRULE:FREQ=DAILY;INTERVAL=3;COUNT=100000"
        assert latest(rule, anchor, FAR, "UTC") == last.replace(tzinfo=UTC)
        assert following(rule, anchor, last.replace(tzinfo=UTC), "UTC") is None

    @pytest.mark.parametrize(
        "rule",
        [
            "FREQ=DAILY",
            "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
            "FREQ=HOURLY;INTERVAL=25;BYMONTH=1,2",
            "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO;INTERVAL=3",
        ],
    )
    @pytest.mark.parametrize("count", [1_000_000, 10**17])
    def test_a_huge_count_is_as_good_as_none(self, rule: str, count: int) -> None:
        anchor, after = local("2026-01-01T09:00"), utc("2200-05-05 00:00")
        endless = following(f"RRULE:{rule}", anchor, after, "UTC")
        assert endless is not None
        assert following(f"RRULE:{rule};COUNT={count}", anchor, after, "UTC") == endless

    def test_count_over_many_calendar_cycles_is_exact(self) -> None:
        anchor, rule = local("0001-01-01T09:00"), "RRULE:FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13"
        total = sum(date(year, month, 13).weekday() == 4 for year in range(1, 2201) for month in range(1, 13))
        end = latest(f"{rule};COUNT={total}", anchor, FAR, "UTC")
        assert end == latest(rule, anchor, utc("2200-12-31 00:00"), "UTC")

    @pytest.mark.parametrize(
        ("until", "last"),
        [
            ("20260303T090000", "2026-03-03 09:00"),
            ("20260303T085959", "2026-03-02 09:00"),
            ("20260303T140000Z", "2026-03-03 09:00"),
            ("20260303T135959Z", "2026-03-02 09:00"),
            ("20260303", "2026-03-03 09:00"),
        ],
    )
    def test_until_is_included(self, until: str, last: str) -> None:
        assert walls(f"RRULE:FREQ=DAILY;UNTIL={until}", "2026-03-01T09:00", "America/New_York")[-1] == last

    def test_until_before_the_anchor_leaves_nothing(self) -> None:
        assert first_occurrence("RRULE:FREQ=DAILY;UNTIL=20250101", local("2026-01-01T09:00"), "UTC") is None

    def test_a_rule_that_its_anchor_keeps_from_firing_ends(self) -> None:
        tuesday = local("2026-03-03T09:00")
        assert first_occurrence("RRULE:FREQ=DAILY;INTERVAL=7;BYDAY=MO", tuesday, "UTC") is None
        assert first_occurrence("RRULE:FREQ=HOURLY;INTERVAL=24;BYHOUR=3", tuesday, "UTC") is None
        assert first_occurrence("RRULE:FREQ=HOURLY;INTERVAL=24;BYMONTH=3;BYHOUR=3", tuesday, "UTC") is None
        assert first_occurrence("RRULE:FREQ=MONTHLY;INTERVAL=12;BYMONTH=2", tuesday, "UTC") is None


class TestLookingAround:
    ANCHOR, ZONE = local("2026-03-01T09:00"), "Europe/Berlin"

    def test_first_occurrence_is_the_anchor_or_the_first_that_fits(self) -> None:
        assert first_occurrence("daily", self.ANCHOR, self.ZONE) == utc("2026-03-01 08:00")
        assert first_occurrence("weekdays", self.ANCHOR, self.ZONE) == utc("2026-03-02 08:00")
        assert first_occurrence(None, self.ANCHOR, self.ZONE) == utc("2026-03-01 08:00")

    def test_following_is_strictly_later_and_not_before_the_anchor(self) -> None:
        assert following("daily", self.ANCHOR, utc("2026-03-01 08:00"), self.ZONE) == utc("2026-03-02 08:00")
        assert following("daily", self.ANCHOR, utc("2026-03-01 07:59:59"), self.ZONE) == utc(
            "2026-03-01 08:00"
        )
        assert following("daily", self.ANCHOR, utc("1999-01-01 00:00"), self.ZONE) == utc("2026-03-01 08:00")

    def test_latest_may_be_the_moment_itself(self) -> None:
        assert latest("daily", self.ANCHOR, utc("2026-03-05 08:00"), self.ZONE) == utc("2026-03-05 08:00")
        assert latest("daily", self.ANCHOR, utc("2026-03-05 07:59:59"), self.ZONE) == utc("2026-03-04 08:00")
        assert latest("daily", self.ANCHOR, utc("2026-03-01 07:59:59"), self.ZONE) is None

    def test_between_leaves_out_its_start_and_includes_its_end(self) -> None:
        found = between("daily", self.ANCHOR, utc("2026-03-01 08:00"), utc("2026-03-03 08:00"), self.ZONE)
        assert list(found) == [utc("2026-03-02 08:00"), utc("2026-03-03 08:00")]

    def test_between_is_lazy(self) -> None:
        endless = between("cron:* * * * *", self.ANCHOR, LONG_AGO, FAR, self.ZONE)
        assert next(endless) == utc("2026-03-01 08:00")

    def test_counting_half_a_million_is_exact(self) -> None:
        start, end = utc("2026-03-01 07:59"), utc("2027-02-11 08:00")
        elapsed = (end - start) // timedelta(minutes=1)
        assert elapsed > 499_000
        assert count_between("cron:* * * * *", self.ANCHOR, start, end, self.ZONE) == elapsed
        assert count_between("cron:* 8 * * *", self.ANCHOR, start, end, self.ZONE) == 347 * 60

    def test_counting_nothing(self) -> None:
        assert (
            count_between("daily", self.ANCHOR, utc("2026-03-05 08:00"), utc("2026-03-05 08:00"), self.ZONE)
            == 0
        )
        assert (
            count_between("daily", self.ANCHOR, utc("2026-03-05 08:00"), utc("2026-03-01 08:00"), self.ZONE)
            == 0
        )

    def test_a_fraction_of_the_anchor_is_rounded_up(self) -> None:
        anchor = self.ANCHOR.replace(microsecond=1)
        assert first_occurrence("daily", anchor, "UTC") == utc("2026-03-01 09:00:01")

    def test_what_is_not_a_local_anchor_or_an_instant_is_refused(self) -> None:
        with pytest.raises(InvalidTime, match="give local wall-clock time"):
            first_occurrence("daily", utc("2026-03-01 09:00"), "UTC")
        with pytest.raises(InvalidTime, match="give an aware time"):
            following("daily", self.ANCHOR, self.ANCHOR, "UTC")
        with pytest.raises(InvalidTimezone):
            latest("daily", self.ANCHOR, FAR, "Mars/Olympus")
        with pytest.raises(InvalidRepeat):
            between("sometimes", self.ANCHOR, LONG_AGO, FAR, "UTC")


class TestNextOccurrence:
    def test_naive_times_are_wall_clock_in_the_zone(self) -> None:
        found = next_occurrence("daily", local("2026-03-01T09:00"), local("2026-03-05T09:00"), "Asia/Tokyo")
        assert found == utc("2026-03-06 00:00")

    def test_aware_times_are_converted(self) -> None:
        due = datetime(2026, 3, 1, 9, 0, tzinfo=timezone(timedelta(hours=1)))
        assert next_occurrence("daily", due, utc("2026-03-05 07:59"), "Asia/Tokyo") == utc("2026-03-05 08:00")

    @pytest.mark.parametrize(
        "due",
        ["2026-03-01T09:00:00", "2026-03-01 09:00:00", "2026-03-01T00:00:00Z", "2026-03-01T01:00:00+01:00"],
    )
    @pytest.mark.parametrize(
        "after", ["2026-03-05T00:00:00Z", "2026-03-05 09:00:00", "2026-03-05T09:00:00+09:00"]
    )
    def test_text_is_read_with_and_without_an_offset(self, due: str, after: str) -> None:
        assert next_occurrence("daily", due, after, "Asia/Tokyo") == utc("2026-03-06 00:00")

    def test_the_zone_defaults_to_utc_and_results_are_aware_utc(self) -> None:
        found = next_occurrence("daily", "2026-03-01T09:00:00", "2026-03-05T00:00:00")
        assert found == utc("2026-03-05 09:00")
        assert found is not None
        assert found.tzinfo is UTC

    def test_a_fraction_of_due_at_is_rounded_up_and_after_is_compared_exactly(self) -> None:
        assert next_occurrence(None, "2026-03-01T09:00:00.1", "2026-03-01T09:00:00.9") == utc(
            "2026-03-01 09:00:01"
        )
        assert next_occurrence("daily", "2026-03-01T09:00", "2026-03-02T08:59:59.999999") == utc(
            "2026-03-02 09:00"
        )
        assert next_occurrence("daily", "2026-03-01T09:00", "2026-03-02T09:00:00.000001") == utc(
            "2026-03-03 09:00"
        )
        assert next_occurrence(None, "2026-03-01T09:00:00.1Z", "2026-03-01T09:00:00.9Z") == utc(
            "2026-03-01 09:00:01"
        )

    @pytest.mark.parametrize("repeat", [None, "once", "ONCE"])
    def test_once_is_due_or_over(self, repeat: str | None) -> None:
        assert next_occurrence(repeat, "2026-03-01T09:00", "2026-03-01T08:59:59") == utc("2026-03-01 09:00")
        assert next_occurrence(repeat, "2026-03-01T09:00", "2026-03-01T09:00:00") is None

    def test_an_instant_in_the_second_reading_is_kept(self) -> None:
        second = utc("2026-11-01 06:30")
        zone = "America/New_York"
        assert next_occurrence(None, second, utc("2026-11-01 05:45"), zone) == second
        assert next_occurrence("daily", second, utc("2026-11-01 00:00"), zone) == utc("2026-11-02 06:30")

    def test_a_series_that_has_ended_is_none(self) -> None:
        assert next_occurrence("RRULE:FREQ=DAILY;COUNT=1", "2026-03-01T09:00", "2026-03-01T09:00") is None

    @pytest.mark.parametrize(
        "bad", ["soon", "", "2026-13-01", "2026-03-01T25:00", 1772355600, None, [], b"2026-03-01"]
    )
    def test_unreadable_times(self, bad: Any) -> None:
        with pytest.raises(InvalidTime, match="is not a time"):
            next_occurrence("daily", bad, "2026-03-01T09:00")
        with pytest.raises(InvalidTime, match="is not a time"):
            next_occurrence("daily", "2026-03-01T09:00", bad)

    @pytest.mark.parametrize("bad", ["Mars/Olympus", "", "../etc/passwd", None, [], 7])
    def test_bad_zones(self, bad: Any) -> None:
        for repeat in ("daily", None):
            with pytest.raises(InvalidTimezone):
                next_occurrence(repeat, "2026-03-01T09:00", "2026-03-01T09:00", bad)

    def test_unknown_repeats(self) -> None:
        with pytest.raises(InvalidRepeat):
            next_occurrence("sometimes", "2026-03-01T09:00", "2026-03-01T09:00")


class TestTheEndsOfTheCalendar:
    EAST, WEST = "Pacific/Kiritimati", "America/Los_Angeles"

    @pytest.mark.parametrize("zone", [EAST, WEST, "UTC"])
    @pytest.mark.parametrize(
        "repeat", ["daily", "weekdays", "monthly", "yearly", "cron:* * * * *", "RRULE:FREQ=WEEKLY"]
    )
    def test_a_series_ends_with_the_year_9999(self, repeat: str, zone: str) -> None:
        anchor = local("9999-12-28T09:00")
        assert len(list(islice(between(repeat, anchor, LONG_AGO, FAR, zone), 10))) >= 1
        assert next_occurrence(repeat, anchor, FAR, zone) is None
        assert following(repeat, anchor, FAR, zone) is None
        assert latest(repeat, anchor, FAR, zone) is not None

    @pytest.mark.parametrize("zone", [EAST, WEST, "UTC"])
    @pytest.mark.parametrize(
        "repeat", ["daily", "weekdays", "monthly", "yearly", "cron:0 0 * * *", "RRULE:FREQ=WEEKLY"]
    )
    def test_a_series_may_start_in_the_year_1(self, repeat: str, zone: str) -> None:
        first = first_occurrence(repeat, local("0001-01-01T00:00"), zone)
        assert first is not None
        assert latest(repeat, local("0001-01-01T00:00"), first, zone) == first
        assert following(repeat, local("0001-01-01T00:00"), utc("2026-01-01 00:00"), zone) is not None

    def test_times_that_utc_cannot_hold_are_over(self) -> None:
        assert next_occurrence(None, "9999-12-31T23:00:00", "2026-01-01", self.WEST) is None
        assert next_occurrence("daily", "9999-12-31T23:00:00", "2026-01-01", self.WEST) is None
        assert next_occurrence("daily", "9999-12-31T23:00:00Z", "2026-01-01", self.EAST) is None
        assert next_occurrence("daily", "9999-12-31T23:59:59.5", "2026-01-01") is None
        assert next_occurrence(None, "0001-01-01T00:00:00", "0001-01-01T00:00:00", self.EAST) is None
        assert first_occurrence("daily", local("9999-12-31T23:59:59.000001"), "UTC") is None

    def test_times_before_the_local_calendar_are_refused(self) -> None:
        with pytest.raises(InvalidTime, match="before the year 1"):
            next_occurrence("daily", "0001-01-01T00:00:00Z", "2026-01-01", self.WEST)
        with pytest.raises(InvalidTime, match="outside the years 1 to 9999"):
            to_instant(local("0001-01-01T00:00"), "Asia/Tokyo")
        with pytest.raises(InvalidTime, match="outside the years 1 to 9999"):
            to_local(FAR, self.EAST)


class TestConversions:
    @pytest.mark.parametrize(
        ("wall", "zone", "instant", "adjusted"),
        [
            ("2026-03-01T09:00", "Europe/Berlin", "2026-03-01 08:00", None),
            ("2026-03-08T02:30", "America/New_York", "2026-03-08 07:30", "gap"),
            ("2026-11-01T01:30", "America/New_York", "2026-11-01 05:30", "overlap"),
            ("2025-10-05T02:15", "Australia/Lord_Howe", "2025-10-04 15:45", "gap"),
            ("2011-12-30T12:00", "Pacific/Apia", "2011-12-30 22:00", "gap"),
            ("9999-12-31T23:59", "UTC", "9999-12-31 23:59", None),
        ],
    )
    def test_to_instant_says_what_it_adjusted(
        self, wall: str, zone: str, instant: str, adjusted: str | None
    ) -> None:
        assert to_instant(local(wall), zone) == (utc(instant), adjusted)

    def test_to_instant_takes_the_first_reading_whatever_the_fold(self) -> None:
        folded = local("2026-11-01T01:30").replace(fold=1)
        assert to_instant(folded, "America/New_York") == (utc("2026-11-01 05:30"), "overlap")

    def test_to_local_drops_the_fold(self) -> None:
        found = to_local(utc("2026-11-01 06:30"), "America/New_York")
        assert (found, found.fold, found.tzinfo) == (local("2026-11-01T01:30"), 0, None)

    def test_each_takes_only_its_own_kind_of_time(self) -> None:
        with pytest.raises(InvalidTime, match="without one"):
            to_instant(utc("2026-03-01 09:00"), "UTC")
        with pytest.raises(InvalidTime, match="give an aware time"):
            to_local(local("2026-03-01T09:00"), "UTC")
        with pytest.raises(InvalidTimezone):
            to_instant(local("2026-03-01T09:00"), "Nowhere")


def test_a_week_counted_from_the_end_of_a_longer_next_year() -> None:
    """The last days of 5101 lie in week -52 of 5102, whose length decides that, whatever year came before."""
    start = datetime(5090, 1, 1)
    after, until = datetime(5101, 12, 1, tzinfo=UTC), datetime(5102, 1, 1, tzinfo=UTC)
    found = list(between("RRULE:FREQ=YEARLY;BYWEEKNO=-52", start, after, until, "UTC"))
    assert [moment.date().isoformat() for moment in found] == ["5101-12-30", "5101-12-31", "5102-01-01"]
