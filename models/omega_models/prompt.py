"""The system prompt: what is known of a person, in words, one block after the other. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from omega_models import checks, times
from omega_models.outcomes import Lesson, Outcome
from omega_models.values import PendingTask
from omega_models.zones import zone

FIRST_FACTS = ("name", "preferred_name", "pronouns", "timezone", "location", "occupation")
SYSTEM_FACTS = frozenset(
    (
        "welcomed",
        "preferred_language",
        "language_source",
        "active_project",
        "personality",
        "onboarding_stage",
        "pending_build_request",
        "pending_setup",
    )
)
LONGEST_RECALLED = 200  # characters of a recalled message
SIGNS = {1: "+", 0: "~", -1: "-"}

PENDING = (str, str, datetime, str | None, str, str)  # the fields of a PendingTask

Said = tuple[str, str, datetime]  # who (a role or a name), what, when


HINTS = (
    "This is your first conversation with this person. Introduce yourself as {bot_name}, and ask for their name.",
    "Where it fits, mention that you remember what they tell you, and forget it when they say so.",
    "Where it fits, mention that you can remind them of things: once, or every day, week or month.",
    "They have their first task. Where it fits, mention that they can list, change and cancel tasks by asking.",
    "Where it fits, mention that you can look up what was said in earlier conversations.",
    "",
)


@dataclass(frozen=True)
class PromptTexts:
    """Every word of the system prompt that is not data: `Store(…, prompt_texts=PromptTexts(bot_name="Ada"))`.

    `{bot_name}` and `{language}` are filled in. `hints` are those of the onboarding stages 0 to 5, each shown
    once when its stage is entered; an empty text, such as any heading may be too, is left out.
    """

    bot_name: str = "Omega"
    profile: str = "User profile:"
    summaries: str = "Recent conversation history:"
    recall: str = "Related past context:"
    tasks: str = "User's scheduled tasks:"
    lessons: str = "Learned behavioral rules:"
    outcomes: str = "Recent outcomes:"
    user: str = "User"
    assistant: str = "{bot_name}"
    language: str = "Always answer in {language}."
    language_switch: str = (
        "When the user asks you to speak another language, answer in it and end with a line "
        "LANG_SWITCH: followed by the language's English name."
    )
    hints: tuple[str, ...] = HINTS

    def filled(self, text: str, language: str = "") -> str:
        return text.replace("{bot_name}", self.bot_name).replace("{language}", language)


TEXTS = PromptTexts()


# The profile


def format_user_profile(facts: Iterable[tuple[str, str]], heading: str = TEXTS.profile) -> str:
    """`- key: value` lines under their heading, the name first; empty where only the system's own keys are known."""
    checks.instance(heading, "heading", str)
    return profile_block(checks.rows(facts, "facts", tuple, str, str), heading)


def profile_block(facts: Iterable[tuple[str, str]], heading: str) -> str:
    return block(heading, (f"- {key}: {one_line(value)}" for key, value in in_order(facts)))


