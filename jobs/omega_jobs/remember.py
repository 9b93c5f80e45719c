"""A delivered reminder becomes the assistant's words in the conversation that is going on, if there is one."""

from collections.abc import Callable, Sequence

from omega_models import Store, messages, metadata
from omega_models.alerts import SENDER as ALERTS
from omega_models.claims import Claim
from omega_models.conversations import any_active


def remember(store: Store, claims: Sequence[Claim], words: Callable[[Claim], str]) -> int:
    """Appends what was delivered, inside the caller's transaction; how many.

    The conversation's last activity stays as it was: a reminder keeps no conversation alive. Reminders for
    a group go to the group's conversation, and never the other way about.
    """
    wanted = [each for each in claims if each.task.task_type == "reminder" and each.task.sender_id != ALERTS]
    if not wanted or not any_active(store):
        return 0
    return sum(_append(store, each, words(each)) for each in wanted)


def _append(store: Store, claim: Claim, text: str) -> bool:
    task = claim.task
    conversation = store.get_active_conversation_id(
        task.channel, task.sender_id, group=task.reply_target
    ) or store.get_active_conversation_id(task.channel, task.sender_id)
    if conversation is None:
        return False
    kept = metadata.to_json({"reminder": task.occurrence_id})
    messages.insert(store, conversation, "assistant", text, store.clock(), kept)
    return True
