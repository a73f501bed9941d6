"""Flights: a booking, and its ticket."""

from typing import Annotated

from fastapi import APIRouter, Header
from pydantic import BaseModel

from store import Key, Refused, book, change, find, once, undo

router = APIRouter(prefix="/flights")
PRICES = {"Lisbon": 220, "Oslo": 310, "Tokyo": 1150}


class Flight(BaseModel):
    customer: int
    city: str


@router.post("")
def book_flight(flight: Flight, key: Key):
    def work():
        if flight.city not in PRICES:
            raise Refused(409, f"no flight goes to {flight.city}")
        price = PRICES[flight.city]
        id = book("flight", flight.customer, price)
        return 201, {"id": id, "price": price}, {"ETag": '"1"'}

    return once(key, work)


@router.delete("/{id}")
def cancel_flight(id: int, key: Key):
    return undo(key, "flight", id)


@router.put("/{id}/ticket")
def issue_ticket(id: int, key: Key, if_match: Annotated[str, Header()]):
    def work():
        flight = find("flight", id)
        if if_match != f'"{flight["version"]}"':
            raise Refused(412, "the booking has changed since")
        change("flight", id, "ticketed")
        return 200, {"ticket": f"T-{id}"}

    return once(key, work)


@router.delete("/{id}/ticket")
def void_ticket(id: int, key: Key):
    return undo(key, "flight", id, state="booked")
