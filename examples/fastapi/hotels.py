"""Hotels: a booking for some nights."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from store import Key, Refused, book, once, undo

router = APIRouter(prefix="/hotels")
NIGHT = 90
NIGHTS_MAX = 30


class Stay(BaseModel):
    customer: int
    city: str
    nights: int = Field(ge=1)


@router.post("")
def book_hotel(stay: Stay, key: Key):
    def work():
        if stay.nights > NIGHTS_MAX:
            raise Refused(409, f"no room is free for {stay.nights} nights")
        price = NIGHT * stay.nights
        return 201, {"id": book("hotel", stay.customer, price), "price": price}

    return once(key, work)


@router.delete("/{id}")
def cancel_hotel(id: int, key: Key):
    return undo(key, "hotel", id)
