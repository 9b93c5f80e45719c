"""The SQL of recall, in the words of either database. Full-text search is what Peewee has no words for."""

import re

from peewee import SQL, Node, NodeList

from omega_models.database import Database
from omega_models.statements import Given
from omega_models.tables import Conversation as C
from omega_models.tables import Message as M
from omega_models.tables import RecallChat as H
from omega_models.tables import RecallQueue as Q
from omega_models.tables import RecallVector as V

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


def count_waiting(_: Database) -> Node:
    return SQL("SELECT count(*) FROM recall_queue")


def chat_number(_: Database) -> Node:
    """The number of the sender's chat, which is counted so many messages more."""
    columns = ("sender_id", "channel", "group_target")
    counted = H.insert({getattr(H, name): Given(name) for name in (*columns, "messages")}).on_conflict(
        conflict_target=[getattr(H, name) for name in columns],
        update={H.messages: H.messages + Given("messages")},
    )
    return counted.returning(H.id)


def enter(database: Database) -> Node:
    if database.is_postgres:
        return written(
            "INSERT INTO recall (id, terms) VALUES ({row}, {terms})"
            " ON CONFLICT (id) DO UPDATE SET terms = excluded.terms"
        )
    return written("INSERT OR REPLACE INTO recall (rowid, terms) VALUES ({row}, {terms})")


def model_in_use(_: Database) -> Node:
    """What makes embeddings of messages; no row where nothing does."""
    return V.select(V.model).where(V.id == 0)


def await_vector(_: Database) -> Node:
    values = {V.id: Given("row"), V.chat: Given("chat"), V.model: Given("model")}
    return V.insert(values).on_conflict_ignore()


def done(_: Database) -> Node:
    return Q.delete().where(Q.id == Given("row"))


# Whether it is as it should be


def _entries(database: Database) -> str:
    """Where the index keeps what it was given; full-text search keeps that in a table of its own."""
    return "recall" if database.is_postgres else "recall_content"


OF_SOMEBODY = "messages m JOIN conversations c ON c.id = m.conversation_id"
IS_INDEXED = OF_SOMEBODY + " JOIN <entries> e ON e.id = m.rowid"
IS_DONE = "NOT EXISTS (SELECT 1 FROM recall_queue q WHERE q.id = m.rowid)"


def missing(database: Database) -> Node:
    """Messages that are neither indexed nor waiting."""
    return written(
        "SELECT m.rowid FROM <messages> LEFT JOIN <entries> e ON e.id = m.rowid"
        " WHERE e.id IS NULL AND <done> ORDER BY m.rowid",
        messages=OF_SOMEBODY,
        done=IS_DONE,
        entries=_entries(database),
    )


def surplus(database: Database) -> Node:
    """Entries of what is no message any more."""
    return written(
        "SELECT e.id FROM <entries> e LEFT JOIN messages m ON m.rowid = e.id WHERE m.rowid IS NULL ORDER BY e.id",
        entries=_entries(database),
    )


def elsewhere(database: Database) -> Node:
    """Messages whose first term does not begin with the number of their chat."""
    first = "e.terms[1]" if database.is_postgres else "nullif(e.c0, '')"
    number = (
        "CAST(split_part(<first>, '_', 1) AS bigint)" if database.is_postgres else "CAST(<first> AS integer)"
    )
    return written(
        "SELECT m.rowid FROM <messages> LEFT JOIN recall_chats h ON h.sender_id = c.sender_id"
        " AND h.channel = c.channel AND h.group_target = coalesce(c.group_target, '')"
        " WHERE <first> IS NOT NULL AND <done> AND (h.id IS NULL OR h.id <> <number>) ORDER BY m.rowid",
        messages=IS_INDEXED,
        done=IS_DONE,
        number=number,
        entries=_entries(database),
        first=first,
    )


def sample(database: Database) -> Node:
    """Some messages, at random, and the terms they are indexed by."""
    return written(
        "SELECT m.content, m.metadata_json, <terms> FROM <messages> WHERE <done>"
        " AND m.rowid IN (SELECT rowid FROM messages ORDER BY random() LIMIT {limit})",
        messages=IS_INDEXED,
        done=IS_DONE,
        entries=_entries(database),
        terms="e.terms" if database.is_postgres else "e.c0",
    )


def queue(_: Database) -> Node:
    return Q.insert({Q.id: Given("row")}).on_conflict_ignore()


def leave(database: Database) -> Node:
    """Takes an entry out, unless there is such a message by now."""
    row = "id" if database.is_postgres else "rowid"
    return written(
        "DELETE FROM recall WHERE <row> = {row} AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.rowid = {row})",
        row=row,
    )


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


def holding(_: Database, of_project: bool) -> Node:
    """For each of the searches the newest messages that it finds, in one JSON list: quicker than rows. SQLite only."""
    return written(
        "SELECT (SELECT json_group_array(found) FROM (SELECT rowid AS found FROM recall"
        " WHERE recall MATCH s.value <project> ORDER BY rowid DESC LIMIT {limit}))"
        " FROM json_each({searches}) AS s ORDER BY s.key",
        project="AND " + OF_PROJECT.replace("<row>", "recall.rowid") if of_project else "",
    )


