//! The overview, the definitions and the participants: foreign values in every field, and figures that are not known.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use saga_console::pages::{
    AccessFacts, CallGate, DefinitionKnown, DefinitionPage, DefinitionsPage, FailureKind, LastFailure,
    Latency, NeedFacts, OverviewPage, ParticipantFacts, ParticipantsPage, StaleFacts, WholeKnown,
};
use saga_console::{Hour, Lang, May, PageFrame, PageName, Preferences, Theme};
use saga_core::definition::{DefinitionHash, Safety};
use saga_core::saga::WaitingFor;
use saga_core::{Definition, FlowOutcome, Timestamp};
use saga_journal::{
    Backlog, LeaseStanding, MinuteFigures, PinnedSagas, ReplicaId, ReplicaStanding, SagaDurations,
    SagasThatWait, UnderWay, Unfinished, WaitKey,
};

/// Texts that break out where they are not escaped, that turn lines around, or that are long.
fn hostile() -> Vec<String> {
    let short = [
        "<script>alert(1)</script>",
        "\" onmouseover=\"alert(1)",
        "'><img src=x>",
        "</title>",
        "a\u{202e}b",
        "nul\0",
    ];
    let mut all: Vec<String> = short.into_iter().map(str::to_owned).collect();
    all.push("x".repeat(50_000));
    all
}

fn frame(lang: Lang, page: PageName) -> PageFrame {
    PageFrame {
        preferences: Preferences { lang, theme: Theme::Auto },
        page,
        reader: None,
        signed_in: false,
        may: May { read: true, operate: true, signal: true },
        token: String::new(),
        person: None,
        here: "/console/".to_owned(),
        at: now(),
    }
}

fn now() -> Timestamp {
    Timestamp::from_rfc3339("2026-11-25T14:38:51Z").unwrap()
}

fn participant(text: &str) -> ParticipantFacts {
    let at = now();
    ParticipantFacts {
        name: text.into(),
        url: text.into(),
        safety: Safety::Barrier,
        horizon: Duration::from_secs(86_400),
        timeout: Duration::from_secs(5),
        calls_max: 256,
        gate: CallGate::Shut,
        gate_since: at,
        tried_at: Some(at.plus(Duration::from_secs(9))),
        waiting: 412,
        in_flight: 1,
        calls: 20,
        failures: 20,
        failures_in_a_row: 31,
        last_failure: Some(LastFailure {
            at,
            kind: FailureKind::Unavailable,
            status: Some(503),
            reason: text.into(),
        }),
        access: Some(AccessFacts { reason: text.into(), since: at, holds_calls: false }),
        latency: Some(Latency { p50: Duration::from_millis(200), p99: Duration::from_secs(1), calls: 9 }),
        used_by: vec![(text.into(), vec![text.into()])],
    }
}

fn known(text: &str) -> WholeKnown {
    let name: Arc<str> = text.into();
    let figures = |outcome, count| MinuteFigures {
        minute: Hour::begins(now()),
        definition: name.clone(),
        outcome,
        step: (outcome == FlowOutcome::Failed).then(|| name.clone()),
        count,
        durations: SagaDurations::default(),
    };
    let hour = [
        figures(FlowOutcome::Started, 71_204),
        figures(FlowOutcome::Completed, 70_110),
        figures(FlowOutcome::Failed, 402),
        figures(FlowOutcome::Cancelled, 3),
        figures(FlowOutcome::DeadlinePassed, 2),
    ];
    let mut under_way = UnderWay { sagas: 10_000, more: true, ..UnderWay::default() };
    under_way.waits.insert(
        WaitKey::new(name.clone(), name.clone(), WaitingFor::Retry),
        SagasThatWait { sagas: 900, until: Some(now().plus(Duration::from_secs(9))) },
    );
    under_way
        .pinned
        .insert((name.clone(), DefinitionHash::new(text)), PinnedSagas { sagas: 7, oldest: now() });
    let id = ReplicaId::new(Default::default());
    let replica = |lease| ReplicaStanding {
        id,
        name: name.clone(),
        lease,
        sagas: 812,
        more: true,
        release: Some(name.clone()),
    };
    WholeKnown {
        need: Some(NeedFacts {
            count: 425,
            more: false,
            oldest: Some(now()),
            at_stake: Some((5_874_200, false)),
            causes: Some((3, false)),
        }),
        hour: Some(Arc::new(Hour::of(&hour, now()))),
        backlog: Some(Arc::new(Backlog::from([(
            name.clone(),
            Unfinished { forward: 5, blocked: 425, ..Unfinished::default() },
        )]))),
        under_way: Some(Arc::new(under_way)),
        replicas: Some(
            [
                LeaseStanding::Open,
                LeaseStanding::For(Duration::from_secs(9)),
                LeaseStanding::RanOut(Duration::from_secs(1)),
                LeaseStanding::Gone(Duration::from_secs(40)),
            ]
            .map(replica)
            .into(),
        ),
        this_replica: Some(id),
        commit_p99: Some(Duration::from_millis(6)),
        served: vec![name.clone()],
        stale: Some(StaleFacts { of: Some(now()), reason: name }),
    }
}

