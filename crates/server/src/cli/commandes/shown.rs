//! Orders as text for a terminal.

use std::fmt::Write;

use serde_json::Value;

use crate::cli::table::{indented, line, pair, reason, second, table, text, tries};
use crate::cli::timeline::{COMMANDE, Days, timeline};

/// A page of orders, one line each, and the pending calls of the blocked ones.
pub(super) fn list(rows: &Value) -> String {
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        return "There are no such orders.\n".to_owned();
    }
    let mut lines = vec![
        ["id", "etat", "rollback", "client", "magasin", "cree_le", "etape", "raison"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for row in rows {
        lines.push(vec![
            text(&row["id"]),
            text(&row["etat_actuel"]),
            text(&row["rollback"]),
            row["client_id"].to_string(),
            row["magasin_id"].to_string(),
            second(&row["cree_le"]),
            text(&row["echec"]["etape"]),
            reason(&row["echec"]["raison"]),
        ]);
    }
    let mut shown = table(&lines);
    for row in rows.iter().filter(|row| row["blocage"].is_object()) {
        let blocage = &row["blocage"];
        let _ = write!(shown, "\n{} waits for an operator\n{}", text(&row["id"]), indented(&call(blocage)));
    }
    shown
}

/// One order, and the commands that apply if it needs an operator; `server` is the flag that names the server, if one
/// is needed.
pub(super) fn commande(commande: &Value, server: &str) -> String {
    let id = text(&commande["id"]);
    let mut rows = vec![
        pair("commande", &id),
        pair(
            "etat",
            &format!("{}, rollback {}", text(&commande["etat_actuel"]), text(&commande["rollback"])),
        ),
        pair("for", &format!("client {}, magasin {}", commande["client_id"], commande["magasin_id"])),
        pair("cree_le", &text(&commande["cree_le"])),
        pair("modifie_le", &text(&commande["modifie_le"])),
        pair("definition", &text(&commande["definition"]["nom"])),
    ];
    if commande["echec"].is_object() {
        let echec = &commande["echec"];
        let step = echec["etape"].as_str().map(|step| format!("{}: ", line(step))).unwrap_or_default();
        rows.push(pair("echec", &format!("{step}{}", text(&echec["raison"]))));
    }
    let mut shown = table(&rows);
    if commande["blocage"].is_object() {
        let blocage = &commande["blocage"];
        let _ = write!(
            shown,
            "\nAn operator is needed, since {}\n{}\n{}",
            text(&blocage["depuis"]),
            indented(&call(blocage)),
            indented(&advice(&id, blocage, server))
        );
    }
    let older = commande["interventions_omises"].as_u64().unwrap_or(0);
    let interventions = commande["interventions"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !interventions.is_empty() {
        let rows: Vec<Vec<String>> = interventions
            .iter()
            .map(|it| {
                ["timestamp", "quoi", "etape", "constat", "par", "raison"]
                    .map(|name| text(&it[name]))
                    .to_vec()
            })
            .collect();
        let older = if older > 0 { format!(" (and {older} before these)") } else { String::new() };
        let _ = write!(shown, "\ninterventions{older}\n{}", indented(&table(&rows)));
    }
    shown
}

/// The events of an order, in order.
pub(super) fn historique(history: &Value) -> String {
    format!("\nhistory (UTC)\n{}", indented(&table(&timeline(history, &COMMANDE, Days::Always))))
}

/// The pending call of a blocked order, or the reason why there is none.
fn call(blocage: &Value) -> String {
    let mut rows = Vec::new();
    let step = blocage["etape"].as_str().map(|step| format!(" at {}", line(step))).unwrap_or_default();
    rows.push(pair("motif", &format!("{}{step}", text(&blocage["motif"]))));
    rows.push(pair("raison", &text(&blocage["raison"])));
    let appel = &blocage["appel"];
    if appel.is_object() {
        let called = format!("{} of {}", text(&appel["direction"]), text(&appel["participant"]));
        let tries = tries(blocage["tentatives"].as_u64(), blocage["en_cours"] == true);
        rows.push(pair("appel", &format!("{called}, {tries}")));
        rows.push(pair("", &format!("{} {}", text(&appel["methode"]), text(&appel["url"]))));
        let bytes = &appel["corps_octets"];
        match (&appel["corps"], appel["corps_coupe"].as_str()) {
            (Value::Null, Some(begin)) => {
                rows.push(pair("", &format!("{}… (cut: the body has {bytes} bytes)", line(begin))));
            }
            (Value::Null, None) if bytes.is_u64() => rows.push(pair("", &format!("a body of {bytes} bytes"))),
            (Value::Null, None) => {}
            (body, _) => rows.push(pair("", &line(&body.to_string()))),
        }
        rows.push(pair("", &format!("Idempotency-Key: \"{}\"", text(&appel["cle_idempotence"]))));
    } else {
        rows.push(pair("appel", &text(&blocage["appel_absent"])));
    }
    if let Some(at) = blocage["prochaine_tentative"].as_str() {
        rows.push(pair("next", &format!("by itself at {}", line(at))));
    }
    table(&rows)
}

/// The commands that apply to a blocked order.
fn advice(id: &str, blocage: &Value, server: &str) -> String {
    let can_be_tried = !matches!(blocage["motif"].as_str(), Some("action_unknown" | "compensation_unknown"));
    let mut shown = String::from("What can be done (docs/blocked-orders.md):\n");
    if can_be_tried {
        let _ =
            writeln!(shown, "  try it now:\n    orchestrateur commandes reprendre {id}{server} --par YOU");
    }
    let step = text(&blocage["etape"]);
    let needs_output = blocage["sortie_requise"] == true;
    for constat in blocage["constats_possibles"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let (says, sortie) = match constat {
            "EXECUTEE" if needs_output => ("its effect is there, and is to be undone", " --sortie JSON"),
            "EXECUTEE" => ("its effect is there, and is to be undone", ""),
            "NON_EXECUTEE" => ("it had no effect", ""),
            _ => ("its effect is gone: undone by hand", ""),
        };
        let _ = writeln!(
            shown,
            "  {step}: {says}:\n    orchestrateur commandes resoudre {id}{server} --etape {step} --constat {constat}{sortie} \
             --par YOU --raison HOW_YOU_KNOW"
        );
    }
    shown
}
