"""Insurances: a policy for a trip costs 5 % of its value."""

from fastapi import APIRouter
from pydantic import BaseModel

from store import Key, book, once, undo

router = APIRouter(prefix="/insurances")


class Trip(BaseModel):
    customer: int
    value: float


@router.post("")
def insure(trip: Trip, key: Key):
    def work():
        price = round(trip.value * 0.05, 2)
        return 201, {"id": book("insurance", trip.customer, price), "price": price}

    return once(key, work)


@router.delete("/{id}")
def cancel_insurance(id: int, key: Key):
    return undo(key, "insurance", id)
