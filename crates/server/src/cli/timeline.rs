//! An order's detailed history as rows of a table.

use serde_json::Value;

use super::table::line;

/// A history as rows: when, what, and how it went.
pub(super) fn timeline(history: &Value) -> Vec<Vec<String>> {
    let text = |value: &Value| line(value.as_str().unwrap_or_default());
    let mut rows = Vec::new();
    for entry in history.as_array().into_iter().flatten() {
        let clock = text(&entry["timestamp"]).get(11..23).unwrap_or_default().to_owned();
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
