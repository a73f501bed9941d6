//! The list of definitions: those that new sagas run, and those that older sagas are still pinned to.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use saga_core::Definition;
use saga_core::definition::DefinitionHash;
use saga_journal::{Backlog, PinnedSagas, UnderWay};

use super::overview::{definition_address, not_over, span_or_dash};
use crate::hour::{Flow, Hour};
use crate::shown::{When, number, visible};
use crate::words::DefinitionsWords;
use crate::words::definitions as said;
use crate::words::overview::of_oldest;
use crate::{Lang, PageFrame, PageName};

/// Definitions on the page; versions that older sagas are pinned to.
const LINES_SHOWN_MAX: usize = 500;
/// Hexadecimal digits of a hash that are shown.
const HASH_DIGITS_SHOWN: usize = 12;

/// The page.
#[derive(Debug, Template)]
#[template(path = "definitions.html")]
pub struct DefinitionsPage {
    /// The frame.
    pub frame: PageFrame,
    words: &'static DefinitionsWords,
    lines: Vec<DefinitionRow>,
    older: Vec<VersionRow>,
    of_oldest: Option<String>,
}

#[derive(Debug)]
struct DefinitionRow {
    name: Arc<str>,
    address: String,
    hash: String,
    steps: String,
    participants: String,
    started: String,
    completed: String,
    failed: String,
    p50: String,
    p99: String,
    under_way: String,
    older: Option<String>,
}

/// A version of a definition that sagas are pinned to.
#[derive(Debug)]
pub(crate) struct VersionRow {
    pub(crate) name: Arc<str>,
    pub(crate) hash: String,
    pub(crate) short: String,
    pub(crate) address: String,
    pub(crate) is_served: bool,
    pub(crate) sagas: String,
    pub(crate) oldest: Option<When>,
}

/// The first digits of a hash.
pub(crate) fn short_hash(hash: &DefinitionHash) -> String {
    visible(hash.as_str()).chars().take(HASH_DIGITS_SHOWN).collect()
}

/// The address of the page about one version.
pub(crate) fn version_address(name: &str, hash: &DefinitionHash) -> String {
    format!("{}?{}", definition_address(name), super::overview::query(&[("hash", hash.as_str())]))
}

impl VersionRow {
    pub(crate) fn new(
        (name, hash): (&Arc<str>, &DefinitionHash),
        is_served: bool,
        pinned: Option<&PinnedSagas>,
        more: bool,
        frame: &PageFrame,
    ) -> Self {
        let lang = frame.lang();
        let plus = if more { "+" } else { "" };
        Self {
            name: name.clone(),
            hash: visible(hash.as_str()).into_owned(),
            short: short_hash(hash),
            address: version_address(name, hash),
            is_served,
            sagas: format!("{}{plus}", number(pinned.map_or(0, |pinned| pinned.sagas), lang)),
            oldest: pinned.map(|pinned| When::of(pinned.oldest, frame.at, lang)),
        }
    }
}

impl DefinitionsPage {
    /// The page about the definitions that are served, and the versions that sagas under way are pinned to.
    pub fn new(
        frame: PageFrame,
        served: &[Arc<Definition>],
        hour: Option<&Hour>,
        backlog: Option<&Backlog>,
        under_way: Option<&UnderWay>,
    ) -> Self {
        let lang = frame.lang();
        let is_served = |hash: &DefinitionHash| served.iter().any(|definition| definition.hash == *hash);
        let older: Vec<_> = under_way
            .into_iter()
            .flat_map(|under_way| &under_way.pinned)
            .filter(|((_, hash), _)| !is_served(hash))
            .collect();
        let mut older_of: BTreeMap<&Arc<str>, usize> = BTreeMap::new();
        for ((name, _), _) in &older {
            *older_of.entry(name).or_default() += 1;
        }
        let lines = served.iter().take(LINES_SHOWN_MAX).map(|definition| {
            let flow = hour.and_then(|hour| hour.of.get(&definition.name));
            let mut row = DefinitionRow::of(definition, flow, backlog, lang);
            row.older = older_of.get(&definition.name).map(|count| said::older_versions(*count, lang));
            row
        });
        let lines = lines.collect();
        let more = under_way.is_some_and(|under_way| under_way.more);
        let older = older.into_iter().take(LINES_SHOWN_MAX);
        let older = older
            .map(|((name, hash), pinned)| VersionRow::new((name, hash), false, Some(pinned), more, &frame));
        Self {
            words: DefinitionsWords::of(lang),
            lines,
            older: older.collect(),
            of_oldest: under_way.filter(|found| found.more).map(|found| of_oldest(found.sagas, lang)),
            frame,
        }
    }
}

impl DefinitionRow {
    fn of(definition: &Definition, flow: Option<&Flow>, backlog: Option<&Backlog>, lang: Lang) -> Self {
        let participants = definition.participants.iter().map(|called| visible(&called.name).into_owned());
        let count = |of: fn(&Flow) -> u64| number(flow.map_or(0, of), lang);
        let under_way = backlog.map(|backlog| not_over(backlog.get(&definition.name)));
        Self {
            name: definition.name.clone(),
            address: definition_address(&definition.name),
            hash: short_hash(&definition.hash),
            steps: number(definition.steps.len() as u64, lang),
            participants: participants.collect::<Vec<_>>().join(", "),
            started: count(|flow| flow.started),
            completed: count(|flow| flow.completed),
            failed: count(Flow::failed),
            p50: span_or_dash(flow.and_then(Flow::p50), lang),
            p99: span_or_dash(flow.and_then(Flow::p99), lang),
            under_way: under_way.map_or_else(|| "–".to_owned(), |count| number(count, lang)),
            older: None,
        }
    }
}