/// Nothing of a foreign text stands in the page as markup.
#[track_caller]
fn check(html: &str, text: &str) {
    for bad in ["<script>alert", "\" onmouseover", "<img", "</title></", "\u{202e}", "\0"] {
        assert!(!html.contains(bad), "{bad:?} of {:?}", &text[..text.len().min(40)]);
    }
    // Drawings have titles of their own.
    assert_eq!(html.matches("</title>").count(), html.matches("<title").count());
    assert_eq!(html.split("</head>").next().unwrap().matches("</title>").count(), 1);
    assert!(!html.contains(" style=") && !html.contains("<script>"), "no inline style, no inline script");
    assert_eq!(html.matches("<h1>").count(), 1);
}

/// In a rolling upgrade there are two; a release from before replicas said theirs shows none.
#[test]
fn each_replica_is_shown_with_its_release() {
    let mut known = known("stock");
    let releases = [Some("9.8.7"), Some("9.9.0"), None];
    let replica = known.replicas.as_ref().unwrap()[0].clone();
    known.replicas = Some(
        releases
            .map(|release| ReplicaStanding { release: release.map(Into::into), ..replica.clone() })
            .into(),
    );
    let page = OverviewPage::new(frame(Lang::En, PageName::Overview), &known, &[]).render().unwrap();
    let shown = |release: &str| page.matches(&format!("<span class=\"s x\">{release}</span>")).count();
    assert_eq!((shown("9.8.7"), shown("9.9.0"), shown("")), (1, 1, 0));
}

#[test]
fn foreign_texts_are_no_markup_wherever_they_stand() {
    for text in hostile() {
        for lang in [Lang::En, Lang::Fr] {
            let known = known(&text);
            let ill = [
                participant(&text),
                ParticipantFacts { gate: CallGate::Open, access: None, ..participant(&text) },
            ];
            check(&OverviewPage::new(frame(lang, PageName::Overview), &known, &ill).render().unwrap(), &text);
            check(&ParticipantsPage::new(frame(lang, PageName::Participants), &ill).render().unwrap(), &text);
            let definition = Arc::new(checkout());
            let page = DefinitionsPage::new(
                frame(lang, PageName::Definitions),
                std::slice::from_ref(&definition),
                known.hour.as_deref(),
                known.backlog.as_deref(),
                known.under_way.as_deref(),
            );
            check(&page.render().unwrap(), &text);
            for read in [Ok(&*definition), Err(text.clone())] {
                let about = DefinitionKnown {
                    name: text.as_str().into(),
                    hash: DefinitionHash::new(&text),
                    read,
                    source: &text,
                    served: None,
                    flow: known.hour.as_deref().and_then(|hour| hour.of.get(&*text)),
                    under_way: known.under_way.as_deref(),
                };
                check(
                    &DefinitionPage::new(frame(lang, PageName::Definitions), &about).render().unwrap(),
                    &text,
                );
            }
        }
    }
}

fn checkout() -> Definition {
    let source = include_str!("../../../../sagas/checkout.yaml");
    Definition::parse("checkout.yaml", source, &|_| None).unwrap()
}