def held(_: Database, of_project: bool) -> Node:
    """For each of the terms how many messages hold it, and the newest; a server's, which reads them all to count.

    It must not walk everybody's for that order.
    """
    return written(
        "SELECT t.term, f.count, f.newest FROM unnest({terms}::text[]) AS t(term) CROSS JOIN LATERAL"
        " (WITH found AS MATERIALIZED (SELECT id FROM recall WHERE terms && ARRAY[t.term])"
        " SELECT (SELECT count(*) FROM found) AS count, (SELECT json_agg(n.id) FROM"
        " (SELECT id FROM found <project> ORDER BY id DESC LIMIT {limit}) AS n) AS newest) AS f"
        " WHERE f.count > 0",
        project="WHERE " + OF_PROJECT.replace("<row>", "found.id") if of_project else "",
    )


def spread(_: Database) -> Node:
    """How many messages hold each of the terms, where any does; SQLite only."""
    return written("SELECT term, doc FROM recall_terms WHERE term IN (SELECT value FROM json_each({terms}))")


def present(database: Database) -> Node:
    """Those of the terms that any message holds."""
    if database.is_postgres:
        return written(
            "SELECT t.term FROM unnest({terms}::text[]) AS t(term)"
            " WHERE EXISTS (SELECT 1 FROM recall WHERE recall.terms && ARRAY[t.term])"
        )
    return written(
        "SELECT t.value FROM json_each({terms}) AS t"
        " WHERE EXISTS (SELECT 1 FROM recall WHERE recall MATCH '\"' || t.value || '\"')"
    )


def alike(_: Database) -> Node:
    """Terms between two; SQLite only."""
    return written("SELECT term FROM recall_terms WHERE term > {least} AND term < {beyond} LIMIT {limit}")


def of_conversation(_: Database) -> Node:
    return written(
        "SELECT rowid FROM messages WHERE conversation_id = {conversation_id}"
        " ORDER BY timestamp DESC, rowid DESC LIMIT {limit}"
    )


def said_between(_: Database, filters: tuple[str, ...]) -> Node:
    """A sender's messages of that time, the first first."""
    found = M.select(SQL("t1.rowid")).join(C).where(C.sender_id == Given("sender_id"))
    for name in filters:
        found = found.where(getattr(C, name) == Given(name))
    span = (M.timestamp >= Given("since")) & (M.timestamp < Given("until"))
    lasted = C.last_activity >= Given("since")
    return found.where(span, lasted).order_by(M.timestamp, SQL("t1.rowid")).limit(Given("limit"))


BESIDE = (
    "SELECT <columns> FROM messages p WHERE p.conversation_id = m.conversation_id"
    " AND (p.timestamp, p.rowid) <side> (m.timestamp, m.rowid)"
    " ORDER BY p.timestamp <order>, p.rowid <order> LIMIT {reach}"
)
BEFORE = BESIDE.replace("<side>", "<=").replace("<order>", "DESC")
AFTER = BESIDE.replace("<side>", ">").replace("<order>", "ASC")


LINE = (
    f"n.rowid, n.conversation_id, n.role, substr(n.content, 1, {LONGEST}), n.timestamp, n.metadata_json"
    " FROM <from> WHERE c.sender_id = {sender_id} <group>"
)
OF_GROUP = "AND c.group_target = {group}"


def around(database: Database, grouped: bool) -> Node:
    """Each of the rows with the lines before and after it in its conversation.

    Of the sender, and the group, whatever the index may say. Cross joins keep SQLite to that order.
    """
    if database.is_postgres:
        source = (
            "unnest({rows}::bigint[]) AS s(value) JOIN messages m ON m.rowid = s.value"
            " JOIN conversations c ON c.id = m.conversation_id"
            " CROSS JOIN LATERAL ((<before>) UNION ALL (<after>)) AS n"
        )
    else:
        source = (
            "json_each({rows}) AS s CROSS JOIN messages m ON m.rowid = s.value"
            " CROSS JOIN conversations c ON c.id = m.conversation_id CROSS JOIN messages n ON n.rowid IN"
            " (SELECT rowid FROM (<before>) UNION ALL SELECT rowid FROM (<after>))"
        )
    pieces = {"from": source, "before": BEFORE, "after": AFTER, "group": OF_GROUP if grouped else ""}
    columns = "p.*" if database.is_postgres else "p.rowid"
    return written("SELECT m.rowid, " + LINE, **pieces, columns=columns)


def _among(database: Database) -> str:
    return "= ANY({rows})" if database.is_postgres else "IN (SELECT value FROM json_each({rows}))"


def lines(database: Database, grouped: bool) -> Node:
    """Of the sender, and the group."""
    source = "messages n CROSS JOIN conversations c"
    own = " AND n.rowid <among> AND c.id = n.conversation_id"
    group = OF_GROUP if grouped else ""
    return written("SELECT " + LINE + own, **{"from": source, "group": group, "among": _among(database)})


def texts(database: Database) -> Node:
    return written("SELECT rowid, content FROM messages WHERE rowid <among>", among=_among(database))
