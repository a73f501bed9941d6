//! The table in `docs/performance.md`, and how counts compare with it.

use std::collections::BTreeMap;
use std::fmt::Write;

use saga_endurance::store::StoreEngine;

use crate::figures::{Figures, Key, Layer, Measure};

const PAGE: &str = include_str!("../../../../docs/performance.md");
const SECTION: &str = "\n## Budget of an order\n";
/// The first cell of the table's head.
const HEAD: &str = "| measure |";

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Budget {
    /// `None`: there is no such figure with this store.
    figure: Option<f64>,
    within: Within,
}

/// How far a count may be from its budget.
#[derive(Debug, Clone, Copy)]
enum Within {
    Percent(f64),
    /// More is too much; less is no reason to change the table.
    AtMost,
}

/// The budgets of orders on a store.
pub(crate) fn budgets(store: StoreEngine) -> BTreeMap<Key, Budget> {
    budgets_of(PAGE, store)
}

fn budgets_of(page: &str, store: StoreEngine) -> BTreeMap<Key, Budget> {
    let section = page.split_once(SECTION).expect("docs/performance.md: the section is gone").1;
    let table = section.split_once(HEAD).expect("docs/performance.md: the table is gone").1;
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [measure, layer, sqlite, postgres, within] = cells[..] else { panic!("not five cells: {line}") };
        let measure: Measure = measure.parse().unwrap_or_else(|_| panic!("no such measure: {line}"));
        let layer: Layer = layer.parse().unwrap_or_else(|_| panic!("no such layer: {line}"));
        let figure = match store {
            StoreEngine::Sqlite => sqlite,
            StoreEngine::Postgres => postgres,
        };
        let number = |text: &str| text.replace(',', "").parse::<f64>();
        let figure =
            (!figure.is_empty()).then(|| number(figure).unwrap_or_else(|_| panic!("no number: {line}")));
        let within = match within.strip_suffix('%') {
            Some(percent) => {
                Within::Percent(number(percent.trim()).unwrap_or_else(|_| panic!("no number: {line}")))
            }
            None if within == "at most" => Within::AtMost,
            None => panic!("neither `5 %` nor `at most`: {line}"),
        };
        ((measure, layer), Budget { figure, within })
    })
    .collect()
}

/// Panics with everything that is not as the table says. Only figures that `is_held` are compared.
pub(crate) fn hold(store: StoreEngine, counted: &Figures, is_held: impl Fn(Key) -> bool) {
    let told = differences(store, &budgets(store), counted, is_held);
    assert!(told.is_empty(), "{told}");
}

fn differences(
    store: StoreEngine,
    budgets: &BTreeMap<Key, Budget>,
    counted: &Figures,
    is_held: impl Fn(Key) -> bool,
) -> String {
    let mut told = String::new();
    let name = |(measure, layer): &Key| format!("{measure}, {layer}");
    for (key, budget) in budgets.iter().filter(|(key, _)| is_held(**key)) {
        match (budget.figure, counted.get(key)) {
            (None, _) => {}
            (Some(figure), None) => {
                let _ = writeln!(told, "  {}: {figure} in the table, and nothing counts that", name(key));
            }
            (Some(figure), Some(&count)) => {
                let percent = (count - figure) / figure.max(f64::MIN_POSITIVE) * 100.0;
                let (allowed, is_kept) = match budget.within {
                    Within::Percent(allowed) => {
                        (format!("{allowed} % are allowed"), percent.abs() <= allowed)
                    }
                    Within::AtMost => ("less is allowed".to_owned(), count <= figure),
                };
                if !is_kept {
                    let way = if percent > 0.0 { "more than" } else { "less than" };
                    let _ = writeln!(
                        told,
                        "  {}: {count:.1} counted, {way} the {figure} of the table ({percent:+.1} %; {allowed})",
                        name(key)
                    );
                }
            }
        }
    }
    for (key, count) in counted.iter().filter(|(key, _)| !budgets.contains_key(key)) {
        let _ = writeln!(told, "  {}: {count:.1} counted, and not in the table", name(key));
    }
    if told.is_empty() {
        return told;
    }
    format!(
        "one order on {store:?} is not within its budget (docs/performance.md, \"Budget of an order\"):\n{told}\
         To see where: BUDGET_DETAILS=FOLDER cargo test -p orchestrateur --test budget writes each place's counts there; do \
         it with the version before, too, and compare the folders with `diff`.\n\
         If the order is worth more, or costs less now: bench/budget --write sets the table by this version."
    )
}

/// The table's grammar and the message, on a table of their own.
pub(crate) fn differences_are_told() {
    let page = "text\n## Budget of an order\n\n| measure | layer | SQLite | PostgreSQL | within |\n|---|---|--:|--:|--:|\n\
                | allocations | server | 1,000 | | 5 % |\n| flushes | journal | 2 | 1 | at most |\n\nmore\n";
    let compared = |store, allocations, flushes| {
        let counted = Figures::from([
            ((Measure::Allocations, Layer::Server), allocations),
            ((Measure::Flushes, Layer::Journal), flushes),
        ]);
        differences(store, &budgets_of(page, store), &counted, |_| true)
    };
    for allocations in [950.0, 1000.0, 1050.0] {
        assert_eq!(compared(StoreEngine::Sqlite, allocations, 2.0), "");
    }
    // Fewer flushes than the most are none too few.
    assert_eq!(compared(StoreEngine::Sqlite, 1000.0, 0.5), "");
    // There is no such figure with that store.
    assert_eq!(compared(StoreEngine::Postgres, 9000.0, 1.0), "");
    let more = compared(StoreEngine::Sqlite, 1051.0, 2.0);
    assert!(more.contains("allocations, server: 1051.0 counted, more than the 1000 of the table"), "{more}");
    assert!(more.contains("bench/budget --write") && more.contains("BUDGET_DETAILS"), "{more}");
    let less = compared(StoreEngine::Sqlite, 949.0, 2.0);
    assert!(less.contains("allocations, server: 949.0 counted, less than the 1000 of the table"), "{less}");
    let flushes = compared(StoreEngine::Postgres, 0.0, 2.0);
    assert!(flushes.contains("flushes, journal: 2.0 counted, more than the 1 of the table"), "{flushes}");
    let entries = Figures::from([((Measure::Entries, Layer::Journal), 2.0)]);
    let unknown = differences(StoreEngine::Sqlite, &BTreeMap::new(), &entries, |_| true);
    assert!(unknown.contains("entries, journal: 2.0 counted, and not in the table"), "{unknown}");
    let nothing = differences(
        StoreEngine::Sqlite,
        &budgets_of(page, StoreEngine::Sqlite),
        &Figures::new(),
        |(measure, _)| measure == Measure::Flushes,
    );
    assert!(nothing.contains("flushes, journal: 2 in the table, and nothing counts that"), "{nothing}");
}
