"""The four services of a trip, in one process. `GET /ledger` shows what they did."""

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

import flights
import hotels
import insurances
import payments
import signed
from store import Refused, db, one_at_a_time

app = FastAPI(title="Travel")
signed.from_environment(app, but=("/ledger",))
for service in (flights, hotels, insurances, payments):
    app.include_router(service.router)


@app.exception_handler(Refused)
def refused(_: Request, refusal: Refused):
    return JSONResponse({"detail": refusal.detail}, refusal.status)


@app.get("/ledger")
def ledger():
    with one_at_a_time:
        return [dict(row) for row in db.execute("select * from booking order by id")]
