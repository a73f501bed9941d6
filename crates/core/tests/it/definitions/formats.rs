//! Definitions that were kept before today's rules are read and run by theirs.

use saga_core::definition::{Format, Scope, Variables};
use saga_core::reply::{Answer, Reply, Verdict, verdict};
use saga_core::{Definition, Direction, Outcome};
use saga_testkit::definition::change;

use super::{parse, with};
use crate::support::{CHECKOUT, VOISINS};

pub(super) struct Nothing;

impl Variables for Nothing {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn file(&self, _: &str) -> Result<String, String> {
        Err("there are no files".into())
    }
}

fn read(source: &str, format: Format) -> Definition {
    Definition::read(source, format, &Nothing).unwrap_or_else(|told| panic!("{told}\n{source}"))
}

/// All that today's rules refuse, and the release before took.
const REFUSED_TODAY: &str = r#"
saga: ancien
input: { client_id: integer }
states: { started: A, completed: B, cancelled: B }
participants:
  p: { url: "http://p:99999/../x", headers: { Host: other, Saga-Id: x, x-a: '1', X-A: '2' } }
steps:
  - step: a
    participant: p
    action:
      post: //x/{client_id}/:id/%s/../\(.input.client_id + 1)/\(.input.client_id)
      refused: .body.refused
      ok: .status
    compensation: { delete: /x/, ok: .status < 500 }
    probe: { get: /x }
    success: B
    failure: A
  - step: b
    participant: p
    action: { post: /b }
    compensation: { delete: /b }
    failure: B
"#;

fn answered(status: u16, body: &str) -> Reply {
    Reply::Answered(Answer { status, body: body.into(), ..Answer::default() })
}

fn judge(definition: &Definition, (step, direction): (usize, Direction), status: u16, body: &str) -> Verdict {
    verdict(definition.call(step, direction).expect("a call"), &answered(status, body))
}

#[test]
fn what_was_taken_before_is_refused_in_a_file_and_read_from_the_journal() {
    let told = parse(REFUSED_TODAY).expect_err("mistakes").to_string();
    assert!(told.contains("`99999` is not a port"), "{told}");
    let told =
        parse(&change(REFUSED_TODAY).swap(":99999/../x", "").text()).expect_err("mistakes").to_string();
    for mistake in ["`Host`", "`Saga-Id`", "twice", "empty segment", "a number", "for a 404", "state `B`"] {
        assert!(told.contains(mistake), "{mistake}: {told}");
    }
    let old = read(REFUSED_TODAY, Format::One);
    assert_eq!((old.format, old.steps.len(), old.participants[0].headers.len()), (Format::One, 2, 4));
}

#[test]
fn an_order_is_pinned_to_the_text_and_to_the_rules() {
    let (one, two) = (read(CHECKOUT, Format::One), read(CHECKOUT, Format::Two));
    assert_ne!(one.hash, two.hash);
    assert_eq!(two.hash, parse(CHECKOUT).expect("a definition").hash);
    // The hash that the release before wrote into its journal: the SHA-256 of the text.
    assert_eq!(
        read("saga: s\nstates: { started: A, completed: B, cancelled: C }\nparticipants: { p: { url: 'http://p' } }\nsteps: [{ step: a, participant: p, action: { get: /x }, failure: D }]\n", Format::One)
            .hash
            .as_str(),
        "d1b6016ba409f1d50bc90df7b45e0bd543877bc7dc332ac87f088fbbd825ccd3"
    );
    for format in [Format::One, Format::Two] {
        assert_eq!(Format::numbered(format.number()), Some(format));
    }
    assert_eq!((Format::numbered(0), Format::numbered(3)), (None, None));
}

#[test]
fn of_the_first_format_all_but_false_and_null_is_true() {
    let old = read(REFUSED_TODAY, Format::One);
    let action = (0, Direction::Action);
    for status in [200, 404, 500] {
        assert_eq!(judge(&old, action, status, "{}").outcome, Outcome::Ok, "{status}");
    }
    for (refused, expected) in [("0", Outcome::Refused), ("\"\"", Outcome::Refused), ("null", Outcome::Ok)] {
        let body = format!("{{\"refused\":{refused}}}");
        assert_eq!(judge(&old, action, 500, &body).outcome, expected, "{refused}");
    }
}

