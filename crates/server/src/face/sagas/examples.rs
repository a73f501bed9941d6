//! Examples in the document. The answers' are held against their schemas by the tests.

use serde_json::{Value, json};

/// A saga's id.
pub(super) const ID: &str = "01939f2e-7c1b-7c3e-9a52-0d8a6b1f4e21";
/// [`ID`], where a function is wanted.
pub(super) fn id() -> &'static str {
    ID
}

/// A definition's hash.
const HASH: &str = "3f0d6a9c8e2b41d7a5f6c1e09b7d8234a1b2c3d4e5f60718293a4b5c6d7e8f90";

fn saga(state: &str, waiting: Value) -> Value {
    json!({
        "id": ID,
        "saga": "travel",
        "definition_hash": HASH,
        "state": state,
        "rollback": "none",
        "labels": { "customer": 7 },
        "failure": null,
        "blocked": null,
        "waiting": waiting,
        "created_at": "2026-11-22T10:15:30.123456Z",
        "updated_at": "2026-11-22T10:15:30.131207Z"
    })
}

fn whole(mut saga: Value, output: Value) -> Value {
    saga["input"] = json!({ "customer": 7, "amount": 1200 });
    saga["output"] = output;
    saga
}

/// A saga that has completed.
pub(super) fn completed() -> Value {
    whole(saga("COMPLETED", json!([])), json!({ "booking": "b-4711" }))
}

/// A saga that goes on.
pub(super) fn under_way() -> Value {
    let (since, until) = ("2026-11-22T10:15:30.131207Z", "2026-11-24T10:15:30.131207Z");
    let waiting = json!([{ "step": "approval", "for": "signal", "until": until, "since": since }]);
    whole(saga("BOOKED", waiting), Value::Null)
}

/// A list of sagas.
pub(super) fn list() -> Value {
    json!([saga("COMPLETED", json!([]))])
}

/// A history with its steps.
pub(super) fn history() -> Value {
    json!([
        { "at": "2026-11-22T10:15:30.123456Z", "state": "STARTED" },
        {
            "at": "2026-11-22T10:15:30.124012Z", "event": "attempt", "step": "flight", "direction": "action", "attempt": 1,
            "outcome": "ok", "status": 201, "duration_ms": 4.2
        },
        { "at": "2026-11-22T10:15:30.128212Z", "event": "waits", "step": "approval", "until": "2026-11-24T10:15:30.128212Z" }
    ])
}

/// A definition, and its source.
pub(super) fn definition(with_source: bool) -> Value {
    let mut definition = json!({
        "name": "travel",
        "hash": HASH,
        "input": {
            "type": "object",
            "properties": { "customer": { "type": "integer", "format": "int64" } },
            "required": ["customer"],
            "additionalProperties": false
        },
        "labels": ["customer"],
        "steps": [
            { "name": "flight", "kind": "call", "after": [], "participant": "airline", "compensated": true },
            { "name": "approval", "kind": "signal", "after": ["flight"], "participant": null, "compensated": false }
        ]
    });
    if with_source {
        definition["source"] = json!("saga: travel\n...");
    }
    definition
}
