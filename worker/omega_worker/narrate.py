"""Every log line of the worker, in one file: ids and numbers, never the text of a task or a secret."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from loguru import logger

from omega_jobs.backup import BackedUp
from omega_jobs.close_idle import Closing
from omega_jobs.deliver import Event
from omega_jobs.maintain import Maintained
from omega_models.presence import Unserved

LEVELS = {
    "claimed": "DEBUG",
    "released": "DEBUG",
    "delivered": "INFO",
    "retrying": "WARNING",
    "ambiguous, retrying": "WARNING",
    "ambiguous, held": "ERROR",
    "failed": "ERROR",
    "lease lost": "WARNING",
}


def delivery(event: Event) -> None:
    """One change of an occurrence's state."""
    logger.log(
        LEVELS.get(event.kind, "INFO"),
        "{}: task={} occurrence={} attempt={} channel={} late={:.1f}s{}",
        event.kind,
        event.task_id,
        event.occurrence_id,
        event.attempt,
        event.channel,
        event.late.total_seconds(),
        f" ({event.note})" if event.note else "",
    )


def started(worker_id: str, where: str, channels: list[str], due: int, next_due: datetime | None) -> None:
    logger.info(
        "started: worker={} database={} channels={} due={} next={}",
        worker_id,
        where,
        ",".join(channels) or "none",
        due,
        next_due.isoformat() if next_due else "none",
    )


def stopping(in_hand: int) -> None:
    logger.info("stopping: no new claims; {} being sent", in_hand)


def stopped(drained: bool, left: int) -> None:
    if drained:
        logger.info("stopped: everything in hand was settled")
    else:
        logger.warning(
            "stopped: {} still being sent; their leases lapse and another attempt is recorded then", left
        )


def clock_set(seconds: float) -> None:
    logger.warning("the wall clock was set by {:+.0f} s: everything is looked at anew", seconds)


def file_replaced(where: str, carried: int, unknown: int) -> None:
    logger.error(
        "{} was replaced while in use: going on with the file that is there now; of what was being sent {} "
        "are on record in it and {} are not",
        where,
        carried,
        unknown,
    )


def thread_lost(what: str, error: BaseException) -> None:
    logger.opt(exception=error).error("{} has died and is started again: {}", what, type(error).__name__)


def no_thread(channel: str, error: BaseException) -> None:
    logger.error("channel {!r}: no thread can be started ({}); what is due waits", channel, error)


def no_descriptors(remedy: str) -> None:
    logger.error("nothing can be opened: {}", remedy)


def closed(closing: Closing) -> None:
    """One conversation that was idle; ids only."""
    if not closing.closed:
        logger.debug("kept open: conversation={} (a message arrived)", closing.conversation_id)
    elif closing.trouble:
        logger.warning(
            "closed: conversation={} with the built-in summary, because the summariser failed ({})",
            closing.conversation_id,
            closing.trouble,
        )
    else:
        logger.info("closed: conversation={}", closing.conversation_id)


def duty_failed(name: str, error: BaseException, wait: timedelta) -> None:
    logger.opt(exception=error).error(
        "{} failed and is tried again in {:.0f} s: {}", name, wait.total_seconds(), type(error).__name__
    )


def database_trouble(name: str, error: Exception, wait: timedelta) -> None:
    logger.error("{}: {} (tried again in {:.0f} s)", name, error, wait.total_seconds())


def unserved(found: Unserved) -> None:
    logger.error(
        "unserved: {} due {} task(s) wait for channel {!r}, which no live worker has; the oldest was due {}",
        found.count,
        found.task_type,
        found.channel,
        found.oldest.isoformat(),
    )


def served_again(channel: str, task_type: str) -> None:
    logger.info("served again: channel {!r} for {} tasks", channel, task_type)


def hard_of_hearing(why: str) -> None:
    logger.warning("other programs' tasks are looked for once a second: {}", why)


def hears_again() -> None:
    logger.info("the server tells of other programs' tasks again")


def clock_wrong(why: str) -> None:
    logger.critical("nothing is claimed: {}", why)


def clock_right_again() -> None:
    logger.info("this machine's clock agrees with the server's again; what is due is claimed")


def listener_failed(error: BaseException) -> None:
    logger.opt(exception=error).error("a listener failed: {}", type(error).__name__)


def health_served(address: str, *, has_metrics: bool) -> None:
    logger.info("health: {}/livez, /readyz and /metrics", address)
    if not has_metrics:
        logger.warning("/metrics answers 501: it needs `pip install 'omega-worker[metrics]'`")


def reloaded(changed: list[str], waiting: list[str]) -> None:
    """`waiting`: what was changed too, and holds only after a restart."""
    logger.info("settings read again: {}", f"now in force: {', '.join(changed)}" if changed else "as before")
    if waiting:
        logger.warning("a restart is needed for {}; until then the old ones hold", ", ".join(waiting))


def not_reloaded(lines: Iterable[str]) -> None:
    for line in lines:
        logger.error("settings not read again, the old ones hold: {}", line)


def maintained(done: Maintained) -> None:
    deleted = (done.ledger, done.audit, done.conversations, done.outcomes, done.workers, done.leases)
    logger.log(
        "INFO" if any(deleted) else "DEBUG",
        "maintained: deleted ledger={} audit={} conversations={} outcomes={} workers={} leases={} wal={}",
        *deleted,
        "emptied" if done.log_emptied else "still read",
    )
    if done.erased is not None:
        logger.info(
            "erased what was forgotten: {}", "done" if done.erased else "the file is in use, tried again"
        )


def backed_up(done: BackedUp) -> None:
    logger.info(
        "backed up: file={} bytes={} rows={} deleted={}",
        done.made.file,
        done.made.size,
        sum(done.made.rows.values()),
        len(done.removed),
    )


def not_backed_up(error: Exception, wait: timedelta) -> None:
    logger.error("{} (tried again in {:.0f} min)", error, wait.total_seconds() / 60)
