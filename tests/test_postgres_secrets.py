"""Passwords of a server: from the URL, a file or a credential, and never in a message or a list of processes."""

import traceback
from pathlib import Path

import pytest
from postgres_server import Server

from omega_models import Store, StoreUnavailable
from omega_models.postgres_server import describe
from omega_worker.app import main
from omega_worker.settings import load_settings

SECRET = "s3cr3t-w0rd"

UNREADABLE = [
    f"postgresql://omega:{SECRET}/x@localhost/omega",
    f"postgresql://omega:12/{SECRET}@localhost/omega",
    f"postgresql://omega:{SECRET}@localhost:{SECRET}/omega",
    f"postgresql://omega@localhost/omega?{SECRET}",
    f"postgresql://omega@localhost/omega?password={SECRET}&{SECRET}=1",
]


@pytest.mark.parametrize("url", UNREADABLE)
def test_a_url_that_cannot_be_read_is_not_repeated(url: str) -> None:
    with pytest.raises(StoreUnavailable, match="special characters") as caught:
        Store(url)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"postgresql://me:{SECRET}@db.example:6000/omega", "postgresql://db.example:6000/omega"),
        (f"postgres://me:{SECRET}@db.example/omega?sslmode=require", "postgresql://db.example/omega"),
        (f"postgresql://db.example/omega?password={SECRET}", "postgresql://db.example/omega"),
        (f"postgresql://me:{SECRET}@a:1,b:2/omega", "postgresql://a:1,b:2/omega"),
        ("postgresql:///omega", "postgresql://local socket/omega"),
    ],
)
def test_a_server_is_named_without_its_secrets(url: str, shown: str) -> None:
    assert describe(url) == shown


def test_a_server_that_is_not_there_is_named_without_them_too() -> None:
    with pytest.raises(
        StoreUnavailable, match=r"postgresql://127\.0\.0\.1:9/omega cannot be reached"
    ) as caught:
        Store(f"postgresql://omega:{SECRET}@127.0.0.1:9/omega")
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_password_on_the_command_line_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for url in (
        f"postgresql://me:{SECRET}@localhost/omega",
        f"postgresql://localhost/omega?password={SECRET}",
    ):
        for command in (["tasks", "list"], ["check"], ["run"]):
            assert main([*command, "--database", url]) != 0
            said = "".join(capsys.readouterr())
            assert "PGPASSFILE" in said
            assert SECRET not in said


def test_the_url_may_be_a_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "database_url").write_text(f"postgresql://me:{SECRET}@localhost/omega\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.delenv("OMEGA_DATABASE_URL", raising=False)
    settings = load_settings()
    assert settings.database_url.endswith("@localhost/omega")
    assert SECRET not in repr(settings)


@pytest.mark.postgres
def test_a_password_is_read_from_its_file(
    own_postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_postgres.require_password("omega", SECRET)
    passwords = tmp_path / "pgpass"
    passwords.write_text(f"*:*:*:omega:{SECRET}\n")
    passwords.chmod(0o600)
    with pytest.raises(StoreUnavailable, match="refused us"):
        Store(own_postgres.url)
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    with Store(own_postgres.url) as store:
        store.store_fact("me", "name", "Ω")
    monkeypatch.delenv("PGPASSFILE")
    with pytest.raises(StoreUnavailable, match="password authentication failed") as caught:
        Store(own_postgres.url.replace("omega@", f"omega:{SECRET[:-1]}@"))
    assert SECRET[:-1] not in "".join(traceback.format_exception(caught.value))
