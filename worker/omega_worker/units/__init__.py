"""The systemd units that `omega-worker install` writes, and how they are fitted to a machine."""

import re
from importlib.resources import files

HOMES = ("/home/", "/root/", "/run/user/")


def unit(scope: str, program: str, folder: str, *, needs_homes: bool = False) -> str:
    """The unit of `scope` (system or user): `program` is run in `folder`, where its `.env` lies.

    `needs_homes`: the program or its Python lies in somebody's home, which is otherwise hidden from it.
    """
    text = files(__package__).joinpath(f"{scope}.service").read_text(encoding="utf-8")
    text = _set(text, "ExecStart", f"{_quoted(program)} run")
    text = _set(text, "WorkingDirectory", folder.replace("%", "%%"))
    return _set(text, "ProtectHome", "read-only") if needs_homes else text


def _set(text: str, key: str, value: str) -> str:
    return re.sub(rf"^{key}=.*$", lambda _: f"{key}={value}", text, flags=re.MULTILINE)


def _quoted(path: str) -> str:
    escaped = path.replace("%", "%%")
    return f'"{escaped}"' if re.search(r"\s", path) else escaped


def is_runnable(path: str) -> bool:
    """Whether systemd takes it as the path of a program."""
    return path.isprintable() and not set(path) & set("\\\"'")


def is_in_a_home(path: str) -> bool:
    return path.startswith(HOMES)
