"""What `scripts/schemathesis` knows beyond the document: rules that JSON Schema cannot say, for requests that are meant to
be valid. Requests that are meant to be spoilt stay as they are."""

import uuid

import schemathesis
from schemathesis.core.parameters import ParameterLocation

# The steps of the checkout. An order's steps are in its definition, not in the document.
STEPS = ["panier", "stock", "paiement", "vente"]


def as_written(value):
    """JSON Schema counts 7.0 among the integers; the API asks for one that is written without a fraction."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def is_valid(case, location):
    """Whether this part of the request is meant to be valid, or is not there."""
    component = case.meta.components.get(location) if case.meta else None
    return component is None or component.mode.is_positive


@schemathesis.hook
def before_call(context, case, kwargs):
    # A key that was used before with another body is refused with 422, as the document says.
    if (case.headers or {}).get("Idempotency-Key") and is_valid(case, ParameterLocation.HEADER):
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
    if isinstance(case.body, dict) and is_valid(case, ParameterLocation.BODY):
        case.body = {name: as_written(value) for name, value in case.body.items()}
        if case.operation.path.endswith("/resoudre") and case.body.get("etape") not in STEPS:
            case.body["etape"] = STEPS[len(str(case.body.get("etape"))) % len(STEPS)]
