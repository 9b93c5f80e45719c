"""What a memory should hold, in plain lists and dicts: the model that the real one is compared with."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

TIMEOUT = timedelta(minutes=120)


@dataclass(frozen=True)
class Where:
    """Where a conversation is held; `group` None is the private chat."""

    channel: str
    sender: str
    project: str
    group: str | None

    @property
    def chat(self) -> tuple[str, str, str | None]:
        return self.channel, self.sender, self.group

    @property
    def target(self) -> str:
        return self.group or self.sender

    @property
    def mark(self) -> str:
        """A word that stands in everything said here and nowhere else."""
        return f"mark{self.channel}{self.sender}g{self.group or 0}"


@dataclass
class Said:
    role: str
    text: str
    at: datetime


@dataclass
class Talk:
    id: str
    where: Where
    last: datetime
    updated: datetime
    active: bool = True
    summary: str | None = None
    said: list[Said] = field(default_factory=list)

    def touch(self, now: datetime) -> None:
        self.last, self.updated = max(self.last, now), max(self.updated, now)

    def lines(self) -> list[tuple[str, str]]:
        return [(each.role, each.text) for each in sorted(self.said, key=lambda each: each.at)]


@dataclass
class Arrived:
    """A platform message that was received: by its chat and number, or without one."""

    talk: Talk
    said: Said
    answered: bool = False


Key = tuple[str, str, int]


@dataclass
class Memory:
    talks: list[Talk] = field(default_factory=list)
    arrived: dict[Key, Arrived] = field(default_factory=dict)
    nameless: list[Arrived] = field(default_factory=list)
    facts: dict[str, dict[str, str]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    sessions: dict[tuple[str, str, str], str] = field(default_factory=dict)
    lessons: list[tuple[str, str, str, str]] = field(default_factory=list)
    outcomes: list[tuple[str, int, str, str]] = field(default_factory=list)
    limitations: list[tuple[str, str]] = field(default_factory=list)

    def present(self, where: Where, now: datetime) -> Talk | None:
        here = [each for each in self.talks if each.where == where and each.active]
        young = [each for each in here if each.last > now - TIMEOUT]
        return max(young, key=lambda each: (each.last, self.talks.index(each)), default=None)

    def idle(self, now: datetime) -> list[Talk]:
        old = [each for each in self.talks if each.active and each.last <= now - TIMEOUT]
        return sorted(old, key=lambda each: each.last)

    def closed(self, chat: tuple[str, str, str | None]) -> list[Talk]:
        """Newest first."""
        here = [each for each in self.talks if not each.active and each.where.chat == chat]
        return sorted(here, key=lambda each: (each.updated, self.talks.index(each)), reverse=True)

    def of_sender(self, sender: str) -> list[Talk]:
        return [each for each in self.talks if each.where.sender == sender]

    def waiting(self, talk: Talk, text: str) -> Arrived | None:
        same = (each for each in self.nameless if each.talk is talk and each.said.text == text)
        return next((each for each in same if not each.answered and each.said in talk.said), None)

    def chain(self, sender: str) -> list[str]:
        found = [sender]
        while found[-1] in self.aliases:
            found.append(self.aliases[found[-1]])
        return found

    def learn(self, sender: str, domain: str, rule: str, project: str) -> None:
        """To the front; beyond ten of a sender, domain and project the stalest goes."""
        lesson = (sender, domain, rule, project)
        self.lessons = [lesson, *(each for each in self.lessons if each != lesson)]
        scope = [each for each in self.lessons if (each[0], each[1], each[3]) == (sender, domain, project)]
        self.lessons = [each for each in self.lessons if each not in scope[10:]]
