//! Sagas as text for a terminal.

use std::fmt::Write;

use serde_json::Value;

use crate::cli::table::{indented, line, pair, reason, second, short_hash, table, text, tries};
use crate::cli::timeline::{Days, SAGA, timeline};

/// A list of sagas, one line each, and the pending calls of the blocked ones.
pub(super) fn list(rows: &Value) -> String {
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        return "There are no such sagas.\n".to_owned();
    }
    let names = ["id", "saga", "state", "rollback", "labels", "created_at", "waiting", "step", "reason"];
    let mut lines = vec![names.map(str::to_owned).to_vec()];
    for row in rows {
        lines.push(vec![
            id(row),
            text(&row["saga"]),
            text(&row["state"]),
            text(&row["rollback"]),
            labels(&row["labels"]),
            second(&row["created_at"]),
            waiting(row).map(|(step, cause, _)| format!("{step}: {cause}")).collect::<Vec<_>>().join(", "),
            text(&row["failure"]["step"]),
            reason(&row["failure"]["reason"]),
        ]);
    }
    let mut shown = table(&lines);
    for row in rows.iter().filter(|row| row["blocked"].is_object()) {
        let _ = write!(shown, "\n{} waits for a person\n{}", id(row), indented(&call(&row["blocked"])));
    }
    shown
}

/// One saga, and the commands that apply if it needs a person; `server` is the flag that names the server, if one is needed.
pub(super) fn saga(saga: &Value, server: &str) -> String {
    let definition = format!("{} ({})", text(&saga["saga"]), short_hash(&saga["definition_hash"]));
    let mut rows = vec![
        pair("saga", &id(saga)),
        pair("definition", &definition),
        pair("state", &format!("{}, rollback {}", text(&saga["state"]), text(&saga["rollback"]))),
        pair("labels", &labels(&saga["labels"])),
    ];
    for name in ["input", "output"] {
        // A saga that cannot be read has none, and one that is not over has no output.
        if let Some(json) = saga.get(name).filter(|json| !json.is_null()) {
            rows.push(pair(name, &line(&json.to_string())));
        }
    }
    rows.push(pair("created_at", &text(&saga["created_at"])));
    rows.push(pair("updated_at", &text(&saga["updated_at"])));
    for (step, cause, until) in waiting(saga) {
        let until = until.map(|until| format!(" until {until}")).unwrap_or_default();
        rows.push(pair("waiting", &format!("{step}: {cause}{until}")));
    }
    if saga["failure"].is_object() {
        let failure = &saga["failure"];
        rows.push(pair("failure", &format!("{}: {}", text(&failure["step"]), text(&failure["reason"]))));
    }
    let mut shown = table(&rows);
    if saga["blocked"].is_object() {
        let blocked = &saga["blocked"];
        let _ = write!(
            shown,
            "\nA person is needed, since {}\n{}\n{}",
            text(&blocked["since"]),
            indented(&call(blocked)),
            indented(&advice(&id(saga), blocked, server))
        );
    }
    shown
}

/// The events of a saga, in order.
pub(super) fn history(history: &Value) -> String {
    format!("\nhistory (UTC)\n{}", indented(&table(&timeline(history, &SAGA, Days::Always))))
}

/// A saga's id.
pub(super) fn id(saga: &Value) -> String {
    text(&saga["id"])
}

fn labels(labels: &Value) -> String {
    let cell = |(name, value): (&String, &Value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        line(&format!("{name}={value}"))
    };
    labels.as_object().into_iter().flatten().map(cell).collect::<Vec<_>>().join(" ")
}

/// The steps in progress: the name, what the step waits for, and until when.
fn waiting(saga: &Value) -> impl Iterator<Item = (String, String, Option<String>)> {
    saga["waiting"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|waiting| (text(&waiting["step"]), text(&waiting["for"]), waiting["until"].as_str().map(line)))
}

/// The pending call of a blocked saga.
fn call(blocked: &Value) -> String {
    let mut rows = Vec::new();
    let step = blocked["step"].as_str().map(|step| format!(" at {}", line(step))).unwrap_or_default();
    let stuck = blocked["stuck"].as_str().map_or_else(|| "unreadable".to_owned(), line);
    rows.push(pair("stuck", &format!("{stuck}{step}")));
    rows.push(pair("reason", &text(&blocked["reason"])));
    let call = &blocked["call"];
    if call.is_object() {
        let called = format!("{} of {}", text(&call["direction"]), text(&call["participant"]));
        let tries = tries(blocked["attempts"].as_u64(), false);
        rows.push(pair("call", &format!("{called}, {tries}")));
        rows.push(pair("", &format!("{} {}", text(&call["method"]), text(&call["url"]))));
        match (&call["body"], &call["body_bytes"]) {
            (Value::Null, bytes) if bytes.is_u64() => {
                rows.push(pair("", &format!("a body of {bytes} bytes")))
            }
            (Value::Null, _) => {}
            (body, _) => rows.push(pair("", &line(&body.to_string()))),
        }
        rows.push(pair("", &format!("Idempotency-Key: \"{}\"", text(&call["idempotency_key"]))));
    }
    if let Some(at) = blocked["next_at"].as_str() {
        rows.push(pair("next", &format!("by itself at {}", line(at))));
    }
    table(&rows)
}

/// The commands that apply to a blocked saga.
fn advice(id: &str, blocked: &Value, server: &str) -> String {
    let can_be_tried = !matches!(blocked["stuck"].as_str(), Some("action_unknown" | "compensation_unknown"));
    let mut shown = String::from("What can be done (docs/blocked-orders.md):\n");
    if can_be_tried {
        let _ = writeln!(shown, "  try it now:\n    orchestrateur sagas resume {id}{server} --by YOU");
    }
    let step = text(&blocked["step"]);
    let needs_output = blocked["needs_output"] == true;
    for finding in blocked["findings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let (says, output) = match finding {
            "ran" if needs_output => ("its effect is there, and is to be undone", " --output JSON"),
            "ran" => ("its effect is there, and is to be undone", ""),
            "not_run" => ("it had no effect", ""),
            _ => ("its effect is gone: undone by hand", ""),
        };
        let finding = line(finding);
        let _ = writeln!(
            shown,
            "  {step}: {says}:\n    orchestrateur sagas resolve {id}{server} --step {step} --finding {finding}{output} \
             --by YOU --reason HOW_YOU_KNOW"
        );
    }
    shown
}
