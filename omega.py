#!/usr/bin/env python3
"""Sets up what Omega needs in `.venv`, then runs it. Wants Python 3.11 or newer, and pip or uv.

Commands:
    python3 omega.py demo           shows the worker at work; every omega-worker command goes here
    python3 omega.py test [ARGS]    runs the tests; ARGS are pytest's, such as -k deliver or -m slow
    python3 omega.py check          lint, format, types, import layering, and that what is generated is current
    python3 omega.py generate       writes anew what is generated: AsyncStore and docs/api.md, from the code
    python3 omega.py lock [ARGS]    refreshes deploy/requirements.lock; --upgrade takes newer releases
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - whoever starts this file with an older Python is told so
    sys.exit(f"Omega needs Python 3.11 or newer; this is {sys.version.split()[0]} ({sys.executable}).")

import ast
import hashlib
import importlib.util
import os
import platform
import re
import shutil
import ssl
import subprocess
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PRIVATE_UV = ROOT / ".uv" / "site-packages"  # a name that linters pass over

GENERATE = (("python", "tools/async_store.py"), ("python", "tools/api_reference.py"))  # in this order
CHECKS = (
    ["ruff", "check", "."],
    ["ruff", "format", "--check", "."],
    ["mypy"],
    ["lint-imports"],
    *([*command, "--check"] for command in GENERATE),
)
SIDE_BY_SIDE = ("-n", "4", "--dist", "worksteal")  # all of them; most wait for a disk, a server or a process
COMPILE = [
    *("pip", "compile", "pyproject.toml", "--all-extras", "--universal", "--python-version", "3.11"),
    *("--generate-hashes", "--no-emit-index-url", "--no-emit-find-links", "--no-annotate", "--no-header"),
    *("--quiet", "--output-file", "deploy/requirements.lock"),
]
PIP_PLAIN = {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}
NO_PIP = "pip is missing: install it (on Debian and Ubuntu: apt-get install python3-pip), or install uv."

NETWORK_NAMES = {"cert": "SSL_CERT_FILE", "proxy": "ALL_PROXY"}  # what pip calls it, what uv calls it
INDEX_NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
}
UV_NAMES = ("UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_CONFIG_FILE", *INDEX_NAMES.values())
UV_FILES = ("/etc/uv/uv.toml", "{HOME}/.config/uv/uv.toml", "{XDG_CONFIG_HOME}/uv/uv.toml")


def main(arguments: Sequence[str]) -> None:
    command, rest = (arguments[0] if arguments else "--help"), arguments[1:]
    if command in ("-h", "--help", "help"):
        print(__doc__)
    elif command == "test":
        set_up("dev", *postgres_group())
        os.chdir(ROOT)
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # or each of their many processes compiles everything
        become(VENV / "bin" / "python", "-m", "pytest", *(rest or SIDE_BY_SIDE))
    elif command == "check":
        set_up("dev")
        failed = [check for check in CHECKS if run([VENV / "bin" / check[0], *check[1:]]).returncode]
        sys.exit("\n".join(f"failed: {' '.join(check)}" for check in failed) or 0)
    elif command == "generate":
        set_up("dev")
        sys.exit(any(run([VENV / "bin" / name, *rest]).returncode for name, *rest in GENERATE))
    elif command == "lock":
        sys.exit(run([find_uv(), *COMPILE, *rest], env=lock_environment()).returncode)
    else:
        set_up()
        become(VENV / "bin" / "omega-worker", *arguments)


def become(program: Path, *arguments: str) -> None:
    os.execv(program, [str(program), *arguments])


def run(
    command: Sequence[str | Path], *, env: Mapping[str, str] = os.environ, output: int | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, check=False, cwd=ROOT, env=env, text=True, stdout=output, stderr=output and subprocess.STDOUT
    )


def run_quietly(command: Sequence[str | Path], env: Mapping[str, str]) -> None:
    done = run(command, env=env, output=subprocess.PIPE)
    if done.returncode:
        sys.exit(f"{done.stdout}\nThe set-up failed at: {' '.join(map(str, command))}")


def set_up(*groups: str) -> None:
    """Fill `.venv`, unless this very Python has done so for this very pyproject.toml."""
    stamp, state = VENV / "-".join(("omega", *groups)), fingerprint()
    if stamp.exists() and stamp.read_text() == state:
        return
    print("Setting up .venv (first run only) …", file=sys.stderr, flush=True)
    chosen = [f"--group={group}" for group in groups]
    run_quietly(
        [find_uv(), "sync", "--upgrade", "--no-default-groups", "--inexact", *chosen], uv_environment()
    )
    stamp.write_text(state)


def fingerprint() -> str:
    project = (ROOT / "pyproject.toml").read_bytes()
    return hashlib.sha256(f"{ROOT} {base_python()} {sys.version}".encode() + project).hexdigest()


def base_python() -> str:
    """This Python, outside of any virtual environment."""
    return getattr(sys, "_base_executable", "") or sys.executable


def postgres_group() -> list[str]:
    """PostgreSQL as a wheel, for who has none. It refuses to run as root, and there is none for musl."""
    installed = shutil.which("initdb") or any(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    has_wheel = sys.platform == "darwin" or platform.libc_ver()[0] == "glibc"
    return ["server"] if has_wheel and not installed and os.geteuid() else []


def find_uv() -> Path:
    on_path, private = shutil.which("uv"), PRIVATE_UV / "bin" / "uv"
    if on_path and is_recent(on_path):
        return Path(on_path)
    if not private.exists():
        install_uv()
    return private


def is_recent(uv: str) -> bool:
    answer = run([uv, "--version"], output=subprocess.PIPE).stdout
    version = re.search(r"^uv (\d+)\.(\d+)", answer, re.MULTILINE)
    return version is not None and (int(version[1]), int(version[2])) >= (0, 8)


def install_uv() -> None:
    """pip may always fill a folder of its own: without venv or ensurepip, externally managed or not."""
    pip = find_pip()
    if not pip:
        sys.exit(NO_PIP)
    PRIVATE_UV.mkdir(parents=True, exist_ok=True)
    (PRIVATE_UV.parent / ".gitignore").write_text("*\n")
    command = [*pip, "install", "--upgrade", "--target", str(PRIVATE_UV), "--only-binary=uv", "uv>=0.8,<1"]
    run_quietly(command, os.environ | PIP_PLAIN)


def find_pip() -> list[str]:
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    pip = [base_python(), "-m", "pip"]
    return pip if run([*pip, "--version"], output=subprocess.PIPE).returncode == 0 else []


def pip_listing() -> str:
    pip = find_pip()
    return (
        run([*pip, "config", "list"], env=os.environ | PIP_PLAIN, output=subprocess.PIPE).stdout
        if pip
        else ""
    )


def uv_environment() -> dict[str, str]:
    """uv is to use this Python and this `.venv`, whatever is activated, and pip's package index."""
    environment = index_settings(pip_listing(), os.environ) | os.environ
    environment.pop("VIRTUAL_ENV", None)
    environment |= {"UV_PYTHON": base_python(), "UV_PYTHON_DOWNLOADS": "never"}
    environment["UV_PROJECT_ENVIRONMENT"] = str(VENV)
    if not os.access(environment.get("HOME", ""), os.W_OK):
        environment.setdefault("UV_NO_CACHE", "1")
    if has_system_certificates():  # what pip trusts; the first name is that of an older uv
        environment = {"UV_NATIVE_TLS": "1", "UV_SYSTEM_CERTS": "1"} | environment
    return environment


