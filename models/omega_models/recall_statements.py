"""The SQL of recall, in the words of either database. Full-text search is what Peewee has no words for."""

import re

from peewee import SQL, Node, NodeList

from omega_models.database import Database
from omega_models.statements import Given
from omega_models.tables import RecallChat as H
from omega_models.tables import RecallQueue as Q

MOST_CHATS = 100  # of one sender; the latest
LONGEST = 4000  # characters of a message that are looked at for ranking


def written(sql: str, **pieces: str) -> Node:
    """SQL with `{name}` where a value is given at each call, and `<name>` where one of the pieces stands."""
    for name, piece in pieces.items():
        sql = sql.replace(f"<{name}>", piece)
    parts = re.split(r"\{(\w+)\}", sql)
    return NodeList([Given(part) if n % 2 else SQL(part) for n, part in enumerate(parts)], glue="")


# Keeping the index


def waiting(_: Database) -> Node:
    return written(
        "SELECT q.id, m.content, m.metadata_json, c.sender_id, c.channel, c.group_target FROM recall_queue q"
        " LEFT JOIN messages m ON m.rowid = q.id LEFT JOIN conversations c ON c.id = m.conversation_id"
        " WHERE q.id > 0 ORDER BY q.id DESC LIMIT {limit}"
    )


def is_waiting(_: Database) -> Node:
    return SQL("SELECT EXISTS (SELECT 1 FROM recall_queue)")


def chat_number(_: Database) -> Node:
    """The number of the sender's chat, which is counted one message more."""
    columns = ("sender_id", "channel", "group_target")
    counted = H.insert({getattr(H, name): Given(name) for name in columns} | {H.messages: 1}).on_conflict(
        conflict_target=[getattr(H, name) for name in columns], update={H.messages: H.messages + 1}
    )
    return counted.returning(H.id)


def enter(database: Database) -> Node:
    if database.is_postgres:
        return written(
            "INSERT INTO recall (id, terms) VALUES ({row}, {terms})"
            " ON CONFLICT (id) DO UPDATE SET terms = excluded.terms"
        )
    return written("INSERT OR REPLACE INTO recall (rowid, terms) VALUES ({row}, {terms})")


def done(_: Database) -> Node:
    return Q.delete().where(Q.id == Given("row"))


def forget_chats(_: Database) -> Node:
    return H.delete().where(H.sender_id == Given("sender_id"))


# Asking it


def chats(_: Database, filters: tuple[str, ...]) -> Node:
    found = H.select(H.id, H.messages).where(H.sender_id == Given("sender_id"))
    for name in filters:
        found = found.where(getattr(H, name) == Given(name))
    return found.order_by(H.id.desc()).limit(MOST_CHATS)


OF_PROJECT = (
    "(SELECT c.project FROM messages m JOIN conversations c ON c.id = m.conversation_id WHERE m.rowid = <row>)"
    " = {project}"
)


def holding(database: Database, of_project: bool) -> Node:
    """The newest messages that hold any of the terms. A server must not walk everybody's for that order."""
    if database.is_postgres:
        return written(
            "WITH found AS MATERIALIZED (SELECT id FROM recall WHERE terms && {terms}::text[])"
            " SELECT id FROM found <project> ORDER BY id DESC LIMIT {limit}",
            project="WHERE " + OF_PROJECT.replace("<row>", "found.id") if of_project else "",
        )
    return written(
        "SELECT rowid FROM recall WHERE recall MATCH {terms} <project> ORDER BY rowid DESC LIMIT {limit}",
        project="AND " + OF_PROJECT.replace("<row>", "recall.rowid") if of_project else "",
    )


def spread(database: Database) -> Node:
    """How many messages hold each of the terms, where any does."""
    if database.is_postgres:
        return written(
            "SELECT t.term, count(*) FROM unnest({terms}::text[]) AS t(term)"
            " JOIN recall ON recall.terms && ARRAY[t.term] GROUP BY t.term"
        )
    return written("SELECT term, doc FROM recall_terms WHERE term IN (SELECT value FROM json_each({terms}))")


def alike(_: Database) -> Node:
    """Terms between two; SQLite only."""
    return written("SELECT term FROM recall_terms WHERE term > {least} AND term < {beyond} LIMIT {limit}")


def of_conversation(_: Database) -> Node:
    return written(
        "SELECT rowid FROM messages WHERE conversation_id = {conversation_id}"
        " ORDER BY timestamp DESC, rowid DESC LIMIT {limit}"
    )


BESIDE = (
    "SELECT p.rowid, p.timestamp FROM messages p WHERE p.conversation_id = m.conversation_id"
    " AND (p.timestamp, p.rowid) <side> (m.timestamp, m.rowid)"
    " ORDER BY p.timestamp <order>, p.rowid <order> LIMIT {reach}"
)
BEFORE = BESIDE.replace("<side>", "<=").replace("<order>", "DESC")
AFTER = BESIDE.replace("<side>", ">").replace("<order>", "ASC")


def around(database: Database) -> Node:
    """Each of the rows with those that came before and after it in its conversation."""
    if database.is_postgres:
        return written(
            "SELECT m.rowid, n.rowid, n.timestamp FROM unnest({rows}::bigint[]) AS s(value)"
            " JOIN messages m ON m.rowid = s.value"
            " CROSS JOIN LATERAL ((<before>) UNION ALL (<after>)) AS n",
            before=BEFORE,
            after=AFTER,
        )
    return written(
        "SELECT m.rowid, n.rowid, n.timestamp FROM json_each({rows}) AS s JOIN messages m ON m.rowid = s.value"
        " JOIN messages n ON n.rowid IN"
        " (SELECT rowid FROM (<before>) UNION ALL SELECT rowid FROM (<after>))",
        before=BEFORE,
        after=AFTER,
    )


def _among(database: Database) -> str:
    return "= ANY({rows})" if database.is_postgres else "IN (SELECT value FROM json_each({rows}))"


def lines(database: Database, grouped: bool) -> Node:
    """Of the sender, and the group, whatever the index may say. A cross join keeps SQLite to that order."""
    return written(
        "SELECT m.rowid, m.conversation_id, m.role, substr(m.content, 1, <longest>), m.timestamp, m.metadata_json"
        " FROM messages m CROSS JOIN conversations c"
        " WHERE m.rowid <among> AND c.id = m.conversation_id AND c.sender_id = {sender_id} <group>",
        longest=str(LONGEST),
        among=_among(database),
        group="AND c.group_target = {group}" if grouped else "",
    )


def texts(database: Database) -> Node:
    return written("SELECT rowid, content FROM messages WHERE rowid <among>", among=_among(database))