#[test]
fn the_overview_says_what_is_known() {
    let html =
        OverviewPage::new(frame(Lang::En, PageName::Overview), &known("shop"), &[participant("client")])
            .render()
            .unwrap();
    for part in [
        "425 sagas need a person",
        "$58,742.00",
        "3 causes",
        "71,204",
        "70,110",
        "402</b> at step <a href=\"/console/sagas?step=shop\">",
        "cancelled",
        "/console/sagas?waiting=retry&#38;step=shop&#38;saga=shop",
        "412 calls wait",
        "trial in 9",
        "drained in ~",
        "for another 9",
        "ran out 1",
        "takeover due",
        "812+",
        "Of the 10,000 oldest",
        "The journal does not answer",
        "at most 71,204 a minute, 0 in the current one so far; the most at <time datetime=\"2026-11-25T13:39:00.000000Z\"",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    let french =
        OverviewPage::new(frame(Lang::Fr, PageName::Overview), &known("shop"), &[]).render().unwrap();
    assert!(french.contains("425 sagas à régler") && french.contains("58\u{202f}742,00\u{a0}$"), "{french}");
}

#[test]
fn what_is_not_known_is_not_shown_as_none() {
    let nothing = WholeKnown::default();
    let html = OverviewPage::new(frame(Lang::En, PageName::Overview), &nothing, &[]).render().unwrap();
    assert!(html.matches("Not known now").count() >= 3, "{html}");
    for none in ["Nobody is needed", "No saga waits", "None failed", ">0<"] {
        assert!(!html.contains(none), "{none}: {html}");
    }
    let calm = WholeKnown {
        need: Some(NeedFacts::default()),
        hour: Some(Arc::default()),
        backlog: Some(Arc::default()),
        ..nothing
    };
    let html = OverviewPage::new(frame(Lang::En, PageName::Overview), &calm, &[]).render().unwrap();
    for part in ["Nobody is needed", "No saga waits", "None failed", "No saga in this hour", "curl -X POST"] {
        assert!(html.contains(part), "{part}: {html}");
    }
}

#[test]
fn a_definition_is_explained_step_by_step() {
    let definition = checkout();
    let under_way = UnderWay {
        pinned: BTreeMap::from([
            (("checkout".into(), definition.hash.clone()), PinnedSagas { sagas: 5, oldest: now() }),
            (("checkout".into(), DefinitionHash::new("0ld")), PinnedSagas { sagas: 2, oldest: now() }),
            (("travel".into(), DefinitionHash::new("0ther")), PinnedSagas { sagas: 9, oldest: now() }),
        ]),
        ..UnderWay::default()
    };
    let about = DefinitionKnown {
        name: "checkout".into(),
        hash: definition.hash.clone(),
        read: Ok(&definition),
        source: &definition.source,
        served: Some(definition.hash.clone()),
        flow: None,
        under_way: Some(&under_way),
    };
    let html = DefinitionPage::new(frame(Lang::En, PageName::Definitions), &about).render().unwrap();
    for part in [
        "id=\"step-paiement\"",
        "POST /api/clients/{.input.client_id}/payer",
        "POST /api/clients/{.input.client_id}/rembourser",
        "a read: nothing to undo",
        "New sagas run this",
        "5, waits of 100\u{a0}ms to 2\u{a0}s",
        "client_id (integer)",
        "hash=0ld",
        "id=\"L1\"",
        "INITIEE, CONFIRMEE, ANNULEE",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(!html.contains("0ther"), "the versions of other definitions are theirs");
    let lines = definition.source.lines().count();
    assert_eq!(html.matches("<li id=\"L").count(), lines);
}

#[test]
fn all_keys_of_live_parts_differ() {
    let html =
        OverviewPage::new(frame(Lang::En, PageName::Overview), &known("shop"), &[participant("client")])
            .render()
            .unwrap();
    let mut keys: Vec<&str> =
        html.split("data-live=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let all = keys.len();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), all, "{keys:?}");
    assert!(all >= 7, "{keys:?}");
}
