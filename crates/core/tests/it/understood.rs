//! The explanation of a definition: requests as they would be sent, and what a lost answer means.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use insta::assert_snapshot;
use saga_core::Definition;
use saga_core::definition::Body;
use saga_core::reply::Answer;
use saga_core::saga::Request;
use saga_core::understood::{self, CallUnderstood, NotShown, understood};

use crate::support::{CHECKOUT, VOISINS, no_env};

/// The account in short: each request as a line, what follows if its answer is lost below it.
fn account(source: &str, input: Option<&str>, answers: &[(&str, u16, &str)]) -> String {
    let definition = Arc::new(Definition::parse("d.yaml", source, &no_env).expect("a definition"));
    let input = match input {
        Some(input) => definition.read_input(input.as_bytes()).expect("an input"),
        None => understood::input(&definition).expect("a sample"),
    };
    let answers: BTreeMap<String, Answer> = answers
        .iter()
        .map(|(step, status, body)| {
            (
                (*step).to_owned(),
                Answer { status: *status, body: body.as_bytes().to_vec(), ..Answer::default() },
            )
        })
        .collect();
    let mut text = format!("input {}\n", input.json().text());
    for (step, told) in definition.steps.iter().zip(understood(input, &answers)) {
        let mut request = |what: &str, request: &Result<Request, NotShown>| match request {
            Ok(Request { method, path, body, .. }) => {
                let body = body.as_ref().map_or("", Body::text);
                writeln!(text, "{} {what}: {method} {path} {body}", step.name).expect("a string")
            }
            Err(error) => writeln!(text, "{} {what}: {error}", step.name).expect("a string"),
        };
        let mut lines = Vec::new();
        let mut call = |what, call: &CallUnderstood| {
            request(what, &call.request);
            lines.push(format!("  {what} lost: {:?}\n", call.if_lost));
        };
        call("action", told.action.as_ref().expect("a call"));
        if let Some(compensation) = &told.compensation {
            call("compensation", compensation);
        }
        if let Some(probe) = &told.probe {
            request("probe", probe);
        }
        if let Some(verdict) = &told.answered {
            lines.push(format!("  answered: {} {:?}\n", verdict.outcome, verdict.output));
        }
        text.extend(lines);
    }
    text
}

/// One step after another, with participants of each kind.
fn kinds(deadline: &str) -> String {
    format!(
        r#"saga: genres
input: {{ client_id: integer, prix: number, nom: string, vip: boolean }}
states: {{ started: INITIEE, completed: CONFIRMEE, cancelled: ANNULEE }}
deadline: {deadline}
participants:
  rien: {{ url: "http://rien" }}
  cle: {{ url: "http://cle", safety: idempotent }}
  barriere: {{ url: "http://barriere", safety: barrier }}
steps:
  - step: demande
    participant: rien
    action: {{ post: '/a/\(.input.nom)', body: .input }}
    compensation: {{ delete: '/a/\(.demande.id)' }}
    probe: {{ get: '/a?saga=\(.saga_id)', after: 30s, output: {{ id: .body.id }} }}
    failure: ECHEC_A
  - step: aveugle
    participant: rien
    action: {{ post: /b, body: {{ id: .demande.id, double: '.demande.prix * 2' }} }}
    compensation: {{ delete: /b }}
    failure: ECHEC_B
  - step: repetee
    participant: cle
    action: {{ post: /c }}
    compensation: {{ delete: '/c/\(.repetee.ref.id)' }}
    failure: ECHEC_C
  - step: gardee
    participant: barriere
    action: {{ post: /d }}
    compensation: {{ delete: /d }}
    failure: ECHEC_D
  - step: annonce
    participant: cle
    action: {{ post: /e }}
    compensation: none
    failure: ECHEC_E
"#
    )
}

