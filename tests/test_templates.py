"""Addresses with blanks: no recipient can change anything but its own spot."""

from urllib.parse import parse_qsl, unquote, urlsplit

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from omega_jobs.delivery import DeliveryError
from omega_worker.channels.templates import check_template, fill_template

IN_PATH = "https://user:pw@example.org:8443/a/{reply_target}/b?x=1&y=2"
IN_QUERY = "https://user:pw@example.org:8443/a/b?to={reply_target}&from={sender_id}&x=1"
MIXED = "http://example.org/v1/to-{reply_target}.json/{sender_id}?to={reply_target}#part"

NASTY = st.one_of(
    st.text(),
    st.text(alphabet="./\\%25eE2fF?#&=@:;{}[]+ \t\r\n"),
    st.sampled_from(
        [
            "..",
            ".",
            "../x",
            "..\\x",
            "a/../../b",
            "%2e%2e",
            "//evil.example",
            "@evil.example",
            ":80",
            "{sender_id}",
            "?a=b",
            "#c",
            "a&b=c",
        ]
    ),
)


@pytest.mark.parametrize("template", [IN_PATH, IN_QUERY, MIXED])
@given(target=NASTY, sender=NASTY)
@example(target="-1001234567890:55", sender="{reply_target}")
@example(target="a b/ü@example.org", sender="1")
def test_only_the_blanks_change(template: str, target: str, sender: str) -> None:
    check_template(template)
    filled = filled_or_refused(template, target, sender)
    if isinstance(filled, DeliveryError):
        assert not filled.retry
        assert refused_rightly(target) or refused_rightly(sender)
        return
    assert_same_but_for_the_blanks(template, filled, {"{reply_target}": target, "{sender_id}": sender})
    sent = httpx.URL(filled)
    assert sent.raw_path.decode() == "/" + filled.partition("#")[0].split("/", 3)[3]
    assert (sent.scheme, sent.host, sent.port) == (
        urlsplit(template).scheme,
        "example.org",
        urlsplit(template).port,
    )


def filled_or_refused(template: str, target: str, sender: str) -> str | DeliveryError:
    try:
        return fill_template(template, reply_target=target, sender_id=sender)
    except DeliveryError as error:
        return error


def refused_rightly(value: str) -> bool:
    return not value or "." in value or any(0xD800 <= ord(character) < 0xE000 for character in value)


def assert_same_but_for_the_blanks(template: str, filled: str, values: dict[str, str]) -> None:
    before, after = urlsplit(template), urlsplit(filled)
    assert (before.scheme, before.netloc) == (after.scheme, after.netloc)
    segments = [put(segment, values) for segment in before.path.split("/")]
    assert [unquote(segment) for segment in after.path.split("/")] == segments
    pairs = [(name, put(value, values)) for name, value in parse_qsl(before.query)]
    assert parse_qsl(after.query, keep_blank_values=True) == pairs
    assert filled.isascii()
    assert filled.isprintable()


def put(text: str, values: dict[str, str]) -> str:
    for blank, value in values.items():
        if blank in text:
            return text.replace(blank, value)
    return text


@pytest.mark.parametrize("target", [".", "..", "../x", "a/./b", "..\\..", "/..", ""])
def test_a_target_that_would_climb_or_vanish_is_given_up(target: str) -> None:
    with pytest.raises(DeliveryError) as caught:
        fill_template(IN_PATH, reply_target=target, sender_id="1")
    assert not caught.value.retry


@pytest.mark.parametrize(
    "template", ["http://h/{reply_target}.", "http://h/.{reply_target}", "http://h/%2e{reply_target}"]
)
def test_dots_of_the_template_count_too(template: str) -> None:
    with pytest.raises(DeliveryError):
        fill_template(template, reply_target=".", sender_id="1")


def test_dots_in_a_query_climb_nowhere() -> None:
    assert fill_template("http://h/?to={reply_target}", reply_target="..", sender_id="") == "http://h/?to=.."


def test_an_unused_empty_value_is_no_trouble() -> None:
    assert fill_template("http://h/a", reply_target="", sender_id="") == "http://h/a"


def test_values_are_put_in_once() -> None:
    filled = fill_template("http://h/{reply_target}", reply_target="{sender_id}", sender_id="x")
    assert filled == "http://h/%7Bsender_id%7D"


@pytest.mark.parametrize(
    "template",
    [
        "http://example.org",
        "https://user:pw@example.org:8443/hook?token=abc",
        "http://[::1]:8080/{reply_target}",
        "http://localhost/{reply_target}/{sender_id}?a={sender_id}",
        "HTTPS://example.org/",
    ],
)
def test_good_templates_pass(template: str) -> None:
    check_template(template)


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{reply_target}://hunter2/", "scheme"),
        ("ht{reply_target}tp://hunter2/", "scheme"),
        ("http://{reply_target}/hunter2", "host"),
        ("http://{reply_target}.hunter2.org/", "host"),
        ("http://hunter2.org:{sender_id}/", "port"),
        ("http://hunter2:{sender_id}@h/", "credentials"),
        ("http://{hunter2}@h/", "credentials"),
        ("http://h\\{reply_target}@hunter2/", "backslash"),
        ("http://h?{hunter2}", "not known"),
        ("http://h/{}?hunter2", "not known"),
        ("http://h/{reply_target:hunter2}", "not known"),
        ("http://h/{{reply_target}}hunter2", "not known"),
        ("http://h/{reply_target}}hunter2", "brace"),
        ("http://h/{reply_targethunter2", "brace"),
        ("http://h/#{reply_target}hunter2", "never sent"),
        ("ftp://hunter2@h/", "must begin with http:// or https://"),
        ("hunter2", "must begin with"),
        ("//hunter2/x", "must begin with"),
        ("http:///hunter2", "no host"),
        ("http://hunter2@/", "no host"),
        ("http://:80/hunter2", "no host"),
        ("http://h:99999/hunter2", "cannot be read"),
        ("http://h:port/hunter2", "cannot be read"),
        ("http://[hunter2/", "cannot be read"),
        ("http://hunter2@h\u2100x/", "cannot be read"),
        ("http://h/hunter2 x", "unprintable"),
        ("http://h/hunter2\n", "unprintable"),
    ],
)
def test_bad_templates_are_refused_in_one_line_that_echoes_nothing(template: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        check_template(template)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_kinds_can_be_allowed() -> None:
    check_template("tgram://token/{reply_target}/", schemes=("tgram",))
