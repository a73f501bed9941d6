//! An order's detailed history as rows of a table.

use serde_json::Value;

use super::table::line;

/// When the timeline shows the day beside the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Days {
    /// For a history of any day.
    Always,
    /// For a history of the last seconds: only if it passes midnight.
    IfSeveral,
}

/// A history as rows: the time (UTC), the event, and its result.
pub(super) fn timeline(history: &Value, days: Days) -> Vec<Vec<String>> {
    let text = |value: &Value| line(value.as_str().unwrap_or_default());
    let day = |entry: &Value| text(&entry["timestamp"]).get(..10).unwrap_or_default().to_owned();
    let entries = history.as_array().map(Vec::as_slice).unwrap_or_default();
    let with_day = days == Days::Always || entries.iter().any(|entry| day(entry) != day(&entries[0]));
    let mut rows = Vec::new();
    for entry in entries {
        let time = text(&entry["timestamp"]).get(11..23).unwrap_or_default().to_owned();
        let clock = if with_day { format!("{} {time}", day(entry)) } else { time };
        let row = match (entry["etat"].as_str(), entry["evenement"].as_str()) {
            (Some(etat), _) => vec![clock, line(etat)],
            (None, Some(evenement)) => {
                let told = ["etape", "motif", "constat", "par", "raison"].map(|name| text(&entry[name]));
                let told: Vec<String> = told.into_iter().filter(|told| !told.is_empty()).collect();
                let none = String::new;
                vec![clock, format!("  * {}", line(evenement)), none(), none(), none(), told.join(", ")]
            }
            (None, None) => vec![
                clock,
                format!("  {} {}", text(&entry["etape"]), text(&entry["direction"])),
                format!("#{} {}", entry["tentative"], text(&entry["resultat"])),
                entry["statut_http"].as_u64().map(|status| status.to_string()).unwrap_or_default(),
                entry["duree_ms"].as_f64().map(|ms| format!("{ms:.1} ms")).unwrap_or_default(),
                text(&entry["raison"]),
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
        timeline(&Value::Array(history), days).into_iter().map(|row| row[0].clone()).collect()
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
