"""Rows of an older file, ordinary ones and odd ones, by table."""

from typing import Any


def task(
    number: int, due_at: str, repeat: str | None = None, status: str = "pending", **more: Any
) -> dict[str, Any]:
    return {
        "id": f"t{number}",
        "channel": "telegram",
        "sender_id": "1",
        "reply_target": "1",
        "description": f"task {number} ☎",
        "due_at": due_at,
        "repeat": repeat,
        "status": status,
        "created_at": "2024-05-01 00:00:00",
        **more,
    }


def message(number: str, role: str, content: str) -> dict[str, Any]:
    return {
        "id": f"m-{number}",
        "conversation_id": "c1",
        "role": role,
        "content": content,
        "metadata_json": "{}",
    }


STAMPS = {"created_at": "2024-05-01 00:00:00", "updated_at": "2024-06-01 00:00:00"}

ROWS: dict[str, list[dict[str, Any]]] = {
    "conversations": [
        {
            "id": "c1",
            "channel": "telegram",
            "sender_id": "1",
            "started_at": "2024-05-01 00:00:00",
            "updated_at": "2024-05-02 00:00:00",
            "last_activity": "2024-05-02 00:00:00",
        },
        {
            "id": "c2",
            "channel": "console",
            "sender_id": "1",
            "updated_at": "2024-04-02 00:00:00",
            "last_activity": "2024-04-02 00:00:00",
            "summary": "Über Äpfel",
            "status": "closed",
            "project": "garten",
        },
    ],
    "messages": [
        message("1", "user", "omega plant the apple tree 🌳"),
        message("2", "assistant", "omega done, the apple tree grows"),
        message("gone", "user", "omega a slip of the tongue"),
        message("3", "user", "omega приве́т, naïve café"),
        message("4", "assistant", ""),
    ],
    "facts": [
        {"id": "f1", "sender_id": "1", "key": "name", "value": "Ω", "source_message_id": "m-1", **STAMPS},
        {"id": "f2", "sender_id": "1", "key": "timezone", "value": "Europe/Lisbon", **STAMPS},
    ],
    "audit_log": [
        {"id": "a1", "channel": "telegram", "sender_id": "1", "input_text": "hi", "status": "denied"},
    ],
    "scheduled_tasks": [
        task(1, "2030-01-01 10:00:00"),
        task(2, "2030-01-01T10:00:00+02:00", "daily"),
        task(3, "2030-01-01T10:00:00Z", "every full moon"),
        task(4, "tomorrow at noon"),
        task(5, "tomorrow at noon", status="cancelled"),
        task(6, "2024-01-01 10:00:00", "weekly", status="delivered", delivered_at="2024-01-01 10:00:07"),
        task(7, "2024-01-01 10:00:00", status="failed", retry_count=5, last_error="no such chat"),
        task(8, "2030-02-30 10:00", "monthly", project="garten", task_type="action"),
    ],
    "limitations": [{"id": "l1", "title": "Cannot Fly", "description": "no wings", **STAMPS}],
    "user_aliases": [{"alias_sender_id": "2", "canonical_sender_id": "1"}],
    "outcomes": [
        {
            "id": "o1",
            "sender_id": "1",
            "domain": "garden",
            "score": -1,
            "lesson": "too wet",
            "project": "garten",
        },
    ],
    "lessons": [
        {"id": "x1", "sender_id": "1", "domain": "garden", "rule": "water less", "occurrences": 3, **STAMPS},
        {"id": "x2", "sender_id": "1", "domain": "kitchen", "rule": "salt less", **STAMPS},
    ],
    "project_sessions": [
        {
            "id": "p1",
            "channel": "telegram",
            "sender_id": "1",
            "project": "garten",
            "session_id": "s",
            **STAMPS,
        },
    ],
}
