//! `GET /console/sagas`: which sagas?

use askama::Template;
use saga_core::saga::WaitingFor;
use saga_journal::{KeptRow, StateFamily};
use strum::{VariantArray, VariantNames};

use super::filters::ListFilters;
use super::saga_rows::ListedSaga;
use crate::Lang;
use crate::frame::{PageFrame, PageName};
use crate::shown::{Badge, Family, excerpt};
use crate::words::{FrameWords, RowWords, SagasWords};

/// Characters of a filter's value that are shown.
const FILTER_CHARS_SHOWN_MAX: usize = 60;
/// Spans of time that the form offers.
const LONGER: [&str; 5] = ["30s", "5m", "1h", "6h", "1d"];

/// The page.
#[derive(Debug, Template)]
#[template(path = "sagas.html")]
pub struct SagasPage {
    /// The frame.
    pub frame: PageFrame,
    /// The filters.
    pub filters: ListFilters,
    /// The names that its fields offer.
    pub known: KnownNames,
    /// The sagas, newest first.
    pub rows: Vec<ListedSaga>,
    /// The address of the next page.
    pub next: Option<String>,
    /// Whether it is the list's first page.
    pub is_first: bool,
    /// So many sagas were looked at, and the page is not full.
    pub stopped_after: Option<usize>,
    /// The address of this server, for an example.
    pub base: String,
}

/// Names of the definitions that are loaded, and of their labels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownNames {
    /// Of the definitions.
    pub definitions: Vec<String>,
    /// Of their labels.
    pub labels: Vec<String>,
}

/// A page of the list as it was found.
#[derive(Debug)]
pub struct FoundRows {
    /// The rows, with what each saga waits for.
    pub rows: Vec<KeptRow>,
    /// The place where the next page begins.
    pub next: Option<String>,
    /// Whether it is the list's first page.
    pub is_first: bool,
    /// So many sagas were looked at, and the page is not full.
    pub stopped_after: Option<usize>,
}

/// A link that chooses a family of states.
pub(crate) struct FamilyChoice {
    pub(crate) badge: Option<Badge>,
    pub(crate) word: &'static str,
    pub(crate) href: String,
    pub(crate) is_chosen: bool,
}

/// One choice of a field.
pub(crate) struct FieldChoice {
    pub(crate) value: String,
    pub(crate) word: String,
    pub(crate) is_chosen: bool,
}

/// A filter that a link removes.
pub(crate) struct Chip {
    pub(crate) text: String,
    pub(crate) href: String,
}

impl SagasPage {
    /// The page of the sagas that were found.
    pub fn new(
        frame: PageFrame,
        filters: ListFilters,
        known: KnownNames,
        found: FoundRows,
        base: String,
    ) -> Self {
        let (now, lang) = (frame.at, frame.lang());
        Self {
            rows: found.rows.iter().map(|row| ListedSaga::of(row, now, lang)).collect(),
            next: found.next.map(|cursor| filters.page(&cursor)),
            is_first: found.is_first,
            stopped_after: found.stopped_after,
            frame,
            filters,
            known,
            base,
        }
    }

    fn words(&self) -> &'static SagasWords {
        SagasWords::of(self.frame.lang())
    }

    fn row_words(&self) -> &'static RowWords {
        RowWords::of(self.frame.lang())
    }

    fn families(&self) -> Vec<FamilyChoice> {
        let (words, lang) = (self.words(), self.frame.lang());
        let chosen = self.filters.value(super::filters::FAMILY);
        let all = FamilyChoice {
            badge: None,
            word: words.all,
            href: self.filters.of_family(None).address(),
            is_chosen: chosen.is_none(),
        };
        let choice = |family: &StateFamily| {
            let badge = badge_of(*family, lang);
            FamilyChoice {
                badge: Some(badge),
                word: "",
                href: self.filters.of_family(Some(*family)).address(),
                is_chosen: chosen == Some(family.into()),
            }
        };
        [all].into_iter().chain(StateFamily::VARIANTS.iter().map(choice)).collect()
    }

    fn definitions(&self) -> Vec<FieldChoice> {
        let chosen = self.filters.value("saga");
        let others = chosen.filter(|chosen| !self.known.definitions.iter().any(|name| name == chosen));
        let names = self.known.definitions.iter().map(String::as_str).chain(others);
        let choice = |name: &str| FieldChoice {
            value: name.to_owned(),
            word: excerpt(name, FILTER_CHARS_SHOWN_MAX),
            is_chosen: chosen == Some(name),
        };
        names.map(choice).collect()
    }

    fn causes(&self) -> Vec<FieldChoice> {
        let (words, chosen) = (self.row_words(), self.filters.value("waiting"));
        let known = WaitingFor::VARIANTS.iter().filter_map(|word| Some((*word, word.parse().ok()?)));
        let choice = |(word, cause): (&str, WaitingFor)| FieldChoice {
            value: word.to_owned(),
            word: words.waits_for(cause).to_owned(),
            is_chosen: chosen == Some(word),
        };
        known.map(choice).collect()
    }

    fn spans(&self) -> Vec<FieldChoice> {
        let chosen = self.filters.value("waiting_longer");
        let others = chosen.filter(|chosen| !LONGER.contains(chosen));
        let choice = |span: &str| FieldChoice {
            value: span.to_owned(),
            word: span_word(span, self.frame.lang()),
            is_chosen: chosen == Some(span),
        };
        LONGER.into_iter().chain(others).map(choice).collect()
    }

    fn chips(&self) -> Vec<Chip> {
        let chip = |(name, value, href): (&str, &str, String)| {
            let value = excerpt(value, FILTER_CHARS_SHOWN_MAX);
            Chip { text: format!("{}={value}", excerpt(name, FILTER_CHARS_SHOWN_MAX)), href }
        };
        self.filters.removable().map(chip).collect()
    }

    fn stopped(&self) -> Option<String> {
        Some(SagasWords::stopped(self.frame.lang(), self.stopped_after?, self.rows.len()))
    }

    /// The definition that the example starts.
    fn example(&self) -> &str {
        self.known.definitions.first().map_or("checkout", String::as_str)
    }
}

fn badge_of(family: StateFamily, lang: Lang) -> Badge {
    let words = FrameWords::of(lang);
    match family {
        StateFamily::Person => Badge::new(Family::Pers, words.person),
        StateFamily::Waiting => Badge::new(Family::Wait, words.waiting),
        StateFamily::Running => Badge::new(Family::Run, words.running),
        StateFamily::Done => Badge::new(Family::Done, words.done),
        StateFamily::Failed => Badge::with_icon(Family::Undo, "fail", words.failed),
    }
}

/// `5m` as `5 min`; a span with another unit is its own word.
fn span_word(span: &str, lang: Lang) -> String {
    let split = span.find(|character: char| !character.is_ascii_digit()).unwrap_or(span.len());
    let unit = match (&span[split..], lang) {
        ("m", _) => "min",
        ("d", Lang::Fr) => "j",
        (unit, _) => unit,
    };
    excerpt(&format!("{}\u{a0}{unit}", &span[..split]), FILTER_CHARS_SHOWN_MAX)
}
