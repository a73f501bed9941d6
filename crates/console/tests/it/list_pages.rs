//! The list, the search, the inbox and bulk actions: whatever a foreign text says, it is shown as text, and is short.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use saga_console::pages::{
    ActionLine, ActionPage, ActionsPage, CauseFacts, CauseObstacle, CauseOrder, FoundFilter, FoundRows,
    InboxAnswer, InboxPage, InboxView, ItemLine, ItemWhy, KnownNames, ListFilters, MinuteBars, NothingFound,
    OpenCause, SagasPage, SearchPage, SuspendedParticipant, TypedTexts, TypicalTry,
};
use saga_console::{Lang, May, PageFrame, PageName, Preferences, Theme};
use saga_core::definition::{DefinitionHash, Label};
use saga_core::event::{Finding, Stuck};
use saga_core::saga::{CameSince, Failure, Rollback, SeenUntil, Waiting, WaitingFor};
use saga_core::{BulkActionId, Deed, Epoch, SagaId, Timestamp};
use saga_journal::{
    BulkHead, BulkKind, BulkState, KeptBulkAction, KeptBulkItem, KeptRow, ReplicaId, Row, Summary,
};

/// What a hostile text has in it: markup, quotes, the end of an element, marks of order, a NUL.
const MARKS: &str = "\"'><script>alert(1)</script></title></textarea><b onmouseover=x \u{202e}\u{2066}\0&lt;";

fn hostile() -> String {
    format!("{MARKS}{}", "x".repeat(1 << 20))
}

fn now() -> Timestamp {
    Timestamp::from_rfc3339("2026-11-25T14:39:02Z").unwrap()
}

fn before(seconds: u64) -> Timestamp {
    now().minus(Duration::from_secs(seconds))
}

fn frame(lang: Lang) -> PageFrame {
    PageFrame {
        preferences: Preferences { lang, theme: Theme::Auto },
        page: PageName::Sagas,
        reader: None,
        signed_in: false,
        may: May { read: true, operate: true, signal: true },
        token: "a-token".to_owned(),
        person: Some(425),
        here: "/console/sagas".to_owned(),
        at: now(),
    }
}

fn saga(number: u32) -> SagaId {
    format!("01a21429-c67b-7752-bde2-a2ed{number:08x}").parse().unwrap()
}

/// A saga's row with this text wherever a foreign one can be.
fn row(number: u32, text: &str, over: bool, rollback: Rollback) -> KeptRow {
    let text: Arc<str> = text.into();
    let failure = Failure { step: Some(text.clone()), reason: text.clone() };
    let waiting = |cause| Waiting { step: text.clone(), cause, until: Some(now()), since: Some(before(60)) };
    KeptRow {
        saga: saga(number),
        owner: ReplicaId::NOBODY,
        row: Row {
            definition: text.clone(),
            definition_hash: DefinitionHash::new("00"),
            labels: [
                (text.clone(), Label::Text(text.clone())),
                ("total_cents".into(), Label::Integer(18_645)),
            ]
            .into_iter()
            .collect(),
            state: text.clone(),
            rollback,
            epoch: Epoch::FIRST,
            blocked_since: (rollback == Rollback::Blocked).then(|| before(2_400)),
            cause: None,
            over,
            created: before(3_600),
            updated: before(30),
            due: Some(now().plus(Duration::from_secs(22))),
            summary: Summary {
                cause: None,
                failure: (rollback != Rollback::None).then(|| failure.clone()),
                blocked: (rollback == Rollback::Blocked).then_some(failure),
                started_by: None,
                waiting: if over {
                    Vec::new()
                } else {
                    vec![waiting(WaitingFor::Retry), waiting(WaitingFor::Call)]
                },
            },
        },
        parked: None,
    }
}

fn rows(text: &str) -> Vec<KeptRow> {
    let parked = KeptRow { parked: Some(text.into()), ..row(5, text, false, Rollback::Blocked) };
    vec![
        row(1, text, false, Rollback::Blocked),
        row(2, text, false, Rollback::None),
        row(3, text, true, Rollback::None),
        row(4, text, true, Rollback::Done),
        parked,
    ]
}

/// Nothing of a hostile text is markup, and its length does not reach the page.
#[track_caller]
fn is_harmless(page: &impl Template) -> String {
    let html = page.render().unwrap();
    assert!(html.contains("script&#62;alert") || html.contains("script%3Ealert"), "the text is there");
    assert!(html.len() < 200_000, "{} bytes", html.len());
    // A field has exactly what was typed into it.
    let html: String = html
        .split("value=\"")
        .enumerate()
        .map(
            |(index, part)| if index == 0 { part } else { part.split_once('"').map_or("", |(_, rest)| rest) },
        )
        .collect();
    for mark in ["<script>alert", "<b onmouseover", "</textarea", "\u{202e}", "\u{2066}", "\0", "style="] {
        let around = html.split(mark).next().unwrap_or_default();
        let around: String = around.chars().rev().take(200).collect::<Vec<_>>().into_iter().rev().collect();
        assert!(!html.contains(mark), "{mark:?} is in the page, behind {around}");
    }
    assert_eq!(html.matches("</title>").count(), 1);
    // No attribute has a quote of a foreign text in it: else the attributes behind it would begin there.
    assert!(!html.contains("\"'>"), "a quote has got through");
    html
}

