//! The page of one saga: what it says, and that no foreign text is markup in it.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use saga_console::pages::{SagaAct, SagaAsked, SagaPage, SagaSeen, SagaView, TypedAct};
use saga_console::sentence::Sentence;
use saga_console::{Lang, May, PageFrame, PageName, Preferences, Theme};
use saga_core::reply::Verdict;
use saga_core::retry::Random;
use saga_core::saga::{Input, Moment, NewSaga};
use saga_core::{Command, CommandId, CommandKind, Definition, Outcome, Record, Saga, SagaId, Timestamp};
use saga_journal::{KeptRow, ReplicaId, Row};

/// A chain of three barriers, of which the last is a signal.
const THREE: &str = "
saga: essai
input: { n: integer, price_cents: integer }
labels: { n: .input.n, price_cents: .input.price_cents }
states: { started: DEBUT, completed: FINI, cancelled: ANNULEE }
deadline: 30d
participants:
  un: { url: 'http://un', safety: barrier }
  deux: { url: 'http://deux', safety: barrier }
steps:
  - step: a
    participant: un
    action: { post: /a, body: { n: .input.n } }
    compensation: { post: /a/undo, body: { n: .input.n } }
    failure: NO_A
  - step: b
    participant: deux
    action: { post: /b }
    compensation: { post: /b/undo }
    failure: NO_B
  - step: ok
    signal: { name: approved, within: 2d, ok: .body.ok == true, refused: .body.ok == false }
    failure: NO_OK
";

/// A saga and its history, driven by answers.
struct Played {
    saga: Saga,
    records: Vec<Record>,
    now: Timestamp,
}