def has_system_certificates() -> bool:
    paths = ssl.get_default_verify_paths()
    return bool(paths.cafile or (paths.capath and any(Path(paths.capath).iterdir())))


def lock_environment() -> dict[str, str]:
    """The lock is for everybody: what this machine has besides its package index stays out."""
    added = ("UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS")
    return {name: value for name, value in uv_environment().items() if name not in added}


def index_settings(listing: str, environment: Mapping[str, str]) -> dict[str, str]:
    """What `pip config list` and the PIP_* variables say, in uv's words; uv's own settings go first."""
    found = pip_settings(listing, environment)
    names = NETWORK_NAMES if uv_is_configured(environment) else NETWORK_NAMES | INDEX_NAMES
    settings = {ours: translated(pips, found[pips]) for pips, ours in names.items() if pips in found}
    if "UV_INDEX" in settings:
        settings["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # pip, too, prefers no index over another
    return {name: value for name, value in settings.items() if value}


def uv_is_configured(environment: Mapping[str, str]) -> bool:
    places = [file.format_map(defaultdict(str, environment)) for file in UV_FILES]
    return any(name in environment for name in UV_NAMES) or any(Path(place).is_file() for place in places)


def pip_settings(listing: str, environment: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for section in ("global", "install"):
        for name, value in re.findall(rf"^{section}\.([\w-]+)=(.+)$", listing, re.MULTILINE):
            found[name] = ast.literal_eval(value)
    for name in (*NETWORK_NAMES, *INDEX_NAMES):
        variable = "PIP_" + name.upper().replace("-", "_")
        if environment.get(variable):
            found[name] = environment[variable]
    return found


def translated(name: str, value: str) -> str:
    if name != "find-links":
        return " ".join(value.split())
    # pip passes over a folder that is missing, uv stops at it.
    return ",".join(place for place in value.split() if "://" in place or Path(place).exists())


if __name__ == "__main__":
    main(sys.argv[1:])
