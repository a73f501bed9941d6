//! A detailed history as rows of a table.

use serde_json::Value;

use super::table::{line, text};

/// When the timeline shows the day beside the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Days {
    /// For a history of any day.
    Always,
    /// For a history of the last seconds: only if it passes midnight.
    IfSeveral,
}

/// The names that a face gives to the members of a history's lines.
pub(super) struct Names {
    at: &'static str,
    state: &'static str,
    event: &'static str,
    step: &'static str,
    direction: &'static str,
    attempt: &'static str,
    outcome: &'static str,
    status: &'static str,
    duration: &'static str,
    reason: &'static str,
    /// The members that are told of an event that is no attempt.
    told: &'static [&'static str],
}

/// The names of the checkout's face.
pub(super) const COMMANDE: Names = Names {
    at: "timestamp",
    state: "etat",
    event: "evenement",
    step: "etape",
    direction: "direction",
    attempt: "tentative",
    outcome: "resultat",
    status: "statut_http",
    duration: "duree_ms",
    reason: "raison",
    told: &["etape", "motif", "constat", "par", "raison"],
};

/// The names of the face for any saga.
pub(super) const SAGA: Names = Names {
    at: "at",
    state: "state",
    event: "event",
    step: "step",
    direction: "direction",
    attempt: "attempt",
    outcome: "outcome",
    status: "status",
    duration: "duration_ms",
    reason: "reason",
    told: &["step", "signal", "outcome", "until", "stuck", "finding", "by", "reason"],
};

/// A history as rows: the time (UTC), the event, and its result.
pub(super) fn timeline(history: &Value, names: &Names, days: Days) -> Vec<Vec<String>> {
    let at = |entry: &Value| text(&entry[names.at]);
    let day = |entry: &Value| at(entry).get(..10).unwrap_or_default().to_owned();
    let entries = history.as_array().map(Vec::as_slice).unwrap_or_default();
    let with_day = days == Days::Always || entries.iter().any(|entry| day(entry) != day(&entries[0]));
    let mut rows = Vec::new();
    for entry in entries {
        let time = at(entry).get(11..23).unwrap_or_default().to_owned();
        let clock = if with_day { format!("{} {time}", day(entry)) } else { time };
        let is_attempt = !entry[names.attempt].is_null();
        let row = match (entry[names.state].as_str(), entry[names.event].as_str()) {
            (Some(state), _) => vec![clock, line(state)],
            (None, Some(event)) if !is_attempt => {
                let told = names.told.iter().map(|name| text(&entry[*name]));
                let told: Vec<String> = told.filter(|told| !told.is_empty()).collect();
                let none = String::new;
                vec![clock, format!("  * {}", line(event)), none(), none(), none(), told.join(", ")]
            }
            (None, _) => vec![
                clock,
                format!("  {} {}", text(&entry[names.step]), text(&entry[names.direction])),
                format!("#{} {}", entry[names.attempt], text(&entry[names.outcome])),
                entry[names.status].as_u64().map(|status| status.to_string()).unwrap_or_default(),
                entry[names.duration].as_f64().map(|ms| format!("{ms:.1} ms")).unwrap_or_default(),
                text(&entry[names.reason]),
            ],
        };
        rows.push(row);
    }
    rows
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn times(stamps: &[&str], days: Days) -> Vec<String> {
        let history = stamps.iter().map(|at| json!({ "etat": "X", "timestamp": at })).collect();
        timeline(&Value::Array(history), &COMMANDE, days).into_iter().map(|row| row[0].clone()).collect()
    }

    #[test]
    fn the_day_is_shown_where_it_matters() {
        let (evening, night) = ("2026-11-20T23:59:59.999000Z", "2026-11-21T00:00:00.001000Z");
        assert_eq!(times(&[evening, evening], Days::IfSeveral), ["23:59:59.999", "23:59:59.999"]);
        for days in [Days::IfSeveral, Days::Always] {
            assert_eq!(
                times(&[evening, night], days),
                ["2026-11-20 23:59:59.999", "2026-11-21 00:00:00.001"]
            );
        }
        assert_eq!(times(&[night], Days::Always), ["2026-11-21 00:00:00.001"]);
        assert_eq!(times(&[], Days::Always), [""; 0]);
        assert_eq!(times(&["?"], Days::Always), [" "]);
    }
}
