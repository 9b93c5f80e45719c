"""The worker's clock beside the server's: compared, said, and nothing claimed by one that is far off."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from fault_channels import a_phone, eventually, quick

from omega_models import Store, server_findings
from omega_models.diagnosis import OK, PROBLEM, WARNING
from omega_models.server_findings import Skew, examine, skew, wrong_clock
from omega_models.times import system_clock
from omega_worker import duties, narrate
from omega_worker.health import reasons
from omega_worker.worker import Worker

LEASE = timedelta(seconds=60)


def off_by(seconds: float, doubt: float = 0.0) -> Skew:
    return Skew(timedelta(seconds=seconds), timedelta(seconds=doubt))


@pytest.mark.parametrize("seconds", [-30, -1, 0, 29.9, 30])
def test_half_a_lease_is_allowed(seconds: float) -> None:
    assert wrong_clock(off_by(seconds), LEASE) is None


@pytest.mark.parametrize(("seconds", "words"), [(31, "31.0 s ahead of"), (-3600, "3600.0 s behind")])
def test_more_is_not(seconds: float, words: str) -> None:
    assert words in (wrong_clock(off_by(seconds), LEASE) or "")


def test_a_slow_answer_proves_nothing() -> None:
    assert wrong_clock(off_by(40, doubt=20), LEASE) is None


@pytest.fixture
def store(shared_postgres: tuple[str, Callable[[], None]]) -> Iterator[Store]:
    url, empty = shared_postgres
    empty()
    with Store(url) as opened:
        yield opened


@pytest.fixture
def ahead(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets this machine's clock, as far as comparing goes."""

    def set_it(seconds: float) -> None:
        monkeypatch.setattr(
            server_findings, "system_clock", lambda: system_clock() + timedelta(seconds=seconds)
        )

    return set_it


@pytest.mark.postgres
def test_the_same_machine_agrees_with_itself(store: Store) -> None:
    assert abs(skew(store.database).ahead) < timedelta(seconds=1)


@pytest.mark.postgres
@pytest.mark.parametrize(("seconds", "level"), [(0, OK), (10, WARNING), (-45, PROBLEM)])
def test_an_examination_says_how_far_it_is_off(
    store: Store, ahead: Callable[[float], None], seconds: float, level: str
) -> None:
    ahead(seconds)
    (found,) = [each for each in examine(store.database, LEASE) if each.topic == "clock"]
    assert found.level == level


def test_a_file_has_no_clock_of_its_own() -> None:
    with Store(":memory:") as store:
        assert list(examine(store.database, LEASE)) == []


@pytest.mark.postgres
def test_a_worker_whose_clock_is_off_says_so_and_claims_nothing_until_it_is_right(
    store: Store, ahead: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(narrate, "clock_wrong", lambda why: said.append(why))
    monkeypatch.setattr(narrate, "clock_right_again", lambda: said.append("right"))
    monkeypatch.setattr(duties, "BEAT_EVERY", timedelta(seconds=0.1))
    ahead(-120)
    store.create_task("chat", "me", "me", "call", system_clock() - timedelta(seconds=1))
    with a_phone() as phone, Worker(store, {"chat": phone}, quick()) as worker:
        eventually(lambda: worker.vitals.rounds > 0)
        assert any("clock" in each and "set it by NTP" in each for each in reasons(worker))
        assert worker.run_alerts() == 0
        assert phone.begun == []
        assert len(said) == 1
        ahead(0)
        phone.wait_for(ended=1)
        eventually(lambda: not reasons(worker))
        assert said[1:] == ["right"]
