//! Orders that wait for an operator: each kind, the report about it, and the way to its end. The shop's ledgers judge.
// Long: one story for each kind of blocked order, on one set of helpers.

use orchestrateur::definitions::CHECKOUT;
use saga_testkit::definition::change;
use serde_json::{Value, json};

use crate::harness::{Shop, World, until};
use crate::http::{Call, Reply};

/// So far away that nothing happens by itself while a test runs.
const NEVER: &str = "720h";

/// The built-in checkout with another promise of its client service, and one attempt of everything before an operator
/// is needed.
fn careful(client: &str) -> String {
    change(CHECKOUT)
        .set(
            "participants.client",
            &format!("{{ url: \"${{CLIENT_URL:-http://client-service:8000}}\", {client} }}"),
        )
        .add("steps.*.retry", "{ attempts: 1 }")
        .add("steps.*.persist", &format!("{{ attempts: 1, base: {NEVER}, cap: {NEVER} }}"))
        .text()
}

async fn open(definition: &str) -> World {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("careful.yaml");
    std::fs::write(&file, definition).unwrap();
    World::with(Shop::open().await, &["--definition", file.to_str().unwrap()]).await
}

fn reprendre(saga: &str, body: &Value) -> Call {
    Call::post(&format!("/api/commande/{saga}/reprendre")).json(body)
}

fn resoudre(saga: &str, body: &Value) -> Call {
    Call::post(&format!("/api/commande/{saga}/resoudre")).json(body)
}

fn found(etape: &str, constat: &str) -> Value {
    json!({ "etape": etape, "constat": constat, "raison": "vu dans ses livres", "par": "Ana" })
}

/// An order that must block, and what it waits for.
async fn block(world: &World, client: i64, etat: &str, etape: &str, motif: &str) -> (String, Value) {
    let body = world.send(&Call::checkout(client)).await.expect(200);
    assert_eq!((&body["etat_final"], &body["rollback"]), (&json!(etat), &json!("BLOQUE")), "{body}");
    let saga = body["saga_id"].as_str().unwrap().to_owned();
    let commande = world.commande(&saga).await;
    let blocage = commande["blocage"].clone();
    assert_eq!((&blocage["etape"], &blocage["motif"]), (&json!(etape), &json!(motif)), "{commande:#}");
    // Why there is no order stays, whatever is stuck while it is undone; the caller is told that, too.
    assert_eq!(body["echec"], commande["echec"], "{commande:#}");
    assert_ne!(blocage["raison"], commande["echec"]["raison"], "{commande:#}");
    // The inbox shows the same, without the call's body.
    let inbox = world.get("/api/commandes?rollback=BLOQUE").await.expect(200);
    let listed = inbox.as_array().unwrap().iter().find(|row| row["id"] == *saga).unwrap();
    let mut without_body = blocage.clone();
    if without_body["appel"].is_object() {
        without_body["appel"]["corps"] = Value::Null;
    }
    assert_eq!(listed["blocage"], without_body, "{inbox:#}");
    // It is found with the sagas that wait for the same.
    let shown = world.get(&format!("/api/sagas/{saga}")).await.expect(200);
    let cause = shown["blocked"]["cause"].as_str().unwrap();
    assert!(cause.starts_with("1:") && cause.contains(&format!("|{etape}|{motif}|")), "{cause}");
    let query: String = form_urlencoded::byte_serialize(cause.as_bytes()).collect();
    let alike = world.get(&format!("/api/sagas?cause={query}")).await.expect(200);
    let is_it = |row: &Value| row["id"] == *saga && row["blocked"]["cause"] == cause;
    assert!(alike.as_array().unwrap().iter().any(is_it), "{alike:#}");
    (saga, blocage)
}

fn client_url(world: &World) -> String {
    world.shop.variables().into_iter().find(|(name, _)| *name == "CLIENT_URL").unwrap().1
}

