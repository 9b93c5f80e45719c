"""Settings: where they come from, what is refused and how, and the page that lists them."""

import json
import os
import re
from datetime import time
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from omega_worker.settings import DUTIES, Missed, Settings, SettingsError, load_settings

EXAMPLE = Path(__file__).parent.parent / ".env.example"


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A working directory without `.env` and an environment without settings."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.upper().startswith("OMEGA_") or name == "CREDENTIALS_DIRECTORY":
            monkeypatch.delenv(name)


def complaints(**settings: object) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load_settings(**settings)
    assert str(caught.value) == "\n".join(caught.value.lines)
    assert caught.value.__context__ is None
    return caught.value.lines


def test_the_defaults() -> None:
    settings = load_settings()
    assert settings == Settings.defaults()
    assert settings.database_url == "sqlite:///~/.omega/data/memory.db"
    numbers = (
        settings.poll_interval_seconds,
        settings.idle_check_seconds,
        settings.conversation_timeout_minutes,
        settings.max_attempts,
        settings.retry_base_seconds,
        settings.send_timeout_seconds,
        settings.lease_seconds,
        settings.drain_seconds,
        settings.delivery_concurrency,
        settings.missed_after_seconds,
    )
    assert numbers == (60, 60, 120, 5, 120, 30, 60, 35, 8, 3600)
    assert settings.duties == DUTIES == ("deliver", "close_idle", "maintain")
    assert (settings.channels, settings.webhook_secret, settings.quiet_hours) == ({}, None, None)
    assert (settings.missed.reminder, settings.missed.action) == ("once", "once")
    assert (settings.default_timezone, settings.durability) == ("UTC", "full")
    assert (settings.health_host, settings.health_port) == ("127.0.0.1", None)
    assert (settings.log_level, settings.log_format) == ("INFO", "auto")


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "OMEGA_DATABASE_URL": "/var/lib/omega/memory.db",
        "OMEGA_POLL_INTERVAL_SECONDS": "5",
        "OMEGA_DUTIES": " Deliver,maintain,deliver",
        "OMEGA_CHANNELS__Telegram": "https://example.org/{reply_target}",
        "OMEGA_CHANNELS__SCREEN": "console",
        "OMEGA_WEBHOOK_SECRET": "a secret of some length",
        "OMEGA_MISSED__ACTION": "Skip",
        "OMEGA_QUIET_HOURS": "22:00-07:00",
        "OMEGA_DEFAULT_TIMEZONE": "Europe/Berlin",
        "OMEGA_HEALTH_PORT": "8080",
        "OMEGA_LOG_LEVEL": "debug",
        "OMEGA_LOG_FORMAT": "JSON",
        "OMEGA_DURABILITY": "Normal",
        "OMEGA_NO_SUCH_SETTING": "ignored",
        "OMEGA_MISSED__NOTHING": "ignored",
        "POLL_INTERVAL_SECONDS": "7",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.database_url == "/var/lib/omega/memory.db"
    assert settings.poll_interval_seconds == 5
    assert settings.duties == ("deliver", "maintain")
    assert settings.channels == {"telegram": "https://example.org/{reply_target}", "screen": "console"}
    assert settings.webhook_secret is not None
    assert settings.webhook_secret.get_secret_value() == "a secret of some length"
    assert (settings.missed.reminder, settings.missed.action) == ("once", "skip")
    assert settings.quiet_window() == (time(22), time(7))
    assert (settings.default_timezone, settings.health_port) == ("Europe/Berlin", 8080)
    assert (settings.log_level, settings.log_format, settings.durability) == ("DEBUG", "json", "normal")


def test_an_empty_value_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("POLL_INTERVAL_SECONDS", "DUTIES", "CHANNELS__X", "WEBHOOK_SECRET", "MISSED__REMINDER"):
        monkeypatch.setenv(f"OMEGA_{name}", "")
    assert load_settings() == Settings.defaults()


def test_channels_may_be_given_as_json_and_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMEGA_CHANNELS", json.dumps({"One": "console"}))
    monkeypatch.setenv("OMEGA_CHANNELS__TWO", "console")
    assert load_settings().channels == {"one": "console", "two": "console"}


