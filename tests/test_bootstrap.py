"""omega.py: from a fresh clone to a running program, with nothing there but Python and pip."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "deploy/requirements.lock"
BUILT = (".git", ".venv", ".uv", "uv.lock", "__pycache__", ".*_cache", ".hypothesis", "*.db*")


@pytest.fixture(scope="module")
def omega() -> ModuleType:
    spec = importlib.util.spec_from_file_location("omega", ROOT / "omega.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pins(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==([\w.]+)", lock.read_text(), re.MULTILINE))


def test_an_older_python_is_told_what_is_needed() -> None:
    pretend = (
        "import runpy, sys; sys.version_info = (3, 10, 9); runpy.run_path('omega.py', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", pretend], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Omega needs Python 3.11 or newer; this is ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["-h"], ["--help"]])
def test_help_names_every_command(
    omega: ModuleType, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    omega.main(arguments)
    shown = capsys.readouterr().out
    assert all(f"omega.py {command} " in shown for command in ("demo", "test", "check", "lock"))


LISTING = r"""
:env:.cert='/etc/mine.pem'
global.cert='/etc/company.pem'
global.extra-index-url='\nfile:///one/simple\nfile:///two/simple'
global.index-url='file:///first/simple'
global.timeout='60'
install.index-url='file:///second/simple'
"""


@pytest.mark.parametrize(
    ("listing", "environment", "expected"),
    [
        pytest.param("", {}, {}, id="nothing-set"),
        pytest.param(
            LISTING,
            {},
            {
                "SSL_CERT_FILE": "/etc/company.pem",
                "UV_DEFAULT_INDEX": "file:///second/simple",
                "UV_INDEX": "file:///one/simple file:///two/simple",
                "UV_INDEX_STRATEGY": "unsafe-best-match",
            },
            id="files",
        ),
        pytest.param(
            LISTING.replace("extra-index-url", "other"),
            {"PIP_CERT": "/etc/mine.pem", "PIP_INDEX_URL": "file:///third/simple"},
            {"SSL_CERT_FILE": "/etc/mine.pem", "UV_DEFAULT_INDEX": "file:///third/simple"},
            id="variables-before-files",
        ),
        pytest.param(
            LISTING,
            {"UV_INDEX_URL": "file:///own/simple"},
            {"SSL_CERT_FILE": "/etc/company.pem"},
            id="uv-has-its-own-index",
        ),
        pytest.param(
            "",
            {"PIP_PROXY": "127.0.0.1:3128", "PIP_TRUSTED_HOST": "a b"},
            {"ALL_PROXY": "127.0.0.1:3128", "UV_INSECURE_HOST": "a b"},
            id="proxy-and-hosts",
        ),
        pytest.param(
            "", {"PIP_FIND_LINKS": f"/no/such/folder {ROOT}"}, {"UV_FIND_LINKS": str(ROOT)}, id="folders"
        ),
        pytest.param("", {"PIP_FIND_LINKS": "/no/such/folder"}, {}, id="no-folder-left"),
    ],
)
def test_uv_is_told_where_pip_looks(
    omega: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    listing: str,
    environment: dict[str, str],
    expected: dict[str, str],
) -> None:
    monkeypatch.setattr(omega, "UV_FILES", ())
    assert omega.index_settings(listing, environment) == expected


def test_a_configured_uv_keeps_its_index(omega: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "uv").mkdir()
    (tmp_path / "uv/uv.toml").touch()
    environment = {"XDG_CONFIG_HOME": str(tmp_path), "PIP_INDEX_URL": "file:///first/simple"}
    assert omega.index_settings("", environment) == {}


def test_the_environment_of_uv_is_ours(omega: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(omega, "find_pip", list)
    for name in ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT", "UV_PYTHON"):
        monkeypatch.setenv(name, "/somebody/elses")
    environment = omega.uv_environment()
    assert "VIRTUAL_ENV" not in environment
    assert environment["UV_PROJECT_ENVIRONMENT"] == str(ROOT / ".venv")
    assert environment["UV_PYTHON"] == omega.base_python()


def test_the_lock_leaves_out_what_only_this_machine_has(
    omega: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    indexes = {
        "UV_INDEX": "file:///more/simple",
        "UV_FIND_LINKS": "/wheels",
        "UV_DEFAULT_INDEX": "file:///all",
    }
    monkeypatch.setattr(omega, "uv_environment", lambda: indexes)
    assert omega.lock_environment() == {"UV_DEFAULT_INDEX": "file:///all"}


def test_without_pip_the_remedy_is_named(
    omega: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(omega, "PRIVATE_UV", tmp_path)
    monkeypatch.setattr(omega, "find_pip", list)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="apt-get install python3-pip"):
        omega.find_uv()


def test_a_failed_set_up_shows_all_that_was_said(omega: ModuleType) -> None:
    with pytest.raises(SystemExit, match=r"(?s)first.*second.*set-up failed at: sh -c"):
        omega.run_quietly(["sh", "-c", "echo first; echo second >&2; exit 3"], os.environ)


def test_a_finished_set_up_is_not_done_again(
    omega: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    done: list[list[str]] = []
    monkeypatch.setattr(omega, "VENV", tmp_path)
    monkeypatch.setattr(omega, "find_uv", lambda: "uv")
    monkeypatch.setattr(omega, "uv_environment", dict)
    monkeypatch.setattr(omega, "run_quietly", lambda command, _: done.append(command[1:]))
    for groups in ([], [], ["dev"], ["dev"]):
        omega.set_up(*groups)
    assert done == [
        ["sync", "--upgrade", "--no-default-groups", "--inexact"],
        ["sync", "--upgrade", "--no-default-groups", "--inexact", "--group=dev"],
    ]
    monkeypatch.setattr(omega, "fingerprint", lambda: "another pyproject.toml")
    omega.set_up("dev")
    assert len(done) == 3


def test_the_lock_holds_every_dependency_at_an_allowed_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = pins(LOCK)
    for line in project["dependencies"] + project["optional-dependencies"]["postgres"]:
        wanted = Requirement(line)
        version = pinned.get(wanted.name, "none")
        assert wanted.specifier.contains(version), f"{line}: run `python3 omega.py lock`"


def test_the_lock_is_pinned_by_hash_and_names_no_address() -> None:
    text = LOCK.read_text()
    blocks = [block for block in re.split(r"^(?=\S)", text, flags=re.MULTILINE) if block]
    assert all("==" in block and "--hash=sha256:" in block for block in blocks)
    assert "//" not in text
    assert not re.search(r"^\s*-(?!-hash=)", text, re.MULTILINE)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    return shutil.copytree(ROOT, tmp_path / "clone", ignore=shutil.ignore_patterns(*BUILT))


def bare_environment(home: Path) -> dict[str, str]:
    """No uv on PATH, nothing at home, and somebody else's virtual environment activated."""
    folders = [folder for folder in os.environ["PATH"].split(":") if not (Path(folder) / "uv").exists()]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("UV_", "XDG_"))}
    home.mkdir()
    return kept | {"PATH": ":".join(folders), "HOME": str(home), "VIRTUAL_ENV": "/somebody/elses"}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_fresh_clone_sets_itself_up_without_uv(clone: Path, omega: ModuleType, tmp_path: Path) -> None:
    environment = bare_environment(tmp_path / "home")

    def start(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [omega.base_python(), str(clone / "omega.py"), *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    first = start("run", "--help")
    assert (first.returncode, first.stderr) == (0, "Setting up .venv (first run only) …\n")
    assert (clone / ".uv/site-packages/bin/uv").exists()
    second = start("run", "--help")
    assert (second.returncode, second.stdout, second.stderr) == (0, first.stdout, "")

    assert start("lock").returncode == 0
    assert pins(clone / "deploy/requirements.lock") == pins(LOCK)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_lock_is_all_that_a_deployment_needs(omega: ModuleType, clone: Path, tmp_path: Path) -> None:
    deployed = tmp_path / "deployed"

    def uv(*arguments: str | Path) -> None:
        subprocess.run([omega.find_uv(), *arguments], env=omega.uv_environment(), check=True)

    uv("venv", deployed)
    install = ("pip", "install", "--python", deployed)
    uv(*install, "--require-hashes", "--requirement", LOCK)
    uv(*install, "--no-deps", clone)
    uv("pip", "check", "--python", deployed)
    subprocess.run([deployed / "bin/omega-worker", "--help"], check=True)