#[test]
fn of_the_first_format_statuses_mean_what_they_meant() {
    let old = read(REFUSED_TODAY, Format::One);
    for status in 100..=599 {
        let (action, undone) =
            (judge(&old, (1, Direction::Action), status, "{}"), (1, Direction::Compensation));
        let undone = judge(&old, undone, status, "{}");
        let expected = match status {
            200 | 201 | 204 => Outcome::Ok,
            429 | 503 => Outcome::NotSent,
            400..=499 => Outcome::Refused,
            _ => Outcome::Unknown,
        };
        assert_eq!((action.outcome, undone.outcome), (expected, expected), "{status}");
        assert!(!action.not_accepted && !undone.not_accepted && !undone.absent, "{status}");
        let expected = match status {
            200 | 201 | 204 => Outcome::Ok,
            429 | 503 => Outcome::NotSent,
            404 | 410 => Outcome::Refused,
            _ => Outcome::Unknown,
        };
        assert_eq!(judge(&old, (0, Direction::Probe), status, "{}").outcome, expected, "{status}");
    }
    // A 404 that its `ok` takes is a plain success.
    let undone = judge(&old, (0, Direction::Compensation), 404, "");
    assert_eq!((undone.outcome, undone.absent), (Outcome::Ok, false));
}

#[test]
fn of_the_first_format_unreadable_answers_are_what_they_were() {
    // A condition that fails leaves a read in doubt, and two members of one name are read as jq reads them.
    let source = with("      output: #", "      refused: .body.x.y\n      output: #");
    let read_once = |format, body| judge(&read(&source, format), (0, Direction::Action), 200, body);
    assert_eq!(read_once(Format::One, "[]").outcome, Outcome::Unknown);
    assert_eq!(read_once(Format::Two, "[]").outcome, Outcome::Refused);
    let twice = r#"[{"produit_id":1,"quantite":1,"quantite":2,"prix":1}]"#;
    let cart = |format| judge(&read(CHECKOUT, format), (0, Direction::Action), 200, twice).outcome;
    assert_eq!((cart(Format::One), cart(Format::Two)), (Outcome::Ok, Outcome::Refused));
}

#[test]
fn of_the_first_format_a_computed_path_is_sent_as_it_is() {
    let scope = || {
        Scope::default()
            .with("saga_id", "\"1f\"")
            .with("input", r#"{"client_id":7,"s":"A/../../admin?x=1","n":null,"d":".."}"#)
    };
    let path = |path: &str, format| {
        let source = change(CHECKOUT)
            .set("steps.vente.action.post", &format!("'{path}'"))
            .set("input", "{ s: string, n: number, d: string, client_id: integer, magasin_id: integer }")
            .text();
        read(&source, format).steps[3]
            .action()
            .expect("a call")
            .path
            .render_path(&scope())
            .map_err(|error| error.0)
    };
    for (text, one, two) in [
        (
            "/x/\\(.input.s)/\\(.input.client_id + 1)",
            "/x/A/../../admin?x=1/8",
            Ok("/x/A%2F..%2F..%2Fadmin%3Fx%3D1/8"),
        ),
        ("/x/\\(.input.s)", "/x/A%2F..%2F..%2Fadmin%3Fx%3D1", Ok("/x/A%2F..%2F..%2Fadmin%3Fx%3D1")),
        ("/x/\\(.input.d)", "/x/..", Err("leads elsewhere")),
        ("/x/\\(.input.n | .)/y", "/x/null/y", Err("is null")),
        ("/x/\\([1, 2])/y", "/x/[1,2]/y", Err("is a list")),
    ] {
        assert_eq!(path(text, Format::One).as_deref(), Ok(one), "{text}");
        match (path(text, Format::Two), two) {
            (Ok(path), Ok(expected)) => assert_eq!(path, expected),
            (Err(told), Err(expected)) => assert!(told.contains(expected), "{told}"),
            (told, expected) => panic!("{text}: {told:?}, not {expected:?}"),
        }
    }
}

#[test]
fn the_examples_are_definitions_of_both_formats() {
    for source in [CHECKOUT, VOISINS] {
        assert_eq!(read(source, Format::One).steps.len(), read(source, Format::Two).steps.len());
    }
}
