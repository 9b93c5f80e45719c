"""The memory under every order of calls, compared with a model of plain dicts; nothing foreign ever comes up."""

import os
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from memory_model import TIMEOUT, Arrived, Memory, Said, Talk, Where

from omega_models import IncomingMessage, Store
from omega_models.testing import FakeClock

SHOWN = 4  # max_context_messages
STAGE = "onboarding_stage"
SENDERS = ("42", "43")
WORDS = ("boat", "lighthouse", "cactus", "boat lighthouse")
PLACES = (
    Where("telegram", "42", "", None),
    Where("telegram", "42", "", "7"),
    Where("telegram", "42", "garden", None),
    Where("telegram", "43", "", "7"),
    Where("telegram", "42", "", "8"),
    Where("signal", "42", "", None),
    Where("telegram", "43", "", None),
    Where("signal", "43", "", "7"),
)
places = st.sampled_from(PLACES)
numbers = st.integers(1, 2)
words = st.sampled_from(WORDS)
senders = st.sampled_from(SENDERS)
choice = st.integers(0, 1000)


class MemoryMachine(RuleBasedStateMachine):
    def __init__(self, url: str = ":memory:", empty: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        empty()
        self.clock = FakeClock("2026-01-05 12:00")
        self.store = Store(
            url,
            clock=self.clock,
            conversation_timeout=TIMEOUT,
            max_context_messages=SHOWN,
            detect=lambda _: None,
        )
        self.model = Memory()
        self.texts = 0

    def teardown(self) -> None:
        self.store.close()

    # what both do

    def text(self, where: Where, words: str) -> str:
        """No two are alike, and each tells where it was said."""
        self.texts += 1
        return f"the {words} {where.mark} number {self.texts}"

    def message(self, where: Where, text: str, number: int | None) -> IncomingMessage:
        return IncomingMessage(
            where.channel,
            where.sender,
            text,
            reply_target=where.target,
            is_group=where.group is not None,
            platform_message_id=number,
        )

    def known(self, where: Where, number: int | None) -> Arrived | None:
        return None if number is None else self.model.arrived.get((where.channel, where.target, number))

    def entered(self, where: Where, conversation_id: str) -> Talk:
        talk, now = self.model.present(where, self.clock()), self.clock()
        if talk is None:
            assert conversation_id not in [each.id for each in self.model.talks]
            talk = Talk(conversation_id, where, now, now)
            self.model.talks.append(talk)
        assert talk.id == conversation_id
        talk.touch(now)
        return talk

    def say(self, talk: Talk, role: str, text: str) -> Said:
        said = Said(role, text, self.clock())
        talk.said.append(said)
        return said

    def note(self, where: Where, number: int | None, found: Arrived) -> None:
        if number is None:
            self.model.nameless.append(found)
        else:
            self.model.arrived[where.channel, where.target, number] = found

    def pick(self, number: int) -> Talk:
        return self.model.talks[number % len(self.model.talks)]

    # time

    @rule(minutes=st.sampled_from([1, 30, 119, 120, 300]))
    def wait(self, minutes: int) -> None:
        self.clock.advance(minutes=minutes)

    # conversations

    @rule(where=places)
    def enter(self, where: Where) -> None:
        found = self.store.get_or_create_conversation(
            where.channel, where.sender, where.project, group=where.group
        )
        self.entered(where, found)

    @rule(where=places, number=st.none() | numbers, words=words)
    def receive(self, where: Where, number: int | None, words: str) -> None:
        known, text = self.known(where, number), self.text(where, words)
        found = self.store.receive(self.message(where, text, number), where.project)
        assert found.is_new == (known is None)
        if known is not None:
            assert found.conversation_id == known.talk.id
            return
        talk = self.entered(where, found.conversation_id)
        self.note(where, number, Arrived(talk, self.say(talk, "user", text)))

    @rule(where=places, number=st.none() | numbers, words=words, again=st.booleans())
    def exchange(self, where: Where, number: int | None, words: str, again: bool) -> None:
        """Both sides at once; for a message that was received, the reply alone, once."""
        text = self.nameless_text(where) if again and number is None else self.text(where, words)
        known, reply = self.known(where, number), self.text(where, f"reply {words}")
        found = self.store.store_exchange(self.message(where, text, number), reply, where.project)
        if known is None:
            talk = self.entered(where, found)
            waiting = self.model.waiting(talk, text) if number is None else None
            known = waiting or Arrived(talk, self.say(talk, "user", text))
            if number is not None:
                self.note(where, number, known)
        assert found == known.talk.id
        if not known.answered:
            known.talk.touch(self.clock())
            self.say(known.talk, "assistant", reply)
            known.answered = True

    def nameless_text(self, where: Where) -> str:
        """What was received without a number and waits for its reply, if anything does."""
        talk = self.model.present(where, self.clock())
        waiting = [each for each in self.model.nameless if each.talk is talk and not each.answered]
        return waiting[0].said.text if waiting else self.text(where, "boat")

    @rule(where=places, number=numbers, words=words, fails=st.booleans())
    def turn(self, where: Where, number: int, words: str, fails: bool) -> None:
        """As a bot does it; a model that fails loses neither the question nor what was said."""
        known, text, reply = self.known(where, number), self.text(where, words), self.text(where, "piece")
        answered = known is not None and known.answered
        turn = None
        try:
            with self.store.exchange(self.message(where, text, number), project=where.project) as turn:
                turn.write(reply)
                assert turn.duplicate == (known is not None)
                assert turn.answered == answered
                if fails:
                    raise TimeoutError
        except TimeoutError:
            assert fails
        assert turn is not None
        if known is None:
            talk = self.entered(where, turn.conversation_id)
            known = Arrived(talk, self.say(talk, "user", text))
            self.note(where, number, known)
        elif not answered:
            self.contextualised(where)
        if not answered or fails:
            known.talk.touch(self.clock())
            self.say(known.talk, "assistant", reply)
            known.answered = answered or not fails
        if not answered:
            self.keep_stage(where)

    def contextualised(self, where: Where) -> None:
        """A context enters the conversation, or begins one."""
        found = self.store.get_active_conversation_id(
            where.channel, where.sender, where.project, group=where.group
        )
        assert found is not None
        self.entered(where, found)

    def keep_stage(self, where: Where) -> None:
        stage = self.store.get_fact(where.sender, STAGE)
        if where.group is None:
            assert stage is not None
        if stage is not None:
            self.model.facts.setdefault(where.sender, {})[STAGE] = stage

    @precondition(lambda self: self.model.talks)
    @rule(number=choice, role=st.sampled_from(["user", "assistant"]), words=words, ago=st.integers(0, 200))
    def append(self, number: int, role: str, words: str, ago: int) -> None:
        talk = self.pick(number)
        text, at = self.text(talk.where, words), self.clock().replace() - ago * (TIMEOUT / 100)
        self.store.append_message(talk.id, role, text, timestamp=at)
        talk.said.append(Said(role, text, at))
        talk.touch(at)

    @rule(where=places, number=numbers, words=words)
    def edit(self, where: Where, number: int, words: str) -> None:
        known, text = self.known(where, number), self.text(where, words)
        done = self.store.edit_message(where.channel, number, text, reply_target=where.target)
        assert done == (known is not None and known.said in known.talk.said)
        if done and known is not None:
            known.said.text = text

    @rule(where=places, number=numbers)
    def delete(self, where: Where, number: int) -> None:
        known = self.known(where, number)
        done = self.store.delete_message(where.channel, number, reply_target=where.target)
        assert done == (known is not None and known.said in known.talk.said)
        if done and known is not None:
            known.talk.said.remove(known.said)

    @precondition(lambda self: self.model.talks)
    @rule(number=choice, words=words, summarised=st.booleans())
    def close(self, number: int, words: str, summarised: bool) -> None:
        talk = self.pick(number)
        summary = self.text(talk.where, f"summary {words}") if summarised else None
        assert self.store.close_conversation(talk.id, summary)
        talk.active, talk.summary, talk.updated = False, summary, self.clock()

    @precondition(lambda self: self.model.talks)
    @rule(number=choice, since=st.sampled_from([0, 60, 200]))
    def close_if_idle(self, number: int, since: int) -> None:
        talk, moment = self.pick(number), self.clock() - since * (TIMEOUT / 120)
        new = [each for each in talk.said if each.at > moment]
        done = self.store.close_conversation(talk.id, None, if_idle_since=moment)
        assert done == (talk.active and talk.last <= moment and not new)
        if done:
            talk.active, talk.summary, talk.updated = False, None, self.clock()

    @rule(where=places)
    def forget(self, where: Where) -> None:
        here = [each for each in self.model.talks if each.where == where and each.active]
        done = self.store.close_current_conversation(
            where.channel, where.sender, where.project, group=where.group
        )
        assert done == bool(here)
        for talk in here:
            talk.active, talk.updated = False, self.clock()

    # people, and what was learned of and from them

    @rule(sender=senders, key=st.sampled_from(["name", "pet", "welcomed"]), value=words)
    def fact(self, sender: str, key: str, value: str) -> None:
        self.store.store_fact(sender, key, value)
        self.model.facts.setdefault(sender, {})[key] = value

    @rule(sender=senders, key=st.none() | st.sampled_from(["name", "pet", "welcomed"]))
    def forget_facts(self, sender: str, key: str | None) -> None:
        known = self.model.facts.setdefault(sender, {})
        gone = list(known) if key is None else [each for each in known if each == key]
        assert self.store.delete_facts(sender, key) == len(gone)
        for each in gone:
            del known[each]

    @rule(alias=st.sampled_from("abc"), canonical=st.sampled_from("abc"))
    def alias(self, alias: str, canonical: str) -> None:
        if alias in self.model.chain(canonical):
            with pytest.raises(ValueError, match="alias"):
                self.store.create_alias(alias, canonical)
        else:
            self.store.create_alias(alias, canonical)
            self.model.aliases.setdefault(alias, canonical)
        assert self.store.resolve_sender_id(alias) == self.model.chain(alias)[-1]

    @rule(where=places, session=st.none() | st.sampled_from(["s1", "s2"]))
    def session(self, where: Where, session: str | None) -> None:
        here = where.channel, where.sender, where.project
        if session is None:
            self.store.clear_session(*here)
            self.model.sessions.pop(here, None)
        else:
            self.store.store_session(*here, session)
            self.model.sessions[here] = session
        for channel, sender, project in [*self.model.sessions, here]:
            known = self.model.sessions.get((channel, sender, project))
            assert self.store.get_session(channel, sender, project) == known

    @rule(
        sender=senders,
        rules=st.integers(0, 4),
        count=st.integers(1, 12),
        project=st.sampled_from(["", "garden"]),
    )
    def lesson(self, sender: str, rules: int, count: int, project: str) -> None:
        for number in range(rules, rules + count):
            self.store.store_lesson(sender, "chat", f"rule {number}", project)
            self.model.learn(sender, "chat", f"rule {number}", project)
        own = [each for each in self.model.lessons if each[0] == sender]
        general = [each[1:] for each in own if not each[3]]
        special = [each[1:] for each in own if each[3]]
        assert self.store.get_lessons(sender) == general
        assert self.store.get_lessons(sender, "garden") == [*special, *general]

    @rule(sender=senders, score=st.sampled_from([-1, 0, 1]), project=st.sampled_from(["", "garden"]))
    def outcome(self, sender: str, score: int, project: str) -> None:
        lesson = f"lesson {len(self.model.outcomes)}"
        self.store.store_outcome(sender, "chat", score, lesson, project=project)
        self.model.outcomes.insert(0, (sender, score, lesson, project))
        for wanted in (None, "", "garden"):
            mine = [each for each in self.model.outcomes if each[0] == sender and wanted in (None, each[3])]
            found = self.store.get_recent_outcomes(sender, 5, wanted)
            assert [(each.score, each.lesson) for each in found] == [each[1:3] for each in mine[:5]]

    @rule(title=st.sampled_from(["Fly", "fly ", "sing"]))
    def limitation(self, title: str) -> None:
        new = title.strip().lower() not in [each[0] for each in self.model.limitations]
        assert self.store.store_limitation(title, "cannot") == new
        if new:
            self.model.limitations.append((title.strip().lower(), title.strip()))
        found = [each.title for each in self.store.get_open_limitations()]
        assert found == [each[1] for each in self.model.limitations]

    # looking

    @rule(where=places, words=words, grouped=st.booleans())
    def search(self, where: Where, words: str, grouped: bool) -> None:
        """What comes up was said by or to this sender, in that group if one is named, and stands there now."""
        group = where.group if grouped else None
        here = [
            each
            for each in self.model.of_sender(where.sender)
            if group is None or (each.where.channel, each.where.group) == (where.channel, group)
        ]
        channel = where.channel if group else None
        found = self.store.search_messages(words, None, where.sender, 10, channel=channel, group=group)
        there = {line for talk in here for line in talk.lines()}
        assert {(each.role, each.content) for each in found} <= there
        hits = [text for _, text in there if any(word in text.split() for word in words.split())]
        assert bool(found) >= bool(hits)

    @rule(where=places, number=st.none() | numbers, words=words)
    def context(self, where: Where, number: int | None, words: str) -> None:
        known, text = self.known(where, number), self.text(where, words)
        present = self.model.present(where, self.clock())
        lines = present.lines() if present else []
        context = self.store.build_context(
            self.message(where, text, number), "", active_project=where.project
        )
        own = known.said if known is not None and known.talk is present else None
        expected = [line for line in lines if own is None or line[1] != own.text]
        assert context.history == expected[-SHOWN:]
        self.entered(where, context.conversation_id)
        self.keep_stage(where)
        self.nothing_foreign(where, context.system_prompt)

    def nothing_foreign(self, where: Where, prompt: str) -> None:
        allowed = {where.mark}
        if where.group is None:  # what one said in a group may be recalled in private
            allowed = {each.where.mark for each in self.model.of_sender(where.sender)}
        assert {word for word in prompt.split() if word.startswith("mark")} <= allowed
        name, pet = (self.model.facts.get(where.sender, {}).get(key) for key in ("name", "pet"))
        assert (f"- name: {name}\n" in f"{prompt}\n") == (name is not None)
        assert (f"- pet: {pet}\n" in f"{prompt}\n") == (pet is not None and where.group is None)

    # what always holds

    @invariant()
    def every_conversation_reads_as_it_was_said(self) -> None:
        for talk in self.model.talks[-3:]:
            assert self.store.get_conversation_messages(talk.id) == talk.lines()

    @invariant()
    def each_chat_knows_its_present_and_its_past(self) -> None:
        for where in {each.where for each in self.model.talks[-3:]}:
            present = self.model.present(where, self.clock())
            here = where.channel, where.sender
            found = self.store.get_active_conversation_id(*here, where.project, group=where.group)
            assert found == (present.id if present else None)
            closed = self.model.closed(where.chat)
            history = self.store.get_history(*here, 99, group=where.group)
            assert history == [(each.summary or "(no summary)", each.updated) for each in closed]
            summaries = self.store.get_recent_summaries(*here, 3, group=where.group)
            assert summaries == [(each.summary, each.updated) for each in closed if each.summary][:3]

    @invariant()
    def who_is_idle_is_known(self) -> None:
        found = [each.id for each in self.store.find_idle_conversations()]
        assert found == [each.id for each in self.model.idle(self.clock())]

    @invariant()
    def everything_is_counted(self) -> None:
        for sender in SENDERS:
            talks, facts = self.model.of_sender(sender), self.model.facts.get(sender, {})
            assert self.store.get_facts(sender) == sorted(facts.items())
            said = sum(len(each.said) for each in talks)
            assert self.store.get_memory_stats(sender) == (len(talks), said, len(facts))


QUICK = settings(
    max_examples=10, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
THOROUGH = settings(QUICK, max_examples=int(os.environ.get("OMEGA_EXAMPLES", "400")), stateful_step_count=60)


def test_it_remembers_as_the_model_does() -> None:
    run_state_machine_as_test(MemoryMachine, settings=QUICK)


@pytest.mark.postgres
def test_on_a_server_it_remembers_as_the_model_does(shared_postgres: tuple[str, Callable[[], None]]) -> None:
    few = settings(QUICK, max_examples=3)
    run_state_machine_as_test(partial(MemoryMachine, *shared_postgres), settings=few)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_it_remembers_as_the_model_does_for_long() -> None:
    run_state_machine_as_test(MemoryMachine, settings=THOROUGH)