fn sagas(lang: Lang, text: &str) -> SagasPage {
    let filters = ListFilters::one("step", text).with("label.a", text).with("family", "failed");
    let known = KnownNames { definitions: vec![text.to_owned()], labels: vec![text.to_owned()] };
    let found = FoundRows {
        rows: rows(text),
        next: Some("1.2".into()),
        is_first: false,
        stopped_after: Some(10_000),
    };
    SagasPage::new(frame(lang), filters, known, found, "http://localhost".to_owned())
}

fn facts(text: &str, obstacle: CauseObstacle) -> CauseFacts {
    CauseFacts {
        key: format!("1:{text}"),
        obstacle,
        participant: Some(text.to_owned()),
        step: Some(text.to_owned()),
        is_others: false,
        reason: text.to_owned(),
        count: 412,
        more: false,
        at_stake: Some(5_824_015),
        oldest: before(2_460),
        newest: before(50),
        recent: 24,
    }
}

fn inbox(lang: Lang, text: &str) -> InboxPage {
    let open = OpenCause {
        facts: facts(text, CauseObstacle::Stuck(Stuck::CompensationFailing)),
        minutes: MinuteBars::of(&[(before(60), 17)], now(), lang),
        typical: Some(TypicalTry::unreadable(lang)),
        suspended: Some(SuspendedParticipant::of(text, Some(now()), now(), lang)),
        members: rows(text),
        next: Some("5.6".into()),
        action_max: 10_000,
        key: "the-form-key".to_owned(),
    };
    InboxPage {
        frame: frame(lang),
        view: InboxView {
            group: Some(format!("1:{text}")),
            order: CauseOrder::Money,
            definition: Some(text.to_owned()),
            after: Some(text.to_owned()),
        },
        causes: vec![
            facts(text, CauseObstacle::Stuck(Stuck::CompensationFailing)),
            facts(text, CauseObstacle::Unreadable),
        ],
        more_causes: true,
        definitions: vec![text.to_owned()],
        open: Some(open),
        action: Some(action(lang, text)),
        answer: Some(InboxAnswer {
            problem: Some(text.chars().take(500).collect()),
            said: vec![saga(1)],
            refused: vec![(saga(2), text.to_owned())],
        }),
        typed: TypedTexts {
            reason: text.chars().take(1_000).collect(),
            by: text.chars().take(100).collect(),
            said: text.chars().take(1_000).collect(),
            finding: Some(Finding::Ran),
            ticked: vec![saga(1)],
        },
    }
}

fn kept_action(text: &str) -> KeptBulkAction {
    let text: Arc<str> = text.into();
    let head = BulkHead {
        id: BulkActionId::new(*saga(9).as_uuid()),
        key: text.clone(),
        kind: BulkKind::Resume,
        caller: Some(text.clone()),
        by: text.clone(),
        reason: Some(text.clone()),
        described: text,
        begun: before(90),
    };
    KeptBulkAction { head, items: 412, ended: None }
}

fn action(lang: Lang, text: &str) -> ActionLine {
    let counts =
        BTreeMap::from([(BulkState::Undone, 300), (BulkState::FailedAgain, 12), (BulkState::Waiting, 100)]);
    let place = saga_console::pages::cause_place(Some(text), Some(text), lang);
    ActionLine::of(&kept_action(text), &counts, &place, now(), lang)
}

fn item(text: &str, lang: Lang, why: ItemWhy) -> ItemLine {
    let kept = KeptBulkItem {
        saga: saga(1),
        place: 0,
        seen: SeenUntil::by(now()),
        state: BulkState::Skipped,
        why: Some(text.into()),
        ended: Some(now()),
    };
    ItemLine::of(&kept, Some(&why), now(), lang)
}

