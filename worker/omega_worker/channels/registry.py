"""From the settings to the channels of this process."""

from datetime import timedelta

from omega_worker.channels.apprise_service import apprise_channel
from omega_worker.channels.console import console_channel
from omega_worker.channels.seam import Channel
from omega_worker.channels.signing import signing_key
from omega_worker.channels.webhook import webhook_channel
from omega_worker.settings import Settings, SettingsError


def build_channels(settings: Settings) -> dict[str, Channel]:
    """The channels the settings name, by name; `console` is always among them.

    Raises `SettingsError` with one line per channel that cannot be built; no line echoes an address
    or a secret. Nothing is connected to yet.
    """
    channels = {"console": console_channel()}
    secret, lines = _secret(settings)
    timeout = timedelta(seconds=settings.send_timeout_seconds)
    for name, target in settings.channels.items():
        try:
            channels[name] = _channel(name, target.strip(), secret, timeout)
        except ValueError as error:
            lines.append(f"OMEGA_CHANNELS__{name.upper()}: {error}")
    if lines:
        raise SettingsError(lines)
    return channels


def _channel(name: str, target: str, secret: str | None, timeout: timedelta) -> Channel:
    if target.lower() == "console":
        return console_channel()
    scheme, separator, _ = target.partition("://")
    if not separator:
        raise ValueError("must be the word console or an address such as https://…")
    if scheme.lower() in ("http", "https"):
        return webhook_channel(target, secret=secret, timeout=timeout, name=name)
    return apprise_channel(target, timeout=timeout, name=name)


def _secret(settings: Settings) -> tuple[str | None, list[str]]:
    if settings.webhook_secret is None:
        return None, []
    secret = settings.webhook_secret.get_secret_value()
    try:
        signing_key(secret)
    except ValueError as error:
        return None, [f"OMEGA_WEBHOOK_SECRET: {error}"]
    return secret, []
