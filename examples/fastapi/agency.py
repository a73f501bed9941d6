"""A travel agency: takes its customers' wishes, and starts a saga for each. It knows nothing of flights and hotels.

With OpenTelemetry's agent in front (`opentelemetry-instrument uvicorn agency:app`), a trip is one trace: from the customer's request
through the orchestrator to each service. See docs/traces.md.
"""

import json
import os
import urllib.request

from fastapi import FastAPI
from pydantic import BaseModel

ORCHESTRATEUR = os.environ.get("ORCHESTRATEUR_URL", "http://127.0.0.1:8023")
app = FastAPI(title="Agency")


class Trip(BaseModel):
    customer: int
    city: str
    nights: int
    insured: bool = False


@app.post("/trips", status_code=202)
def wish(trip: Trip):
    headers = {"Content-Type": "application/json", "Prefer": "respond-async"}
    request = urllib.request.Request(f"{ORCHESTRATEUR}/api/sagas/travel", trip.model_dump_json().encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)
