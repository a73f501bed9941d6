"""Payments: a form is accepted at once (202), and paid a little later. The bank declines what is above 4000."""

import time
from typing import Annotated

from fastapi import APIRouter, Form

from store import Key, book, db, find, once, one_at_a_time, undo

router = APIRouter(prefix="/payments")
AMOUNT_MAX = 4000
SECONDS = 0.3
accepted_at: dict[int, float] = {}


@router.post("")
def pay(customer: Annotated[int, Form()], amount: Annotated[float, Form()], key: Key):
    def work():
        id = book("payment", customer, amount, "pending")
        accepted_at[id] = time.monotonic()
        return 202, {"id": id, "state": "pending"}, {"Location": f"/payments/{id}"}

    return once(key, work)


@router.get("/{id}")
def payment(id: int):
    with one_at_a_time, db:
        row = find("payment", id)
        state = row["state"]
        if state == "pending" and time.monotonic() - accepted_at.get(id, 0) >= SECONDS:
            state = "paid" if row["price"] <= AMOUNT_MAX else "declined"
            db.execute("update booking set state = ? where id = ?", [state, id])
    return {"id": id, "state": state, "amount": row["price"]}


@router.delete("/{id}")
def refund(id: int, key: Key):
    return undo(key, "payment", id, state="refunded")