def test_a_dotenv_in_the_working_directory_is_read_behind_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path(".env").write_text(
        "# a comment\nOMEGA_MAX_ATTEMPTS=3\nOMEGA_LEASE_SECONDS=90\nOMEGA_CHANNELS__HOME=https://h/{reply_target}\n"
        "OMEGA_MISSED__REMINDER=all\nOTHER=thing\nOMEGA_UNKNOWN=1\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("OMEGA_LEASE_SECONDS", "120")
    monkeypatch.setenv("OMEGA_MISSED__ACTION", "skip")
    settings = load_settings(drain_seconds=1)
    assert (settings.max_attempts, settings.lease_seconds, settings.drain_seconds) == (3, 120, 1)
    assert settings.channels == {"home": "https://h/{reply_target}"}
    assert settings.missed == Missed(reminder="all", action="skip")


def test_systemd_credentials_are_read_last(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    for name, value in {
        "webhook_secret": "a secret of some length\n",
        "channels__telegram": "https://example.org/bot123/{reply_target}\n",
        "database_url": "/from/a/credential",
        "unrelated": "x",
    }.items():
        (credentials / name).write_text(value, encoding="utf-8")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    monkeypatch.setenv("OMEGA_DATABASE_URL", "/from/the/environment")
    settings = load_settings()
    assert settings.webhook_secret is not None
    assert settings.webhook_secret.get_secret_value() == "a secret of some length"
    assert settings.channels == {"telegram": "https://example.org/bot123/{reply_target}"}
    assert settings.database_url == "/from/the/environment"


def test_a_missing_credentials_directory_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/nonexistent/credentials")
    assert load_settings() == Settings.defaults()


def test_embedders_read_no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OMEGA_MAX_ATTEMPTS", "wrong")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "lease_seconds").write_text("wrong", encoding="utf-8")
    Path(".env").write_text("OMEGA_DRAIN_SECONDS=wrong\n", encoding="utf-8")
    settings = Settings.defaults(channels={"a": "console"}, missed={"action": "all"})
    assert isinstance(settings, Settings)
    assert (settings.max_attempts, settings.lease_seconds, settings.drain_seconds) == (5, 60, 35)
    assert (settings.channels, settings.missed.action) == ({"a": "console"}, "all")


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("POLL_INTERVAL_SECONDS", "soon", "='soon': must be a whole number of seconds between 1 and 3600"),
        ("POLL_INTERVAL_SECONDS", "0", "='0': must be a whole number of seconds between 1 and 3600"),
        ("POLL_INTERVAL_SECONDS", "1.5", "='1.5': must be a whole number of seconds between 1 and 3600"),
        ("POLL_INTERVAL_SECONDS", "9" * 500, None),
        ("CONVERSATION_TIMEOUT_MINUTES", "-1", None),
        ("LEASE_SECONDS", "4", "='4': must be a whole number of seconds between 5 and 3600"),
        ("MAX_ATTEMPTS", "0", "='0': must be a whole number between 1 and 1000"),
        ("DELIVERY_CONCURRENCY", "0", None),
        (
            "DUTIES",
            "deliver,dance",
            "='dance': must be a comma-separated choice of deliver, close_idle, maintain",
        ),
        ("DUTIES", ",", None),
        ("MISSED__REMINDER", "never", "='never': must be one of once, skip, all"),
        ("DURABILITY", "none", "='none': must be one of full, normal"),
        (
            "DEFAULT_TIMEZONE",
            "Mars/Base",
            "='Mars/Base': must be an IANA time zone such as Europe/Berlin or UTC",
        ),
        ("DEFAULT_TIMEZONE", "../../etc/passwd", None),
        ("QUIET_HOURS", "22-7", None),
        ("QUIET_HOURS", "24:00-07:00", None),
        ("QUIET_HOURS", "07:00-07:00", None),
        ("HEALTH_PORT", "65536", "='65536': must be a port number between 0 and 65535"),
        ("LOG_LEVEL", "loud", None),
        ("LOG_FORMAT", "xml", "='xml': must be one of auto, text, journal, json"),
    ],
)
def test_a_wrong_value_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, line: str | None
) -> None:
    monkeypatch.setenv(f"OMEGA_{name}", value)
    (complaint,) = complaints()
    assert re.fullmatch(rf"OMEGA_{name}='.*: must be [^\n]*", complaint)
    assert len(complaint) < 200
    assert line is None or complaint == f"OMEGA_{name}{line}"