/// The order must have come to its end.
#[track_caller]
fn ended(reply: &Reply, saga: &str, etat: &str) {
    let body = reply.expect(200);
    assert_eq!((&body["saga_id"], &body["etat_final"]), (&json!(saga), &json!(etat)), "{body}");
    let has_failed = etat != "CONFIRMEE";
    assert_eq!((&body["rollback"], body["echec"].is_object()), (&Value::Null, has_failed), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_that_nobody_can_know_about_is_shown_and_settled_by_what_a_person_found() {
    let world = open(&careful("safety: none, headers: { x-cle: s3cret }")).await;
    for (client, fault, constat, effects) in [
        (11, "drop-after", "EXECUTEE", &["reserver", "liberer", "payer", "rembourser"][..]),
        (12, "drop-before", "NON_EXECUTEE", &["reserver", "liberer"]),
        (13, "drop-after", "ANNULEE", &["reserver", "liberer", "payer"]),
    ] {
        world.shop.fault(&format!("POST /api/clients/*/payer client={client} {fault} times=1"));
        let (saga, blocage) = block(&world, client, "ECHEC_PAIEMENT", "paiement", "action_unknown").await;
        let commande = world.commande(&saga).await;
        let url = client_url(&world);
        let expected = json!({
            "etape": "paiement",
            "motif": "action_unknown",
            "raison": blocage["raison"],
            "depuis": commande["modifie_le"],
            "appel": {
                "participant": "client",
                "direction": "action",
                "methode": "POST",
                "url": format!("{url}/api/clients/{client}/payer"),
                "corps": { "montant": 80.97 },
                "corps_octets": 17,
                "cle_idempotence": format!("{saga}:paiement:action"),
            },
            "appel_absent": null,
            "tentatives": 1,
            "en_cours": false,
            "prochaine_tentative": null,
            "constats_possibles": ["EXECUTEE", "NON_EXECUTEE", "ANNULEE"],
            "sortie_requise": false,
        });
        assert_eq!(blocage, expected);
        assert!(!commande.to_string().contains("s3cret"), "the participant's headers are its secret");
        assert!(blocage["raison"].as_str().unwrap().starts_with("nobody can know whether the action ran: "));

        // Trying again may double it, so that is refused, and the advice is to look.
        let refused = world.send(&reprendre(&saga, &json!({ "par": "Ana" }))).await.problem(409, "in_doubt");
        assert!(refused["detail"].as_str().unwrap().contains("`resoudre`"), "{refused}");
        let reply = world.send(&resoudre(&saga, &found("paiement", constat))).await;
        ended(&reply, &saga, "ECHEC_PAIEMENT");
        assert_eq!(world.shop.operations(&saga).await, effects, "{constat}");
        let commande = world.commande(&saga).await;
        assert_eq!((&commande["rollback"], &commande["blocage"]), (&json!("TERMINE"), &Value::Null));
        let said = json!([{
            "quoi": "resoudre", "etape": "paiement", "constat": constat, "par": "Ana",
            "raison": "vu dans ses livres", "timestamp": commande["interventions"][0]["timestamp"],
        }]);
        assert_eq!(commande["interventions"], said);
        // The plain history stays what it was.
        assert_eq!(world.etats(&saga).await, ["INITIEE", "STOCK_RESERVE", "ECHEC_PAIEMENT"]);
    }
    assert_eq!(world.get("/api/commandes?rollback=BLOQUE").await.text, "[]");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compensation_that_nobody_can_know_about_is_never_said_not_to_have_run() {
    let world = open(&careful("safety: none")).await;
    for (client, fault, constat) in [(21, "drop-after", "ANNULEE"), (22, "drop-before", "EXECUTEE")] {
        world.shop.fault(&format!("POST /api/ventes client={client} status=422"));
        world.shop.fault(&format!("POST /api/clients/*/rembourser client={client} {fault} times=1"));
        let (saga, blocage) =
            block(&world, client, "ECHEC_ENREGISTREMENT", "paiement", "compensation_unknown").await;
        assert_eq!(blocage["appel"]["direction"], "compensation");
        assert_eq!(blocage["appel"]["cle_idempotence"], format!("{saga}:paiement:compensation"));
        assert_eq!(blocage["constats_possibles"], json!(["EXECUTEE", "ANNULEE"]));
        // Heard as "the refund did not run", it would leave the client charged.
        let call = resoudre(&saga, &found("paiement", "NON_EXECUTEE"));
        let refused = world.send(&call).await.problem(409, "known_to_have_run");
        assert!(refused["detail"].as_str().unwrap().contains("ANNULEE"), "{refused}");
        let reply = world.send(&resoudre(&saga, &found("paiement", constat))).await;
        ended(&reply, &saga, "ECHEC_ENREGISTREMENT");
        assert_eq!(world.shop.operations(&saga).await, ["reserver", "liberer", "payer", "rembourser"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compensation_that_keeps_failing_is_tried_at_once_when_a_person_says_so() {
    let world = open(&careful("safety: barrier")).await;
    world.shop.fault("POST /api/ventes client=31 status=422");
    world.shop.fault("POST /api/clients/*/rembourser client=31 status=500");
    let (saga, blocage) = block(&world, 31, "ECHEC_ENREGISTREMENT", "paiement", "compensation_failing").await;
    assert_eq!((&blocage["tentatives"], &blocage["en_cours"]), (&json!(1), &json!(false)), "{blocage}");
    assert!(blocage["prochaine_tentative"].as_str().unwrap() > blocage["depuis"].as_str().unwrap());
    // In vain: the answer comes when that is known.
    let again = json!({ "par": "Ana", "raison": "le service est réparé ?" });
    let body = world.send(&reprendre(&saga, &again)).await.expect(200);
    let (etat, echec) =
        ("ECHEC_ENREGISTREMENT", json!({ "etape": "vente", "raison": body["echec"]["raison"] }));
    let expected = json!({ "saga_id": saga, "etat_final": etat, "rollback": "BLOQUE", "echec": echec });
    assert_eq!(body, expected);
    assert_eq!(world.commande(&saga).await["blocage"]["tentatives"], 2);
    world.shop.heal();
    ended(&world.send(&reprendre(&saga, &json!({ "par": "Bo" }))).await, &saga, "ECHEC_ENREGISTREMENT");
    assert_eq!(world.shop.operations(&saga).await, ["reserver", "liberer", "payer", "rembourser"]);

    let commande = world.commande(&saga).await;
    let said: Vec<&Value> = commande["interventions"].as_array().unwrap().iter().collect();
    let told = |index: usize| (&said[index]["quoi"], &said[index]["par"], &said[index]["raison"]);
    assert_eq!(told(0), (&json!("reprendre"), &json!("Ana"), &again["raison"]));
    assert_eq!(told(1), (&json!("reprendre"), &json!("Bo"), &Value::Null));
    let history = world.get(&format!("/api/commande/{saga}/historique?detail=etapes")).await.expect(200);
    let lines: Vec<String> = history.as_array().unwrap().iter().map(line).collect();
    let expected = [
        "INITIEE",
        "panier action 1 ok",
        "stock action 1 ok",
        "STOCK_RESERVE",
        "paiement action 1 ok",
        "PAIEMENT_EFFECTUE",
        "vente action 1 refused",
        "ECHEC_ENREGISTREMENT",
        "paiement compensation 1 unknown",
        "bloque paiement compensation_failing -",
        "repris - - Ana",
        "paiement compensation 2 unknown",
        "repris - - Bo",
        "paiement compensation 3 ok",
        "stock compensation 1 ok",
    ];
    assert_eq!(lines, expected, "{history:#}");
}

/// A line of a detailed history.
fn line(line: &Value) -> String {
    let text = |name: &str| line[name].as_str().unwrap_or("-").to_owned();
    match (line["etat"].as_str(), line["evenement"].as_str()) {
        (Some(etat), _) => etat.to_owned(),
        (_, Some(event)) => format!("{event} {} {} {}", text("etape"), text("motif"), text("par")),
        _ => format!("{} {} {} {}", text("etape"), text("direction"), line["tentative"], text("resultat")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_can_say_that_a_failing_compensation_was_done_by_hand() {
    let world = open(&careful("safety: barrier")).await;
    world.shop.fault("POST /api/ventes client=32 status=422");
    world.shop.fault("POST /api/clients/*/rembourser client=32 status=500");
    let (saga, _) = block(&world, 32, "ECHEC_ENREGISTREMENT", "paiement", "compensation_failing").await;
    ended(&world.send(&resoudre(&saga, &found("paiement", "ANNULEE"))).await, &saga, "ECHEC_ENREGISTREMENT");
    assert_eq!(world.shop.operations(&saga).await, ["reserver", "liberer", "payer"]);
    assert_eq!(world.commande(&saga).await["rollback"], "TERMINE");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_that_stays_unsettled_is_asked_again_when_a_person_says_so() {
    let world = open(&careful("safety: idempotent")).await;
    // It took effect, and never says so.
    world.shop.fault("POST /api/clients/*/payer client=41 drop-after");
    let (saga, blocage) = block(&world, 41, "ECHEC_PAIEMENT", "paiement", "action_unsettled").await;
    assert_eq!(blocage["appel"]["cle_idempotence"], format!("{saga}:paiement:action"));
    world.shop.heal();
    ended(&world.send(&reprendre(&saga, &json!({ "par": "Ana" }))).await, &saga, "ECHEC_PAIEMENT");
    assert_eq!(world.shop.operations(&saga).await, ["reserver", "liberer", "payer", "rembourser"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn past_its_horizon_a_participant_is_called_again_only_on_a_persons_word() {
    let world = open(&careful("safety: barrier, horizon: 300ms")).await;
    world.shop.fault("POST /api/ventes client=51 latency=600");
    world.shop.fault("POST /api/ventes client=51 status=422");
    let (saga, blocage) = block(&world, 51, "ECHEC_ENREGISTREMENT", "paiement", "horizon_passed").await;
    assert_eq!((&blocage["tentatives"], &blocage["prochaine_tentative"]), (&json!(0), &Value::Null));
    assert_eq!(blocage["appel"]["cle_idempotence"], format!("{saga}:paiement:compensation"));
    assert_eq!(world.shop.operations(&saga).await, ["reserver", "payer"]);
    let vouched = json!({ "par": "Ana", "raison": "le paiement est encore dans leur journal" });
    ended(&world.send(&reprendre(&saga, &vouched)).await, &saga, "ECHEC_ENREGISTREMENT");
    assert_eq!(world.shop.operations(&saga).await, ["reserver", "liberer", "payer", "rembourser"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_undone_by_its_answer_is_undone_by_what_a_person_looked_up() {
    let by_id = change(CHECKOUT)
        .remove("participants.ventes.safety")
        .add("steps.vente.action.output", "{ numero: .body.id }")
        .set("steps.vente.compensation.delete", "/api/ventes/commande/\\(.vente.numero)")
        .text();
    let world = open(&by_id).await;
    world.shop.fault("POST /api/ventes client=61 drop-after");
    let (saga, blocage) = block(&world, 61, "ECHEC_ENREGISTREMENT", "vente", "action_unknown").await;
    assert_eq!(blocage["sortie_requise"], true);
    let mut found = found("vente", "EXECUTEE");
    let refused = world.send(&resoudre(&saga, &found)).await.problem(409, "output_needed");
    assert!(refused["detail"].as_str().unwrap().contains("`sortie`"), "{refused}");
    // The shop's sales are found by their saga, so that is what the answer is said to have given.
    found["sortie"] = json!({ "numero": saga });
    ended(&world.send(&resoudre(&saga, &found)).await, &saga, "ECHEC_ENREGISTREMENT");
    let operations = world.shop.operations(&saga).await;
    assert_eq!(operations, ["reserver", "liberer", "payer", "rembourser", "enregistrer", "annuler"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_cannot_wait_is_told_where_to_look() {
    let world = open(&careful("safety: barrier")).await;
    world.shop.fault("POST /api/ventes client=71 status=422");
    world.shop.fault("POST /api/clients/*/rembourser client=71 status=500 times=1");
    world.shop.fault("POST /api/clients/*/rembourser client=71 latency=1500");
    let (saga, _) = block(&world, 71, "ECHEC_ENREGISTREMENT", "paiement", "compensation_failing").await;
    for preference in ["respond-async", "wait=0"] {
        let reply = world.send(&reprendre(&saga, &json!({ "par": "Ana" })).prefer(preference)).await;
        let expected =
            json!({ "saga_id": saga, "etat_actuel": "ECHEC_ENREGISTREMENT", "rollback": "BLOQUE" });
        assert_eq!(reply.expect(202), expected, "{preference}");
        assert_eq!(reply.header("location"), Some(&*format!("/api/commande/{saga}")));
    }
    // The operator's finding may change while a call is under way.
    let call = resoudre(&saga, &found("paiement", "ANNULEE"));
    let refused = world.send(&call).await.problem(409, "call_under_way");
    assert!(refused["detail"].as_str().unwrap().contains("look again"), "{refused}");
    assert_eq!(world.commande(&saga).await["blocage"]["en_cours"], true);
    until("it is undone", async || world.commande(&saga).await["rollback"] == "TERMINE").await;
    // The second one found it being tried already: nothing to record.
    assert_eq!(world.commande(&saga).await["interventions"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_said_of_an_order_is_refused_and_the_answer_says_why() {
    let world = open(&careful("safety: none")).await;
    let confirmed = world.order(4, "CONFIRMEE").await;
    let by_ana = json!({ "par": "Ana" });
    world.send(&reprendre(&confirmed, &by_ana)).await.problem(409, "already_over");
    world.send(&resoudre(&confirmed, &found("stock", "ANNULEE"))).await.problem(409, "already_over");
    world.shop.fault("POST /api/ventes client=5 latency=1500");
    let running = world.begin(5).await;
    world.reaches(&running, "PAIEMENT_EFFECTUE").await;
    world.send(&resoudre(&running, &found("vente", "ANNULEE"))).await.problem(409, "not_blocked");

    world.shop.fault("POST /api/clients/*/payer client=6 drop-after");
    let (blocked, _) = block(&world, 6, "ECHEC_PAIEMENT", "paiement", "action_unknown").await;
    let refused =
        world.send(&resoudre(&blocked, &found("stock", "ANNULEE"))).await.problem(409, "other_step");
    let detail = "the order is blocked at `paiement`, not at `stock`; name that step, and what became of it";
    assert_eq!(refused["detail"], detail);
    for (call, id) in
        [(reprendre as fn(&str, &Value) -> Call, "7"), (resoudre, "01939f2e-7c1b-7c3e-9a52-0d8a6b1f4e21")]
    {
        let body = if id == "7" { by_ana.clone() } else { found("stock", "ANNULEE") };
        world.send(&call(id, &body)).await.problem(404, "commande_inconnue");
    }
    assert_eq!(world.commande(&blocked).await["interventions"], json!([]));
    assert_eq!(world.shop.operations(&blocked).await, ["reserver", "payer"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mistake_in_a_demand_is_named_with_what_to_write() {
    let world = open(&careful("safety: none")).await;
    world.shop.fault("POST /api/clients/*/payer client=6 drop-after");
    let (saga, _) = block(&world, 6, "ECHEC_PAIEMENT", "paiement", "action_unknown").await;
    let long = "é".repeat(101);
    let longer = "é".repeat(1_001);
    let with = |name: &str, value: Value| {
        let mut body = found("paiement", "EXECUTEE");
        body[name] = value;
        body
    };
    let without = |name: &str| {
        let mut body = found("paiement", "EXECUTEE");
        body.as_object_mut().unwrap().remove(name);
        body
    };
    let demands = [
        (reprendre(&saga, &json!({})), "`par` is missing; write who you are, such as \"par\": \"Ana\""),
        (reprendre(&saga, &json!({ "par": null })), "`par` is missing; write who you are"),
        (reprendre(&saga, &json!({ "par": 7 })), "`par` must be a JSON string: who you are, such as \"Ana\""),
        (reprendre(&saga, &json!({ "par": " " })), "`par` is empty; write who you are, such as \"Ana\""),
        (
            reprendre(&saga, &json!({ "par": long })),
            "`par` has 101 characters; at most 100 are taken (PAR_CHARS_MAX)",
        ),
        (
            reprendre(&saga, &json!({ "par": "A\nB" })),
            "`par` has a control character in it, such as a line break",
        ),
        (
            reprendre(&saga, &json!({ "par": "A", "raison": "\u{0}" })),
            "`raison` has a control character in it",
        ),
        (
            reprendre(&saga, &json!({ "par": "A", "reason": "x" })),
            "There is no member `reason` here; there are `par`, `raison`",
        ),
        (reprendre(&saga, &json!([])), "The body must be a JSON object with `par`, `raison`"),
        (Call::post(&format!("/api/commande/{saga}/reprendre")), "`par` is missing"),
        (resoudre(&saga, &without("etape")), "`etape` is missing; write the step that `blocage.etape` names"),
        (
            resoudre(&saga, &without("constat")),
            "`constat` is missing; write EXECUTEE (the step's effect is there)",
        ),
        (resoudre(&saga, &without("raison")), "`raison` is missing; write how you know"),
        (resoudre(&saga, &without("par")), "`par` is missing"),
        (
            resoudre(&saga, &with("raison", json!(longer))),
            "`raison` has 1001 characters; at most 1000 are taken (RAISON_CHARS_MAX)",
        ),
        (resoudre(&saga, &with("etape", json!("a".repeat(65)))), "`etape` has 65 characters"),
        (
            resoudre(&saga, &with("etape", json!("paiment"))),
            "`etape`: the order has no step `paiment`; it has panier, stock, paiement, vente",
        ),
        (
            resoudre(&saga, &with("constat", json!("executee"))),
            "`constat` must be EXECUTEE (the step's effect is there), NON_EXECUTEE (it has none) or ANNULEE (it was undone by hand), not `executee`",
        ),
        (resoudre(&saga, &with("sorti", json!({}))), "There is no member `sorti` here"),
        (
            resoudre(&saga, &with("sortie", json!("x".repeat(16 * 1024)))),
            "`sortie` has 16386 bytes; at most 16384 are taken (SORTIE_BYTES_MAX)",
        ),
        (
            resoudre(
                &saga,
                &json!({ "etape": "paiement", "constat": "ANNULEE", "raison": "r", "par": "A", "sortie": 1 }),
            ),
            "`sortie` goes with EXECUTEE only",
        ),
    ];
    for (call, expected) in demands {
        let problem = world.send(&call).await.problem(422, "invalid_field");
        assert!(problem["detail"].as_str().unwrap().starts_with(expected), "{expected}: {problem}");
    }
    let undeclared = |what: &str| Call::post(&format!("/api/commande/{saga}/{what}"));
    let post = |what: &str| undeclared(what).header("content-type", "application/json");
    for what in ["reprendre", "resoudre"] {
        world.send(&undeclared(what).body("{}")).await.problem(415, "not_json");
        world.send(&post(what).body("{")).await.problem(400, "not_json");
        world
            .send(&undeclared(what).body("{}").header("content-type", "text/plain"))
            .await
            .problem(415, "not_json");
        world.send(&post(what).body(vec![b' '; 70_000])).await.problem(413, "request_bytes_max");
    }
    assert_eq!(world.commande(&saga).await["interventions"], json!([]));
    // At the limits they are taken, to the letter.
    let (par, raison) = ("é".repeat(100), "é".repeat(1_000));
    let body = json!({ "etape": "paiement", "constat": "EXECUTEE", "raison": raison, "par": par });
    ended(&world.send(&resoudre(&saga, &body)).await, &saga, "ECHEC_PAIEMENT");
    let said = &world.commande(&saga).await["interventions"][0];
    assert_eq!((&said["par"], &said["raison"]), (&json!(par), &json!(raison)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_definition_is_missing_shows_so_and_goes_on_once_it_is_back() {
    let mut world = World::open().await;
    world.shop.fault("POST /api/clients/*/payer client=8 latency=60000");
    let saga = world.begin(8).await;
    world.reaches(&saga, "STOCK_RESERVE").await;
    world.server.kill();
    let database = world.data.path().join("orchestrateur.db");
    let rename = async |from: &str, to: &str| {
        let database = rusqlite::Connection::open(&database).unwrap();
        database.busy_timeout(crate::http::PATIENCE).unwrap();
        let changed =
            database.execute("UPDATE saga_definition SET hash = replace(hash, ?1, ?2)", [from, to]).unwrap();
        assert!(changed > 0);
    };
    // The renamed hash begins with `x`, whatever the hash begins with.
    let hash = {
        let database = rusqlite::Connection::open(&database).unwrap();
        database.query_row("SELECT hash FROM saga_definition", [], |row| row.get::<_, String>(0)).unwrap()
    };
    rename(&hash, &format!("x{hash}")).await;
    world.shop.heal();
    // New orders run another definition, so the server does not store this one again.
    let other = careful("safety: barrier");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("other.yaml");
    std::fs::write(&file, other).unwrap();
    world.server = crate::harness::Server::start(
        &world.shop,
        world.data.path(),
        &["--definition", file.to_str().unwrap()],
    )
    .await;
    until("it is parked", async || world.commande(&saga).await["rollback"] == "BLOQUE").await;
    let commande = world.commande(&saga).await;
    let blocage = &commande["blocage"];
    assert_eq!(
        (&blocage["motif"], &blocage["etape"]),
        (&json!("history_unreadable"), &Value::Null),
        "{commande:#}"
    );
    assert!(blocage["raison"].as_str().unwrap().contains("is not in the journal"), "{commande:#}");
    assert_eq!((&blocage["appel"], &commande["interventions"]), (&Value::Null, &Value::Null));
    let inbox = world.get("/api/commandes?rollback=BLOQUE").await.expect(200);
    assert_eq!(inbox[0]["blocage"], *blocage, "{inbox:#}");
    for call in [reprendre(&saga, &json!({ "par": "Ana" })), resoudre(&saga, &found("stock", "ANNULEE"))] {
        let refused = world.send(&call).await.problem(500, "history_damaged");
        assert!(refused["detail"].as_str().unwrap().contains("is not in the journal"), "{refused}");
    }
    rename(&format!("x{hash}"), &hash).await;
    let blocage = world.commande(&saga).await["blocage"].clone();
    assert!(blocage["appel_absent"].as_str().unwrap().contains("`reprendre`"), "{blocage}");
    ended(&world.send(&reprendre(&saga, &json!({ "par": "Ana" }))).await, &saga, "CONFIRMEE");
    assert_eq!(world.shop.operations(&saga).await, ["reserver", "payer", "enregistrer"]);
    assert_eq!(world.metric("sagas_parked_total").await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_shows_among_the_interventions_and_says_why_in_the_history() {
    let world = World::open().await;
    world.shop.fault("POST /api/clients/*/payer latency=700");
    let saga = world.begin(4).await;
    world.reaches(&saga, "STOCK_RESERVE").await;
    world.send(&Call::post(&format!("/api/commande/{saga}/annuler"))).await.expect(200);
    let commande = world.commande(&saga).await;
    assert_eq!(commande["interventions"][0]["quoi"], "annuler", "{commande:#}");
    let history = world.get(&format!("/api/commande/{saga}/historique?detail=etapes")).await.expect(200);
    let decided = history.as_array().unwrap().iter().find(|line| line["evenement"] == "rollback_decide");
    assert_eq!(decided.unwrap()["raison"], "cancelled on request", "{history:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn participants_are_shown_as_the_definition_has_them() {
    let world = open(&careful("safety: idempotent, horizon: 2h, timeout: 3s, calls_max: 9")).await;
    let participants = world.get("/api/participants").await.expect(200);
    let names: Vec<&Value> = participants.as_array().unwrap().iter().map(|it| &it["nom"]).collect();
    assert_eq!(names, ["client", "panier", "stock", "ventes"]);
    let expected = json!({
        "nom": "client", "url": client_url(&world), "safety": "idempotent", "timeout_ms": 3_000, "calls_max": 9,
        "horizon_ms": 7_200_000, "echecs_de_suite": 0, "dernier_echec": null, "acces": null,
    });
    let mut shown = participants[0].clone();
    let breaker = shown.as_object_mut().unwrap().remove("breaker").unwrap();
    assert_eq!(shown, expected);
    assert_eq!((&breaker["etat"], &breaker["en_attente"]), (&json!("FERME"), &json!(0)));
}
