"""A PgBouncer before a server of the tests' own."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from fault_channels import eventually
from postgres_server import Server

CONFIGURATION = """
[databases]
* = host={folder} port=5432
[pgbouncer]
listen_addr =
unix_socket_dir = {own}
listen_port = 5432
auth_type = trust
auth_file = {own}/users
logfile = {own}/pooler.log
pool_mode = {mode}
default_pool_size = 4
{more}
"""
HOW_TO_INSTALL = "no PgBouncer: on Debian and Ubuntu, apt-get install pgbouncer"


def find_pooler() -> str | None:
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def pooler(program: str, server: Server, url: str, mode: str, more: str = "") -> Iterator[str]:
    """The database's URL by way of it, for as long as the block lasts. It lends connections for a `mode`."""
    owner, own = server.owner, Path(tempfile.mkdtemp(prefix="pooler-", dir=server.folder))
    file, users = own / "pooler.ini", own / "users"
    file.write_text(CONFIGURATION.format(folder=server.folder, own=own, mode=mode, more=more))
    users.write_text('"omega" ""\n')
    for each in (own, file, users):
        if owner:
            os.chown(each, owner.pw_uid, owner.pw_gid)
    running = subprocess.Popen(
        (program, "--quiet", str(file)),
        user=owner.pw_uid if owner else None,
        group=owner.pw_gid if owner else None,
        extra_groups=[] if owner else None,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually((own / ".s.PGSQL.5432").exists)
        yield url.replace(quote(str(server.folder), safe=""), quote(str(own), safe=""))
    finally:
        running.terminate()
        running.wait(30)