def test_every_wrong_setting_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMEGA_MAX_ATTEMPTS", "many")
    Path(".env").write_text("OMEGA_LOG_FORMAT=xml\nOMEGA_MISSED__ACTION=maybe\n", encoding="utf-8")
    names = {complaint.partition("=")[0] for complaint in complaints(drain_seconds=-1)}
    assert names == {"OMEGA_MAX_ATTEMPTS", "OMEGA_LOG_FORMAT", "OMEGA_MISSED__ACTION", "OMEGA_DRAIN_SECONDS"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OMEGA_CHANNELS__HOME__X", "hunter2"),
        ("OMEGA_CHANNELS", "hunter2"),
        ("OMEGA_CHANNELS", '["hunter2"]'),
    ],
)
def test_secrets_are_not_echoed(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    (complaint,) = complaints()
    assert complaint.startswith("OMEGA_CHANNELS")
    assert "hunter2" not in complaint


def test_secrets_are_not_in_the_repr() -> None:
    settings = Settings.defaults(
        database_url="postgresql://u:hunter2@h/db",
        channels={"a": "http://hunter2/"},
        webhook_secret="hunter2",
    )
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(settings)
    assert "hunter2" not in "".join(complaints(database_url=["hunter2"], webhook_secret=["hunter2"]))


def test_unreadable_files_are_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Path(".env").write_bytes(b"OMEGA_MAX_ATTEMPTS=\xff\n")
    (complaint,) = complaints()
    assert "UnicodeDecodeError" in complaint
    Path(".env").unlink()
    (tmp_path / "a_file").write_text("", encoding="utf-8")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "a_file"))
    assert len(complaints()) == 1


def test_mistyped_overrides_are_a_programming_error() -> None:
    with pytest.raises(TypeError, match="max_attempt"):
        Settings.defaults(max_attempt=3)
    with pytest.raises(TypeError, match="log_lvl"):
        load_settings(log_lvl="INFO")


def test_settings_do_not_change() -> None:
    settings = Settings.defaults()
    with pytest.raises(ValidationError):
        settings.max_attempts = 3


def documented() -> dict[str, tuple[str, str]]:
    """`.env.example`: name -> (sentence, default)."""
    blocks = re.findall(r"^# (\S.*)\n# (OMEGA_\w+)=(.*)$", EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: (sentence, default) for sentence, name, default in blocks}


EXAMPLES = {"channels": ("CONSOLE", "console"), "rates": ("TELEGRAM", "30/s 1/s")}


def settable(model: type[BaseModel], defaults: BaseModel, prefix: str) -> dict[str, tuple[str, str]]:
    """The class: name -> (sentence, default)."""
    found: dict[str, tuple[str, str]] = {}
    for field, info in model.model_fields.items():
        value, name = getattr(defaults, field), f"{prefix}{field.upper()}"
        if isinstance(value, BaseModel):
            found |= settable(type(value), value, f"{name}__")
        elif field in EXAMPLES:
            found[f"{name}__{EXAMPLES[field][0]}"] = (info.description or "", EXAMPLES[field][1])
        else:
            found[name] = (info.description or "", as_written(value))
    return found


def as_written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple) else "" if value is None else str(value)


def test_the_example_lists_every_setting_with_its_default_and_sentence() -> None:
    assert documented() == settable(Settings, Settings.defaults(), "OMEGA_")
    assert all(sentence.endswith(".") for sentence, _ in documented().values())


def test_the_example_uncommented_is_the_defaults() -> None:
    text = re.sub(r"^# (?=OMEGA_)", "", EXAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert text.count("\nOMEGA_") == len(documented())
    Path(".env").write_text(text, encoding="utf-8")
    assert load_settings() == Settings.defaults(
        channels={"console": "console"}, rates={"telegram": "30/s 1/s"}
    )