impl Played {
    fn start() -> Self {
        let definition = Definition::parse("t.yaml", THREE, &|_| None).unwrap();
        let input = Arc::new(definition).read_input(br#"{"n":7,"price_cents":18645}"#).unwrap();
        let now = Timestamp::from_rfc3339("2026-11-25T13:58:02.002Z").unwrap();
        let id = SagaId::from_idempotency_key("test");
        let (saga, records) = Saga::start(NewSaga::of(id, input), Moment { now, random: Random(u64::MAX) });
        Self { saga, records, now }
    }

    fn moment(&self) -> Moment {
        Moment { now: self.now, random: Random(u64::MAX) }
    }

    fn take(&mut self, input: &Input) {
        let records = self.saga.handle(input, self.moment()).unwrap();
        self.records.extend(records);
    }

    /// The first wanted call ends like this, 20 ms later.
    fn answer(&mut self, outcome: Outcome, status: Option<u16>, reason: &str) -> &mut Self {
        self.now = self.now.plus(Duration::from_millis(20));
        let call = self.saga.effects().first_call().expect("a call");
        let reason = Some(reason.into()).filter(|_| outcome != Outcome::Ok);
        let verdict = Verdict { status, reason, ..Verdict::without_answer(outcome, "") };
        self.take(&Input::Reply {
            step: call.step,
            direction: call.direction,
            attempt: call.attempt,
            verdict,
        });
        self
    }

    fn ok(&mut self) -> &mut Self {
        self.answer(Outcome::Ok, Some(200), "")
    }

    /// Until the saga wants a call.
    fn until_called(&mut self) -> &mut Self {
        while self.saga.effects().first_call().is_none() {
            self.now = self.saga.effects().wake_at.expect("it waits for a time").max(self.now);
            self.take(&Input::Tick);
        }
        self
    }

    fn command(&mut self, key: &str, kind: CommandKind) -> CommandId {
        let id = CommandId::of_key(self.saga.id(), key);
        self.take(&Input::Command(Command { id, asked: self.now, by: None, kind }));
        id
    }

    /// Blocked: `b` is refused, and undoing `a` keeps failing.
    fn stuck(words: &str) -> Self {
        let mut played = Self::start();
        played.ok().answer(Outcome::Refused, Some(409), words);
        while played.saga.blocked().is_none() {
            played.until_called().answer(Outcome::Unknown, Some(503), words);
        }
        played
    }

    fn asked(&self) -> SagaAsked {
        let form = ("k".to_owned(), CommandId::of_key(self.saga.id(), "k"));
        SagaAsked { view: SagaView::default(), typed: TypedAct::default(), trouble: None, form }
    }

    fn page_with(
        &self,
        lang: Lang,
        change: impl FnOnce(&mut SagaAsked, &mut PageFrame, &mut KeptRow),
    ) -> SagaPage {
        let mut frame = PageFrame {
            preferences: Preferences { lang, theme: Theme::Auto },
            page: PageName::Sagas,
            reader: Some("ana".into()),
            signed_in: false,
            may: May { read: true, operate: true, signal: true },
            token: "t".into(),
            person: Some(1),
            here: "/console/".into(),
            at: self.now,
        };
        let mut row = KeptRow {
            saga: self.saga.id(),
            owner: ReplicaId::NOBODY,
            row: Row::of(&self.saga),
            parked: None,
        };
        let mut asked = self.asked();
        change(&mut asked, &mut frame, &mut row);
        let read = match &row.parked {
            None => Ok((&self.saga, &self.records[..])),
            Some(reason) => Err(reason.to_string()),
        };
        let seen = SagaSeen {
            row: &row,
            read,
            waiting: self.saga.waits_for(),
            held: Vec::new(),
            held_back: Vec::new(),
            trace_page: None,
            moment: self.moment(),
        };
        SagaPage::of(frame, &seen, asked)
    }

    fn page(&self, lang: Lang) -> SagaPage {
        self.page_with(lang, |_, _, _| {})
    }

    fn html(&self, lang: Lang) -> String {
        self.page(lang).render().unwrap()
    }

    fn why(&self, lang: Lang) -> String {
        self.page(lang).why.text().replace('\u{a0}', " ")
    }
}

#[test]
fn the_trace_is_told_and_leads_to_its_page_where_there_is_one() {
    let played = Played::start();
    let trace = played.saga.trace_id().to_string();
    let mut page = played.page(Lang::En);
    let told = page.render().unwrap();
    assert!(told.contains(&format!("<dd class=\"m s\">{trace}</dd>")), "{told}");
    page.trace = Some((trace.clone(), Some("https://t.example/?a=1&b=<2>".into())));
    let told = page.render().unwrap();
    let link = format!("<a href=\"https://t.example/?a=1&#38;b=&#60;2&#62;\" rel=\"noreferrer\">{trace}</a>");
    assert!(told.contains(&link), "{told}");
    let unread = played.page_with(Lang::En, |_, _, row| row.parked = Some("it cannot be read".into()));
    assert!(!unread.render().unwrap().contains(&trace));
}

#[test]
fn the_sentence_says_why_and_what_is_left() {
    let mut played = Played::start();
    assert_eq!(played.why(Lang::En), "a waits for the answer of un.");
    played.answer(Outcome::Unknown, Some(500), "Panne");
    assert_eq!(
        played.why(Lang::Fr),
        "a sera réessayée dans 100 ms; la dernière réponse de un : 500 « Panne »."
    );
    played.until_called().ok().ok();
    assert_eq!(played.why(Lang::En), "ok waits for the signal approved, at the latest in 2 d.");
    let mut stuck = Played::stuck("Maintenance");
    stuck.now = stuck.now.plus(Duration::from_secs(41 * 60));
    assert_eq!(
        stuck.why(Lang::En),
        "b failed: deux refused it with 409 (“Maintenance”). a is still to be undone: un has kept failing for 41 min, last \
         with 503 “Maintenance”."
    );
    assert!(
        stuck
            .why(Lang::Fr)
            .starts_with("b a échoué : deux a refusé avec 409 (« Maintenance »). Il reste a à défaire")
    );
    stuck.until_called().ok();
    assert!(stuck.why(Lang::En).ends_with("What was done has been undone: nothing is left."));
    assert!(stuck.saga.is_over());
}

#[test]
fn what_follows_is_shown_before_each_action_and_only_actions_that_fit_are_offered() {
    let stuck = Played::stuck("Maintenance");
    let page = stuck.page(Lang::En);
    let act = page.act.as_ref().unwrap();
    let tabs: Vec<SagaAct> = act.tabs.iter().map(|tab| tab.act).collect();
    assert_eq!(tabs, [SagaAct::Resume, SagaAct::Resolve]);
    let lines: Vec<(String, String)> = act
        .follows
        .iter()
        .map(|line| {
            (line.when.clone(), format!("{}{}", line.calls.join(", "), line.words).replace('\u{a0}', " "))
        })
        .collect();
    assert_eq!(lines[0], ("at once".to_owned(), "POST un /a/undo".to_owned()));
    assert_eq!(lines[1].1, "nothing is left to undo; the saga is over (NO_B)");
    assert_eq!(lines[2].1, "it is tried again, at most every 30 s");
    let resolve = stuck.page_with(Lang::En, |asked, _, _| asked.view.act = Some(SagaAct::Resolve));
    let findings: Vec<&str> = resolve.act.unwrap().findings.iter().map(|finding| finding.value).collect();
    assert_eq!(findings, ["ran", "undone"]);
    let reader = stuck.page_with(Lang::En, |_, frame, _| frame.may = May { read: true, ..May::default() });
    assert!(reader.act.is_none(), "a reader can do nothing");
    let mut forward = Played::start();
    forward.ok().ok();
    let page = forward.page(Lang::En);
    let tabs: Vec<SagaAct> = page.act.unwrap().tabs.iter().map(|tab| tab.act).collect();
    assert_eq!(tabs, [SagaAct::Signal, SagaAct::Cancel], "there is no call to try now");
    assert!(page.pending.is_none() && page.waits.is_empty(), "the sentence says it");
}

#[test]
fn a_command_s_result_is_shown_as_it_comes() {
    let mut stuck = Played::stuck("Maintenance");
    let given = stuck.command("k", CommandKind::Resume { by: "ana".into(), reason: Some("mended?".into()) });
    let said = |played: &Played| {
        let page = played.page_with(Lang::En, |asked, _, _| asked.view.given = Some(given));
        page.given.unwrap().said.text()
    };
    assert_eq!(said(&stuck), "What you asked for is in the history. A call is under way.");
    stuck.answer(Outcome::Unknown, Some(503), "Maintenance");
    assert_eq!(said(&stuck), "What you asked for is in the history. a failed again: 503 “Maintenance”.");
    stuck.until_called().ok();
    assert_eq!(said(&stuck), "What you asked for is in the history. The saga is over: NO_B.");
    assert!(stuck.html(Lang::En).contains("<b>ana</b> had it tried at once. “mended?”"));
}

#[test]
fn alike_attempts_are_folded_in_the_table_and_in_the_timeline() {
    let mut stuck = Played::stuck("Maintenance");
    for _ in 0..60 {
        stuck.until_called().answer(Outcome::Unknown, Some(503), "Maintenance");
    }
    let page = stuck.page(Lang::En);
    let html = page.render().unwrap();
    assert!(html.contains("64 alike attempts"), "{html}");
    assert!(page.told.as_ref().unwrap().timeline.is_folded);
    assert!(html.contains(" attempts</text>"), "the folds of the timeline count them: {html}");
    let open = stuck.page_with(Lang::En, |asked, _, _| asked.view.unfolded = true);
    assert!(!open.render().unwrap().contains("alike attempts<"));
    let to_scale = stuck.page_with(Lang::En, |asked, _, _| asked.view.to_scale = true);
    assert!(!to_scale.told.unwrap().timeline.is_folded);
}

#[test]
fn a_long_history_has_pages_of_200_rows() {
    let mut stuck = Played::stuck("0");
    for n in 0..300 {
        stuck.until_called().answer(Outcome::Unknown, Some(503), &n.to_string());
    }
    let first = stuck.page(Lang::En).told.unwrap().table;
    assert_eq!(first.rows.len(), 200);
    let older = first.older.unwrap();
    let before = older.split_once("before=").unwrap().1.split('#').next().unwrap().parse().unwrap();
    let second =
        stuck.page_with(Lang::En, |asked, _, _| asked.view.before = Some(before)).told.unwrap().table;
    assert!(second.rows.len() > 100 && second.older.is_none());
    let last: u64 = first.rows.last().unwrap().id.parse().unwrap();
    let next: u64 = second.rows[0].id.trim_end_matches('-').parse().unwrap();
    assert!(next < last);
}

#[test]
fn a_saga_that_cannot_be_read_is_shown_with_what_is_known() {
    let played = Played::stuck("Maintenance");
    let page = played.page_with(Lang::En, |_, _, row| row.parked = Some("event 3 is <b>damaged".into()));
    assert!(page.told.is_none() && page.pending.is_none());
    let tabs: Vec<SagaAct> = page.act.as_ref().unwrap().tabs.iter().map(|tab| tab.act).collect();
    assert_eq!(tabs, [SagaAct::Resume]);
    let html = page.render().unwrap();
    assert!(html.contains("event 3 is &#60;b&#62;damaged") && html.contains("?view=raw"), "{html}");
}

/// Nothing moves a step in the graph but the definition.
#[test]
fn state_moves_no_step() {
    let places = |html: &str| -> Vec<String> {
        html.split("<a href=\"#step-")
            .skip(1)
            .map(|part| part.split("<rect ").nth(1).unwrap().split(" rx=").next().unwrap().to_owned())
            .collect()
    };
    let (fresh, stuck) =
        (places(&Played::start().html(Lang::En)), places(&Played::stuck("x").html(Lang::En)));
    assert_eq!(fresh.len(), 3);
    assert_eq!(fresh, stuck);
}

#[test]
fn no_foreign_text_is_markup() {
    const MARKS: &str = "<script>alert(1)</script>\"onmouseover=\"x' </title>\u{202e}\0</svg>";
    let long = "é<u>".repeat(200_000);
    for hostile in [MARKS, &long] {
        let mut played = Played::stuck(hostile);
        played.command("k", CommandKind::Resume { by: hostile.into(), reason: Some(hostile.into()) });
        played.answer(Outcome::Unknown, None, hostile);
        // The long one takes its time.
        for lang in [Lang::En, Lang::Fr].into_iter().take(if hostile.len() > 1_000 { 1 } else { 2 }) {
            // A typed value is given back as it is: to be sent again, not to be read.
            let typed: String = hostile.chars().filter(|char| !matches!(char, '\u{202e}' | '\0')).collect();
            let typed = TypedAct {
                by: typed.clone(),
                reason: typed.clone(),
                finding: None,
                output: typed.clone(),
                signal: typed.clone(),
                body: typed,
            };
            for act in SagaAct::ALL {
                let page = played.page_with(lang, |asked, frame, row| {
                    asked.typed = typed.clone();
                    asked.view.act = Some(act);
                    asked.trouble = Some(Sentence::of(hostile));
                    frame.reader = Some(hostile.to_owned()).filter(|_| act != SagaAct::Cancel);
                    row.row.state = hostile.into();
                    row.row.definition = hostile.into();
                });
                let html = page.render().unwrap();
                assert!(!html.contains("<script>alert") && !html.contains("<u>"), "{lang:?} {act:?}");
                assert!(
                    !html.contains("\"onmouseover") && !html.contains('\u{202e}') && !html.contains('\0')
                );
                assert_eq!(html.matches("</title>").count(), html.matches("<title").count());
                assert_eq!(html.matches("<svg").count(), html.matches("</svg>").count());
            }
        }
    }
}

#[test]
fn a_signal_s_content_decides_what_follows() {
    let mut played = Played::start();
    played.ok().ok();
    let follows = |body: &str| {
        let page = played.page_with(Lang::En, |asked, _, _| {
            asked.view.act = Some(SagaAct::Signal);
            asked.typed.body = body.to_owned();
        });
        let act = page.act.unwrap();
        assert_eq!(act.signals, [("approved".to_owned(), true)]);
        let lines = act.follows.iter().map(|line| format!("{}{}", line.calls.join(", "), line.words));
        lines.collect::<Vec<_>>().join("; ")
    };
    assert!(follows("").contains("depends on its body"));
    assert!(follows("{\"ok\":true}").contains("the saga completes (FINI)"));
    assert!(follows("{\"ok\":false}").contains("POST deux /b/undo"));
}