#[test]
fn foreign_texts_are_texts_and_short() {
    let text = hostile();
    for lang in [Lang::En, Lang::Fr] {
        // Filters and what was typed are in the address, which a server bounds: they are as long here as there.
        let typed: String = text.chars().take(128).collect();
        let page = SagasPage { rows: sagas(lang, &text).rows, ..sagas(lang, &typed) };
        is_harmless(&page);
        let found = vec![FoundFilter::of("step", &typed)];
        is_harmless(&SearchPage::new(frame(lang), &typed, found, &[]));
        let nothing = NothingFound::Text { labels: vec![typed.clone()] };
        is_harmless(&SearchPage::nothing(frame(lang), &typed, nothing));
        let short = inbox(lang, &typed);
        let open = short.open.unwrap();
        let long = OpenCause {
            members: rows(&text),
            facts: CauseFacts { reason: text.clone(), ..open.facts },
            ..open
        };
        let long_answer =
            InboxAnswer { problem: None, said: Vec::new(), refused: vec![(saga(2), text.clone())] };
        is_harmless(&InboxPage { open: Some(long), answer: Some(long_answer), ..inbox(lang, &typed) });
        is_harmless(&inbox(lang, &typed));
        is_harmless(&ActionsPage {
            frame: frame(lang),
            actions: vec![action(lang, &text)],
            next: None,
            is_first: true,
        });
        let since = CameSince::Person { by: Some(text.as_str().into()), deed: Deed::Resume, at: now() };
        let blocked = CameSince::Blocked { step: text.as_str().into(), at: now() };
        let whys = [
            ItemWhy::Since(since),
            ItemWhy::Since(blocked),
            ItemWhy::NotBlocked,
            ItemWhy::Unknown,
            ItemWhy::HeldBack(vec![text.as_str().into()]),
            ItemWhy::Says(text.clone()),
        ];
        is_harmless(&ActionPage {
            frame: frame(lang),
            action: action(lang, &text),
            state: None,
            items: whys.into_iter().map(|why| item(&text, lang, why)).collect(),
            next: None,
            is_first: true,
            waiting: 100,
        });
    }
}

#[test]
fn a_reader_without_the_role_sees_no_action() {
    let watching = PageFrame { may: May { read: true, ..May::default() }, ..frame(Lang::En) };
    let html = InboxPage { frame: watching.clone(), ..inbox(Lang::En, "plain") }.render().unwrap();
    assert!(html.contains("412 sagas need a person"), "{html}");
    for part in
        ["<button class=\"btn p", "type=\"checkbox\" name", "action=\"/console/inbox/try\"", "the-form-key"]
    {
        assert!(!html.contains(part), "{part}");
    }
    let page = |frame| ActionPage {
        frame,
        action: action(Lang::En, "plain"),
        state: None,
        items: Vec::new(),
        next: None,
        is_first: true,
        waiting: 100,
    };
    assert!(!page(watching).render().unwrap().contains("take-back"));
    assert!(page(frame(Lang::En)).render().unwrap().contains("Take back the 100 that have not left"));
}

#[test]
fn an_empty_page_says_what_is_empty() {
    let list = |filters: ListFilters, is_first, stopped_after| {
        let found = FoundRows { rows: Vec::new(), next: None, is_first, stopped_after };
        SagasPage::new(frame(Lang::En), filters, KnownNames::default(), found, "http://shop:8023".to_owned())
            .render()
            .unwrap()
    };
    let none = list(ListFilters::default(), true, None);
    assert!(
        none.contains("No saga yet") && none.contains("curl -X POST 'http://shop:8023/api/sagas/checkout"),
        "{none}"
    );
    let filtered = list(ListFilters::one("step", "vente"), true, None);
    assert!(filtered.contains("Nothing matches.") && filtered.contains("Remove [step=vente]"), "{filtered}");
    let behind = list(ListFilters::one("step", "vente"), false, None);
    assert!(behind.contains("There are no more of them.") && behind.contains("First page"), "{behind}");
    let stopped = list(ListFilters::one("step", "vente"), true, Some(10_000));
    assert!(stopped.contains("Stopped after looking at 10,000 sagas; 0 of them match."), "{stopped}");
    assert!(!stopped.contains("Nothing matches."), "it is not known yet");
    let nobody =
        InboxPage { causes: Vec::new(), open: None, action: None, answer: None, ..inbox(Lang::Fr, "x") };
    assert!(nobody.render().unwrap().contains("Il n’y a rien à régler."));
}

#[test]
fn a_page_says_what_the_sagas_wait_for_in_both_languages() {
    let english = sagas(Lang::En, "vente").render().unwrap();
    for part in [
        "Needs a person",
        "undo vente",
        "Waiting",
        "next attempt",
        "Done",
        "Failed, undone",
        "$186.45",
        "the saga as a whole",
    ] {
        assert!(english.contains(part), "{part}");
    }
    let french = sagas(Lang::Fr, "vente").render().unwrap();
    for part in [
        "À régler",
        "défaire vente",
        "En attente",
        "prochain essai",
        "Terminée",
        "186,45\u{a0}$",
        "toute la saga",
    ] {
        assert!(french.contains(part), "{part}");
    }
    let inbox = inbox(Lang::Fr, "vente").render().unwrap();
    for part in
        ["Défaire échoue encore", "Essayer ces 412 maintenant", "Historique illisible", "824+ sagas à régler"]
    {
        assert!(inbox.contains(part), "{part}");
    }
}

#[test]
fn more_than_one_action_can_have_are_the_oldest() {
    let mut page = inbox(Lang::En, "vente");
    let open = page.open.as_mut().unwrap();
    open.facts = CauseFacts { count: 10_000, more: true, ..open.facts.clone() };
    open.action_max = 9_999;
    let html = page.render().unwrap();
    assert!(
        html.contains("Try the oldest 9,999 now") && html.contains("10,000+ sagas need a person"),
        "{html}"
    );
}
