"""Every setting of the worker, on one page.

Read from the environment (prefix `OMEGA_`), then `.env` in the working directory, then systemd
credentials (files named like the fields in `$CREDENTIALS_DIRECTORY`); the first that has it wins.
`__` separates the levels of a nested setting, an empty value means the default, and names that are
not known are ignored.
"""

import os
import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    NestedSecretsSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings import SettingsError as UnreadableSource

from omega_models import quiet
from omega_models.quiet import QuietHours
from omega_models.zones import zone
from omega_worker.pace import parse_rate

Duty = Literal["deliver", "close_idle", "maintain"]
DUTIES: tuple[Duty, ...] = ("deliver", "close_idle", "maintain")
LEVELS = ("TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL")


class SettingsError(ValueError):
    """Settings that cannot be used: one line each in `lines`, without secrets."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


def _lower(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _upper(value: object) -> object:
    return value.strip().upper() if isinstance(value, str) else value


def _words(value: object) -> object:
    if isinstance(value, str):
        value = [word.strip().lower() for word in value.split(",")]
    return tuple(dict.fromkeys(value)) if isinstance(value, list | tuple) else value


def _lower_names(value: object) -> object:
    return {_lower(name): target for name, target in value.items()} if isinstance(value, dict) else value


def _number(default: int, low: int, high: int, description: str, *, unit: str = "seconds") -> Any:
    must = f"a whole number{f' of {unit}' if unit else ''} between {low} and {high}"
    return Field(default, ge=low, le=high, description=description, json_schema_extra={"must": must})


def _choice(default: str, words: Iterable[str], description: str) -> Any:
    return Field(default, description=description, json_schema_extra={"must": f"one of {', '.join(words)}"})


MissedPolicy = Annotated[Literal["once", "skip", "all"], BeforeValidator(_lower)]
_POLICIES = ("once", "skip", "all")


class Missed(BaseModel):
    """What is sent of occurrences that were missed, by type of task."""

    model_config = ConfigDict(frozen=True)

    reminder: MissedPolicy = _choice(
        "once", _POLICIES, "Missed reminders: the latest is sent (once), none (skip), or all."
    )
    action: MissedPolicy = _choice(
        "once", _POLICIES, "Missed actions: the latest is run (once), none (skip), or all."
    )


class Settings(BaseSettings):
    """The worker's settings; `Settings()` reads the environment, `Settings.defaults()` does not."""

    model_config = SettingsConfigDict(
        env_prefix="OMEGA_",
        env_nested_delimiter="__",
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        validate_default=False,
    )

    database_url: str = Field(
        "sqlite:///~/.omega/data/memory.db",
        min_length=1,
        repr=False,
        description="Where the memory is kept: a path or a database URL.",
    )
    database_connections: int = _number(
        10, 1, 1000, "Most connections of one process to a PostgreSQL server; one more listens.", unit=""
    )
    poll_interval_seconds: int = _number(60, 1, 3600, "Longest time between two looks for due tasks.")
    idle_check_seconds: int = _number(60, 1, 86_400, "Time between two looks for idle conversations.")
    conversation_timeout_minutes: int = _number(
        120, 1, 525_600, "A conversation without a message for this long is closed.", unit="minutes"
    )
    close_on_shutdown: bool = Field(
        False,
        description="Whether a worker that stops closes all active conversations.",
        json_schema_extra={"must": "true or false"},
    )
    duties: Annotated[tuple[Duty, ...], NoDecode, BeforeValidator(_words)] = Field(
        DUTIES,
        min_length=1,
        description="What this worker does, separated by commas.",
        json_schema_extra={"must": f"a comma-separated choice of {', '.join(DUTIES)}"},
    )
    channels: Annotated[dict[str, str], BeforeValidator(_lower_names)] = Field(
        default_factory=dict,
        repr=False,
        description="One per channel: console, a webhook such as https://example.org/{reply_target}, "
        "or an Apprise address.",
        json_schema_extra={"must": "the word console or an address such as https://…"},
    )
    rates: Annotated[dict[str, str], BeforeValidator(_lower_names)] = Field(
        default_factory=dict,
        description="Most messages on a channel, and to each of its targets; s, m or h.",
        json_schema_extra={"must": "like 30/s, or 30/s 1/s: messages on the channel, and to each target"},
    )
    remember_reminders: bool = Field(
        True,
        description="Whether a delivered reminder becomes the assistant's words in an active conversation.",
        json_schema_extra={"must": "true or false"},
    )
    digest_above: int = _number(
        0, 0, 1000, "More missed reminders than this for one target come in one message; 0: never.", unit=""
    )
    webhook_secret: SecretStr | None = Field(
        None, description="Signs webhooks: whsec_ and base64, or any text of at least 16 bytes."
    )
    max_attempts: int = _number(5, 1, 1000, "Attempts at one occurrence before it is given up.", unit="")
    retry_base_seconds: int = _number(
        120, 1, 3600, "Wait after the first failed attempt, doubled after each."
    )
    send_timeout_seconds: int = _number(30, 1, 3600, "Longest time one attempt may take.")
    lease_seconds: int = _number(
        60, 5, 3600, "How long a claimed task stays reserved; extended while it is being sent."
    )
    drain_seconds: int = _number(35, 0, 3600, "Longest wait at shutdown for what is being sent.")
    delivery_concurrency: int = _number(8, 1, 256, "Deliveries under way at once.", unit="")
    default_timezone: str = Field(
        "UTC",
        description="Time zone of senders who have not said theirs.",
        json_schema_extra={"must": "an IANA time zone such as Europe/Berlin or UTC"},
    )
    quiet_hours: str | None = Field(
        None,
        description="Reminders wait for the end of these hours in the task's zone, for example 22:00-07:00.",
        json_schema_extra={"must": "HH:MM-HH:MM with two different times, for example 22:00-07:00"},
    )
    missed_after_seconds: int = _number(
        3600, 1, 31_536_000, "A task first seen later than this after its time counts as missed."
    )
    missed: Missed = Field(Missed(), description="What is sent of missed occurrences, by type of task.")
    durability: Annotated[Literal["full", "normal"], BeforeValidator(_lower)] = _choice(
        "full", ("full", "normal"), "SQLite: full survives a power cut, normal a crash of the program only."
    )
    backup_folder: str | None = Field(
        None, description="Folder for backups at intervals; without one none are made."
    )
    backup_interval_hours: int = _number(
        24, 1, 8760, "A backup is made when the newest is older than this.", unit="hours"
    )
    backup_keep: int = _number(7, 1, 10_000, "How many of these backups are kept.", unit="")
    ledger_keep_days: int = _number(
        365, 0, 36_500, "How long the ledger keeps what has ended; 0 keeps it for ever.", unit="days"
    )
    audit_keep_days: int = _number(
        0, 0, 36_500, "How long the audit log is kept; 0 keeps it for ever.", unit="days"
    )
    conversations_keep_days: int = _number(
        0, 0, 36_500, "How long closed conversations are kept, messages and all; 0: for ever.", unit="days"
    )
    outcomes_keep_days: int = _number(
        0, 0, 36_500, "How long outcomes are kept; 0 keeps them for ever.", unit="days"
    )
    health_host: str = Field(
        "127.0.0.1", min_length=1, description="Address on which /livez, /readyz and /metrics are served."
    )
    health_port: int | None = Field(
        None,
        ge=0,
        le=65_535,
        description="Port for them; without one nothing is served, and 0 takes any free one.",
        json_schema_extra={"must": "a port number between 0 and 65535"},
    )
    overdue_limit_seconds: int = _number(
        300, 1, 604_800, "/readyz turns red when a due task of a served channel waits longer than this."
    )
    alert_channel: str | None = Field(
        None,
        description="Channel by which the owner is told what was given up, is held, unserved or overdue.",
    )
    alert_to: str = Field("owner", min_length=1, description="The owner's target on that channel.")
    alert_in_a_row: int = _number(
        3, 1, 1000, "A series that fails so many times in a row is told besides.", unit=""
    )
    log_level: Annotated[
        Literal["TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)
    ] = _choice("INFO", LEVELS, "Least severe messages that are logged.")
    log_format: Annotated[Literal["auto", "text", "journal", "json"], BeforeValidator(_lower)] = _choice(
        "auto",
        ("auto", "text", "journal", "json"),
        "How log lines look; auto is journal under systemd, else text.",
    )

    @field_validator("default_timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        return zone(name.strip()).key

    @field_validator("rates")
    @classmethod
    def _readable_rates(cls, rates: dict[str, str]) -> dict[str, str]:
        for rate in rates.values():
            parse_rate(rate)
        return rates

    @field_validator("quiet_hours")
    @classmethod
    def _readable_hours(cls, hours: str | None) -> str | None:
        bare = (hours or "").strip()
        if bare and quiet.parse(bare) is None:
            raise ValueError("not quiet hours")
        return bare or None

    def quiet_window(self) -> QuietHours | None:
        """`quiet_hours` as two times of day, or None."""
        return None if self.quiet_hours is None else quiet.parse(self.quiet_hours)

    @classmethod
    def defaults(cls, **overrides: Any) -> "Settings":
        """The defaults with these changes, reading no environment and no file.

        Raises `SettingsError` for values that cannot be used, TypeError for unknown names.
        """
        built = _built(_Embedded, overrides)
        fields = {name: getattr(built, name) for name in Settings.model_fields}
        return Settings.model_construct(built.model_fields_set, **fields)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment, `.env`, then systemd credentials, whose names carry no prefix."""
        sources = (init_settings, env_settings, dotenv_settings)
        folder = os.environ.get("CREDENTIALS_DIRECTORY")
        if not folder:
            return sources
        credentials = NestedSecretsSettingsSource(
            file_secret_settings, folder, "ok", secrets_prefix="", secrets_nested_delimiter="__"
        )
        return (*sources, credentials)


class _Embedded(Settings):
    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        *_: Any,
        **__: Any,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def load_settings(**overrides: Any) -> Settings:
    """The settings of this process; `overrides` (by field name) win over every source.

    Raises `SettingsError` with one line per wrong setting, by its name in the environment, and
    TypeError for overrides that are no settings.
    """
    return _built(Settings, overrides)


def _built(kind: type[Settings], overrides: dict[str, Any]) -> Settings:
    unknown = sorted(overrides.keys() - Settings.model_fields.keys())
    if unknown:
        raise TypeError(f"there are no such settings: {', '.join(unknown)}")
    try:
        return kind(**overrides)
    except ValidationError as error:
        # A setting's first complaint is the plainest, so it is put in last.
        named = dict(_complaint(wrong["loc"], wrong["input"]) for wrong in reversed(error.errors()))
        lines = [name + rest for name, rest in reversed(named.items())]
    except UnreadableSource as error:
        lines = [_source_line(str(error))]
    except (OSError, UnicodeError) as error:
        lines = [
            f"a file of settings cannot be read: {type(error).__name__}: {getattr(error, 'filename', None)}"
        ]
    # Outside the handlers: what they caught would show secrets in a traceback.
    raise SettingsError(lines)


def _complaint(path: tuple[int | str, ...], given: object) -> tuple[str, str]:
    first = str(path[0])
    field, name = Settings.model_fields[first], f"OMEGA_{first.upper()}"
    if first in ("missed", "channels") and len(path) > 1:
        name = f"{name}__{str(path[1]).upper()}"
        field = Missed.model_fields.get(str(path[1]), field)
    # What is not in the repr is secret.
    secret = not field.repr or first == "webhook_secret"
    shown = "" if secret else f"={given!r:.60}"
    extra = field.json_schema_extra
    must = extra["must"] if isinstance(extra, dict) else "text, and not empty"
    return name, f"{shown}: must be {must}"


def _source_line(message: str) -> str:
    named = re.search(r'field "(\w+)"', message)
    if named is None:
        return message
    name = f"OMEGA_{named[1].upper()}"
    return f"{name}: must be JSON; or set {name}__<NAME> one by one"