def in_order(facts: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those that speak of the person, as a profile shows them."""
    known = {key: value for key, value in facts if is_real(key)}
    order = [key for key in FIRST_FACTS if key in known] + [key for key in known if key not in FIRST_FACTS]
    return [(key, known[key]) for key in order]


def is_real(key: str) -> bool:
    """Whether a fact speaks of the person, rather than being a note of the system's."""
    return key not in SYSTEM_FACTS


def block(heading: str, lines: Iterable[str]) -> str:
    found = list(lines)
    return "\n".join((*((heading,) if heading else ()), *found)) if found else ""


def one_line(text: str) -> str:
    return " ".join(text.split())


# Onboarding


def compute_onboarding_stage(current_stage: int, real_fact_count: int, has_tasks: bool) -> int:
    """The next stage where it is reached, else the present one; never more than one step."""
    checks.limit(current_stage, "current_stage")
    checks.limit(real_fact_count, "real_fact_count")
    reached = {
        0: real_fact_count >= 1,
        1: real_fact_count >= 3,
        2: has_tasks,
        3: real_fact_count >= 5,
        4: True,
    }
    return current_stage + 1 if reached.get(current_stage, False) else current_stage


def placed_stage(real_fact_count: int, has_tasks: bool) -> int:
    """Where somebody stands who was known before anybody counted stages."""
    stage = 0
    while (following := compute_onboarding_stage(stage, real_fact_count, has_tasks)) != stage:
        stage = following
    return stage


# Lines


def when(moment: datetime, timezone: str) -> str:
    """`2026-01-05 14:03 CET`; zones that have no letters of their own are named in full."""
    try:
        local = times.in_zone(moment, timezone)
    except OverflowError:  # the first and the last day of the calendar are not in every zone
        local = moment
    letters = local.tzname() or ""
    return f"{local:%Y-%m-%d %H:%M} {letters if letters.isalpha() else timezone}"


def ago(moment: datetime, now: datetime) -> str:
    age = max(now - times.aware(moment), timedelta())
    if age < timedelta(hours=1):
        return f"{age // timedelta(minutes=1)}m ago"
    return f"{age // timedelta(hours=1)}h ago" if age < timedelta(days=1) else f"{age.days}d ago"


def shortened(text: str, most: int = LONGEST_RECALLED) -> str:
    line = one_line(text)
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def summary_line(summary: tuple[str, datetime], timezone: str) -> str:
    text, moment = summary
    return f"- [{when(moment, timezone)}] {one_line(text)}"


def speaker(who: str, texts: PromptTexts) -> str:
    """What a role, or somebody of that name, is called."""
    return {"user": texts.user, "assistant": texts.filled(texts.assistant)}.get(who, one_line(who))


def recalled_line(said: Said, timezone: str, texts: PromptTexts) -> str:
    who, text, moment = said
    return f"- [{when(moment, timezone)}] {speaker(who, texts)}: {shortened(text)}"


def task_line(task: PendingTask, timezone: str) -> str:
    action = " [action]" if task.task_type == "action" else ""
    project = f" ({one_line(task.project)})" if task.project else ""
    due = f"(due: {when(task.due_at, timezone)}, {task.repeat or 'once'})"
    return f"- [{task.id[:8]}] {one_line(task.description)}{action}{project} {due}"


def lesson_line(lesson: Lesson) -> str:
    project = f" ({one_line(lesson.project)})" if lesson.project else ""
    return f"- [{one_line(lesson.domain)}]{project} {one_line(lesson.rule)}"


def outcome_line(outcome: Outcome, now: datetime) -> str:
    sign, domain = SIGNS[(outcome.score > 0) - (outcome.score < 0)], one_line(outcome.domain)
    return f"- [{sign}] {domain}: {one_line(outcome.lesson)} ({ago(outcome.timestamp, now)})"


# The whole


@dataclass(frozen=True)
class Material:
    """What the blocks are made of; `recall` holds (role or name, text, time), `hint` an onboarding hint."""

    facts: Sequence[tuple[str, str]] = ()
    summaries: Sequence[tuple[str, datetime]] = ()
    recall: Sequence[Said] = ()
    pending_tasks: Sequence[PendingTask] = ()
    lessons: Sequence[Lesson] = ()
    outcomes: Sequence[Outcome] = ()
    language: str = "English"
    hint: str = ""


def build_system_prompt(
    base_system_prompt: str,
    facts: Sequence[tuple[str, str]] = (),
    summaries: Sequence[tuple[str, datetime]] = (),
    recall: Sequence[Said] = (),
    pending_tasks: Sequence[PendingTask] = (),
    lessons: Sequence[Lesson] = (),
    outcomes: Sequence[Outcome] = (),
    language: str = "English",
    onboarding_hint: str = "",
    *,
    now: datetime | None = None,
    timezone: str = "UTC",
    texts: PromptTexts = TEXTS,
) -> str:
    """The blocks in their order, those that are empty left out; times in the zone given.

    `recall` holds (role or name, text, time); times are aware. Outcomes are so long before `now`, or before the
    newest of them. Raises `WrongType` or `InvalidTimezone`.
    """
    checks.instance(texts, "texts", PromptTexts)
    for name, text in {"base_system_prompt": base_system_prompt, "onboarding_hint": onboarding_hint}.items():
        checks.instance(text, name, str)
    given = Material(
        facts=checks.rows(facts, "facts", tuple, str, str),
        summaries=checks.rows(summaries, "summaries", tuple, str, datetime),
        recall=checks.rows(recall, "recall", tuple, str, str, datetime),
        pending_tasks=checks.rows(pending_tasks, "pending_tasks", PendingTask, *PENDING),
        lessons=checks.rows(lessons, "lessons", Lesson, str, str, str),
        outcomes=checks.rows(outcomes, "outcomes", Outcome, int, str, str, datetime),
        language=checks.instance(language, "language", str),
        hint=texts.filled(onboarding_hint),
    )
    newest = max((times.aware(each.timestamp) for each in given.outcomes), default=times.EPOCH)
    present = newest if now is None else times.instant(now)
    known = zone(checks.instance(timezone, "timezone", str)).key
    return joined(prompt_sections(base_system_prompt, given, present, known, texts))


def joined(sections: dict[str, str]) -> str:
    return "\n\n".join(sections.values())


def prompt_sections(
    base_system_prompt: str, given: Material, now: datetime, timezone: str, texts: PromptTexts
) -> dict[str, str]:
    """The blocks by name, in their order, without those that are empty."""
    found = {
        "base": base_system_prompt,
        "profile": profile_block(given.facts, texts.profile),
        "summaries": block(texts.summaries, (summary_line(each, timezone) for each in given.summaries)),
        "recall": block(texts.recall, (recalled_line(each, timezone, texts) for each in given.recall)),
        "tasks": block(texts.tasks, (task_line(each, timezone) for each in given.pending_tasks)),
        "lessons": block(texts.lessons, map(lesson_line, given.lessons)),
        "outcomes": block(texts.outcomes, (outcome_line(each, now) for each in given.outcomes)),
        "language": texts.filled(texts.language, given.language),
        "onboarding": given.hint,
        "language_switch": texts.filled(texts.language_switch, given.language),
    }
    return {name: text for name, text in found.items() if text}
