"""`plantops backup check`: whether a restored plant is whole, by looking at its databases themselves (OPS-47).

Schema revisions, every page and index by `pg_amcheck`, balances against the ledger, and the tables that only
grow against what they held when the backup began. It reads, save that `pg_amcheck` may add its extension.
"""

import json
import subprocess
from pathlib import Path

from cli import backup
from cli.check import ledgers
from cli.engines import EngineFailed, account, archive
from cli.engines.postgres import programs
from cli.home import SERVICES, Home
from cli.session import Session
from services.chassis import migrate


async def check(home: Home, session: Session) -> int:
    """Print what was compared and every difference; 0 when there is none."""
    url = home.addresses().postgres_url
    findings: list[str] = []
    for service in SERVICES:
        findings += _revision(url, service)
    findings += _amcheck(url)
    findings += _rows(url, home.folder / backup.RESTORED)
    findings += await ledgers(session)
    for finding in findings:
        print(f"difference: {finding}")
    print("no difference" if not findings else f"{len(findings)} differences")
    return 1 if findings else 0


def _revision(url: str, service: str) -> list[str]:
    with archive.connected(backup.in_database(url, service)) as connection:
        row = connection.execute("select version_num from alembic_version").fetchone()
    found, wanted = str(row[0]) if row else "none", migrate.required_revision(service)
    print(f"{service}: schema revision {found}")
    return [] if found == wanted else [f"{service} has the schema revision {found}, this release needs {wanted}"]


def _amcheck(url: str) -> list[str]:
    """Findings of `pg_amcheck`; none when the program is not there or the role may not, which is said."""
    try:
        program = programs(account.Account(None, None)) / "pg_amcheck"
    except EngineFailed:
        print("pg_amcheck: not installed, skipped")
        return []
    options, environment = archive.client(url)
    command = [str(program), "--install-missing", "--heapallindexed", *options]
    for service in SERVICES:
        command += ["-d", service]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd="/", check=False)
    if done.returncode == 0:
        print("pg_amcheck: no page and no index is damaged")
        return []
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    if done.returncode == 2:
        return [f"pg_amcheck: {line}" for line in lines[:20]]
    print(f"pg_amcheck: could not run, skipped: {' | '.join(lines[:2])}")
    return []


def _rows(url: str, note: Path) -> list[str]:
    if not note.exists():
        print("rows: this plant was not restored from a backup, nothing to compare")
        return []
    base, now = json.loads(note.read_text()), backup.rows_of(url)
    findings: list[str] = []
    for service, tables in base["rows"].items():
        for table, had in tables.items():
            has = now[service][table]
            print(f"{service}: {has} rows in {table}, {had} when the backup {base['base']} began")
            if has < had:
                findings.append(f"{service}: {table} has {has} rows, {had} were backed up")
    return findings
