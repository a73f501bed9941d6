"""One SQLite file: what the services did, and their answer to each Idempotency-Key.

An effect and the answer to its key are written in one transaction. So a call that comes twice has one effect, and gets the
same answer, also after a restart. That is the promise `safety: idempotent` in the saga's definition.
"""

import json
import os
import sqlite3
import threading
from collections.abc import Callable
from typing import Annotated

from fastapi import Header
from fastapi.responses import JSONResponse, Response

Key = Annotated[str, Header(alias="Idempotency-Key", min_length=1, max_length=255)]

db = sqlite3.connect(os.environ.get("TRAVEL_DB", "travel.db"), check_same_thread=False)
db.row_factory = sqlite3.Row
db.executescript(
    """
    create table if not exists answer (key text primary key, status integer, body text, headers text);
    create table if not exists booking (
        id integer primary key, kind text, customer integer, price real, version integer default 1, state text);
    """
)
one_at_a_time = threading.Lock()


class Refused(Exception):
    """The call has no effect, and another attempt will not help."""

    def __init__(self, status: int, detail: str):
        self.status, self.detail = status, detail


def answer(status: int, body: object = None, headers: dict[str, str] | None = None) -> Response:
    return Response(status_code=status) if body is None else JSONResponse(body, status, headers)


def once(key: str, work: Callable[[], tuple]) -> Response:
    """Does `work`, which returns a status, a body and headers, unless the key was answered before."""
    with one_at_a_time, db:  # `with db` commits at the end, or rolls back
        known = db.execute("select status, body, headers from answer where key = ?", [key]).fetchone()
        if known:
            return answer(known["status"], json.loads(known["body"]), json.loads(known["headers"]))
        try:
            status, body, headers = (*work(), None, None)[:3]
        except Refused as refused:
            status, body, headers = refused.status, {"detail": refused.detail}, None
        db.execute("insert into answer values (?, ?, ?, ?)", [key, status, json.dumps(body), json.dumps(headers)])
        return answer(status, body, headers)


def book(kind: str, customer: int, price: float, state: str = "booked") -> int:
    sql = "insert into booking (kind, customer, price, state) values (?, ?, ?, ?)"
    return db.execute(sql, [kind, customer, price, state]).lastrowid


def find(kind: str, id: int) -> sqlite3.Row:
    row = db.execute("select * from booking where kind = ? and id = ?", [kind, id]).fetchone()
    if row is None:
        raise Refused(404, f"there is no {kind} {id}")
    return row


def change(kind: str, id: int, state: str) -> None:
    find(kind, id)
    db.execute("update booking set state = ?, version = version + 1 where id = ?", [state, id])


def undo(key: str, kind: str, id: int, state: str = "cancelled") -> Response:
    """The compensation of `book`: 204, or 404 if there is nothing to undo."""

    def work():
        change(kind, id, state)
        return (204,)

    return once(key, work)
