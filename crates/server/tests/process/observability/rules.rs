//! The rules: what is recorded, what is alarming, the tests of both, and what to do.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde::Deserialize;

use super::prometheus::program;
use super::{read, repository};

const RULES: &str = "deploy/prometheus/rules/orchestrateur.yml";
const TESTS: &str = "deploy/prometheus/tests/orchestrateur.yml";
const CONFIGURATION: &str = "deploy/prometheus/prometheus.yml";
const RUNBOOK: &str = "docs/operations.md";

#[derive(Deserialize)]
pub(super) struct Rules {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    record: Option<String>,
    alert: Option<String>,
    expr: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

impl Rules {
    pub(super) fn read() -> Self {
        serde_saphyr::from_str(&read(RULES)).unwrap()
    }

    fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.groups.iter().flat_map(|group| &group.rules)
    }

    fn alerts(&self) -> impl Iterator<Item = (&str, &Rule)> {
        self.rules().filter_map(|rule| Some((rule.alert.as_deref()?, rule)))
    }

    pub(super) fn count(&self) -> usize {
        self.rules().count()
    }

    /// The series that must have data on a system that is well: all that are recorded, and those that each alert looks
    /// at.
    pub(super) fn signals(&self) -> Vec<(String, String)> {
        let signal = |rule: &Rule| match (&rule.record, &rule.alert) {
            (Some(name), None) => (name.clone(), rule.expr.clone()),
            (None, Some(name)) => (name.clone(), signal_of(&rule.expr)),
            _ => panic!("a rule records or alerts"),
        };
        self.rules().map(signal).collect()
    }
}

/// An alert is `signal operator number`: the signal, which is a metric with or without matchers.
fn signal_of(expr: &str) -> String {
    let words: Vec<&str> = expr.split(' ').collect();
    let [signal, operator, number] = words[..] else {
        panic!("an alert is one signal compared with one number; record what takes more: {expr}")
    };
    assert!(["==", "!=", ">", "<", ">=", "<="].contains(&operator), "{operator} in {expr}");
    assert!(number.parse::<f64>().is_ok(), "{number} in {expr}");
    signal.to_owned()
}

fn promtool(arguments: &[&str]) -> Result<String, String> {
    let output =
        Command::new(program("promtool")).args(arguments).current_dir(repository(".")).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = text(&output.stdout) + &text(&output.stderr);
    if output.status.success() { Ok(said) } else { Err(said) }
}

#[test]
fn prometheus_accepts_the_configuration_and_the_rules_and_their_tests_pass() {
    // The file of the key is not on this machine.
    promtool(&["check", "config", "--syntax-only", CONFIGURATION]).unwrap();
    promtool(&["check", "rules", RULES]).unwrap();
    promtool(&["test", "rules", TESTS]).unwrap();
}

/// That an alert fires, and does not, is tested by a number on either side of its own: another one is noticed.
#[test]
fn an_alert_with_another_number_fails_its_tests() {
    let folder = tempfile::tempdir().unwrap();
    let (rules, tests) = (folder.path().join("rules.yml"), folder.path().join("tests.yml"));
    std::fs::write(&tests, read(TESTS).replace("../rules/orchestrateur.yml", "rules.yml")).unwrap();
    let original = read(RULES);
    let run = || promtool(&["test", "rules", tests.to_str().unwrap()]);
    std::fs::write(&rules, &original).unwrap();
    run().unwrap();
    for (name, rule) in Rules::read().alerts() {
        for other in ["> -1", "> 1e9"] {
            let changed = original.replace(
                &format!("expr: {}", rule.expr),
                &format!("expr: {} {other}", signal_of(&rule.expr)),
            );
            assert_ne!(changed, original);
            std::fs::write(&rules, changed).unwrap();
            let said = run().unwrap_err();
            assert!(said.contains(&format!("alertname: {name}")), "{name} {other}: {said}");
        }
    }
}

#[derive(Deserialize)]
struct Suite {
    tests: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    alert_rule_test: Vec<Expectation>,
}

#[derive(Deserialize)]
struct Expectation {
    alertname: String,
    exp_alerts: Vec<ExpectedAlert>,
}

#[derive(Deserialize)]
struct ExpectedAlert {
    #[serde(rename = "exp_labels")]
    _labels: BTreeMap<String, String>,
}

#[test]
fn every_alert_has_a_test_that_fires_and_one_that_does_not() {
    let suite: Suite = serde_saphyr::from_str(&read(TESTS)).unwrap();
    let expectations = suite.tests.iter().flat_map(|case| &case.alert_rule_test);
    let tested: BTreeSet<(&str, bool)> = expectations
        .map(|expectation| (&*expectation.alertname, !expectation.exp_alerts.is_empty()))
        .collect();
    let rules = Rules::read();
    let wanted: BTreeSet<(&str, bool)> =
        rules.alerts().flat_map(|(name, _)| [(name, true), (name, false)]).collect();
    assert_eq!(tested, wanted);
}

/// The paragraphs of the runbook, by the anchor that their heading has.
fn paragraphs() -> BTreeMap<String, String> {
    let text = read(RUNBOOK);
    let (_, chapter) = text.split_once("## When an alert fires\n").expect("the chapter about alerts");
    let chapter = chapter.split("\n## ").next().unwrap();
    let sections = chapter.split("\n### ").skip(1);
    sections
        .map(|section| {
            let (heading, text) = section.split_once('\n').unwrap();
            (heading.to_lowercase().replace(' ', "-"), text.trim().to_owned())
        })
        .collect()
}

#[test]
fn every_alert_has_its_paragraph_in_the_runbook_and_every_paragraph_its_alert() {
    let paragraphs = paragraphs();
    let rules = Rules::read();
    let mut linked = BTreeSet::new();
    for (name, rule) in rules.alerts() {
        let link = rule.annotations.get("runbook_url").unwrap_or_else(|| panic!("{name} has no runbook_url"));
        let anchor = link.strip_prefix(&format!("{RUNBOOK}#")).unwrap_or_else(|| panic!("{name}: {link}"));
        let paragraph = paragraphs.get(anchor).unwrap_or_else(|| panic!("{name}: no heading for {link}"));
        assert!(paragraph.len() > 200, "{name}: what is to be done? {paragraph}");
        for annotation in ["summary", "description"] {
            assert!(rule.annotations.contains_key(annotation), "{name} has no {annotation}");
        }
        let severity = rule.labels.get("severity").map(String::as_str);
        assert!(matches!(severity, Some("critical" | "warning")), "{name}: {severity:?}");
        linked.insert(anchor.to_owned());
    }
    assert_eq!(linked, paragraphs.into_keys().collect());
}