#[test]
fn the_built_in_checkout_is_told_in_full() {
    assert_snapshot!(account(CHECKOUT, None, &[]), @r#"
    input {"client_id":1,"magasin_id":2}
    panier action: GET /api/paniers/client/1 
      action lost: [Repeated { times: 4 }, Failed, Left]
    stock action: POST /api/stock/reserver {"produits":"~panier.produits~"}
    stock compensation: POST /api/stock/liberer {"produits":"~panier.produits~"}
      action lost: [Repeated { times: 4 }, Failed, Undone]
      compensation lost: [Repeated { times: 7 }, Parked { stuck: CompensationFailing, goes_on: true }]
    paiement action: POST /api/clients/1/payer {"montant":"~panier.montant~"}
    paiement compensation: POST /api/clients/1/rembourser {"montant":"~panier.montant~"}
      action lost: [Repeated { times: 4 }, Failed, Undone]
      compensation lost: [Repeated { times: 7 }, Parked { stuck: CompensationFailing, goes_on: true }]
    vente action: POST /api/ventes {"produits":"~panier.produits~","client_id":1,"magasin_id":2}
    vente compensation: DELETE /api/ventes/commande/00000000-0000-0000-0000-000000000000 
      action lost: [Repeated { times: 4 }, Failed, Undone]
      compensation lost: [Repeated { times: 7 }, Parked { stuck: CompensationFailing, goes_on: true }]
    "#);
}

#[test]
fn every_kind_of_participant_has_its_own_turns() {
    assert_snapshot!(account(&kinds("1h"), None, &[]), @r#"
    input {"client_id":1,"nom":"nom","prix":1.5,"vip":true}
    demande action: POST /a/nom {"client_id":1,"nom":"nom","prix":1.5,"vip":true}
    demande compensation: DELETE /a/~demande.id~ 
    demande probe: GET /a?saga=00000000-0000-0000-0000-000000000000 
      action lost: [Asked { after: 30s, times: 5 }, Failed, Asked { after: 30s, times: 8 }, Parked { stuck: ActionUnknown, goes_on: true }]
      compensation lost: [Asked { after: 30s, times: 8 }, Parked { stuck: CompensationUnknown, goes_on: true }]
    aveugle action: it is computed from the answer of `demande`; give one
    aveugle compensation: DELETE /b 
      action lost: [Failed, Parked { stuck: ActionUnknown, goes_on: false }]
      compensation lost: [Parked { stuck: CompensationUnknown, goes_on: false }]
    repetee action: POST /c 
    repetee compensation: DELETE /c/~repetee.ref.id~ 
      action lost: [Repeated { times: 4 }, Failed, Repeated { times: 8 }, Parked { stuck: ActionUnsettled, goes_on: true }]
      compensation lost: [Repeated { times: 7 }, Parked { stuck: CompensationFailing, goes_on: true }]
    gardee action: POST /d 
    gardee compensation: DELETE /d 
      action lost: [Repeated { times: 4 }, Failed, Undone]
      compensation lost: [Repeated { times: 7 }, Parked { stuck: CompensationFailing, goes_on: true }]
    annonce action: POST /e 
      action lost: [Repeated { times: 4 }, Failed, Left]
    "#);
}

#[test]
fn a_deadline_that_cuts_the_repetitions_short_is_told() {
    assert_snapshot!(account(&kinds("12s"), None, &[]), @r#"
    input {"client_id":1,"nom":"nom","prix":1.5,"vip":true}
    demande action: POST /a/nom {"client_id":1,"nom":"nom","prix":1.5,"vip":true}
    demande compensation: DELETE /a/~demande.id~ 
    demande probe: GET /a?saga=00000000-0000-0000-0000-000000000000 
      action lost: [Late, Asked { after: 30s, times: 8 }, Parked { stuck: ActionUnknown, goes_on: true }]
      compensation lost: [Asked { after: 30s, times: 8 }, Parked { stuck: CompensationUnknown, goes_on: true }]
    aveugle action: it is computed from the answer of `demande`; give one
    aveugle compensation: DELETE /b 
      action lost: [Failed, Parked { stuck: ActionUnknown, goes_on: false }]
      compensation lost: [Parked { stuck: CompensationUnknown, goes_on: false }]
    repetee action: POST /c 
    repetee compensation: DELETE /c/~repetee.ref.id~ 
      action lost: [Repeated { times: 2 }, Late, Repeated { times: 8 }, Parked { stuck: ActionUnsettled, goes_on: true }]
      compensation lost: [Repeated { times: 7 }, Parked { stuck: CompensationFailing, goes_on: true }]
    gardee action: POST /d 
    gardee compensation: DELETE /d 
      action lost: [Repeated { times: 2 }, Late, Undone]
      compensation lost: [Repeated { times: 7 }, Parked { stuck: CompensationFailing, goes_on: true }]
    annonce action: POST /e 
      action lost: [Repeated { times: 2 }, Late, Left]
    "#);
}

#[test]
fn answers_that_are_given_are_judged_and_read_as_in_an_order() {
    let cart = r#"{"articles":[{"produit_id":1,"quantite":3,"prix_unitaire":19.99,"x":0}]}"#;
    let answers = [
        ("panier", 200, cart),
        ("stock", 500, r#"{"detail":"400: Stock insuffisant"}"#),
        ("vente", 200, "{}"),
    ];
    assert_snapshot!(account(VOISINS, Some(r#"{"client_id":7,"magasin_id":9}"#), &answers), @r#"
    input {"client_id":7,"magasin_id":9}
    panier action: GET /api/panier/7 
      action lost: [Repeated { times: 4 }, Failed, Left]
      answered: ok Some({"produits":[{"produit_id":1,"quantite":3,"prix":19.99}],"montant":59.97})
    stock action: POST /api/stock/reserver {"produits":[{"produit_id":1,"quantite":3,"prix":19.99}]}
    stock compensation: POST /api/stock/liberer {"produits":[{"produit_id":1,"quantite":3,"prix":19.99}]}
      action lost: [Failed, Parked { stuck: ActionUnknown, goes_on: false }]
      compensation lost: [Parked { stuck: CompensationUnknown, goes_on: false }]
      answered: refused None
    paiement action: POST /api/clients/7/payer {"montant":59.97}
    paiement compensation: POST /api/clients/7/rembourser {"montant":59.97}
      action lost: [Failed, Parked { stuck: ActionUnknown, goes_on: false }]
      compensation lost: [Parked { stuck: CompensationUnknown, goes_on: false }]
    vente action: POST /api/ventes {"produits":[{"produit_id":1,"quantite":3,"prix":19.99}],"client_id":7,"magasin_id":9}
    vente compensation: DELETE /api/ventes/~vente.id~ 
      action lost: [Failed, Parked { stuck: ActionUnknown, goes_on: false }]
      compensation lost: [Parked { stuck: CompensationUnknown, goes_on: false }]
      answered: unknown None
    "#);
}

/// Two steps at the same time, one of them with a condition, and a step that waits for both.
const GRAPH: &str = r#"saga: voyage
input: { prix: integer }
states: { started: DEBUT, completed: FINI, cancelled: ANNULE }
participants:
  barriere: { url: "http://barriere", safety: barrier }
  rien: { url: "http://rien" }
steps:
  - step: vol
    participant: barriere
    action: { post: /vol, body: { prix: .input.prix } }
    compensation: { delete: '/vol/\(.saga_id)' }
    failure: ECHEC_VOL
  - step: hotel
    after: []
    when: .input.prix > 100
    participant: rien
    action: { post: /hotel }
    compensation: none
    failure: ECHEC_HOTEL
  - step: billet
    after: [vol, hotel]
    participant: barriere
    action: { post: /billet, body: { hotel: .hotel } }
    compensation: { delete: '/billet/\(.saga_id)' }
    failure: ECHEC_BILLET
"#;

#[test]
fn steps_at_the_same_time_have_their_turns_and_conditions_hold() {
    assert_snapshot!(account(GRAPH, None, &[]), @r#"
    input {"prix":1}
    vol action: POST /vol {"prix":1}
    vol compensation: DELETE /vol/00000000-0000-0000-0000-000000000000 
      action lost: [Repeated { times: 4 }, Failed, Undone]
      compensation lost: [Repeated { times: 7 }, Parked { stuck: CompensationFailing, goes_on: true }]
    hotel action: POST /hotel 
      action lost: [Failed, Left]
    billet action: POST /billet {"hotel":"~hotel~"}
    billet compensation: DELETE /billet/00000000-0000-0000-0000-000000000000 
      action lost: [Repeated { times: 4 }, Failed, Undone]
      compensation lost: [Repeated { times: 7 }, Parked { stuck: CompensationFailing, goes_on: true }]
    "#);
}

#[test]
fn steps_that_wait_or_may_fail_are_explained_to_the_end() {
    let source = "saga: essai
input: { n: integer }
deadline: 30d
participants: { p: { url: 'http://p', safety: idempotent } }
steps:
  - { step: a, participant: p, optional: true, action: { post: /a }, compensation: { delete: /a, when: .a.x == 1 } }
  - { step: go, signal: { name: go, within: 1h, ok: .body.yes } }
  - { step: rest, pause: '.go.until' }
  - { step: b, participant: p, pivot: true, action: { post: /b, body: { by: .go.by } }, compensation: { delete: /b } }
  - { step: c, participant: p, action: { post: /c }, compensation: none }";
    let definition = Arc::new(Definition::parse("d.yaml", source, &no_env).expect("a definition"));
    let told = understood(understood::input(&definition).expect("a sample"), &BTreeMap::new());
    let ends = |step: usize| {
        let step = &told[step];
        let lost = |call: Option<&CallUnderstood>| call.and_then(|call| call.if_lost.last().cloned());
        format!("{:?} {:?}", lost(step.action.as_ref()), lost(step.compensation.as_ref()))
    };
    let needs = |stuck: &str| format!("Some(Parked {{ stuck: {stuck}, goes_on: true }})");
    assert_eq!(ends(0), format!("Some(PassedOver) {}", needs("CompensationFailing")));
    assert_eq!((ends(1), ends(2)), ("None None".to_owned(), "None None".to_owned()));
    assert_eq!(ends(3), format!("{} {}", needs("ActionUnsettled"), needs("CompensationFailing")));
    assert_eq!(ends(4), format!("{} None", needs("ActionFailing")));
}
