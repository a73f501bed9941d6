//! Regular expressions. Every search costs the size of the pattern times the length of the searched text.

use jaq_core::{Error as JaqError, ValR, ValT as _};
use jaq_json::Val;
use jaq_std::ValT as _;
use regex_bites::{Captures, Regex, RegexBuilder};

use super::meter;
use super::value::{Error, Metered};

/// Bytes of a pattern.
pub(super) const REGEX_BYTES_MAX: usize = 1_024;
/// The possible sizes of a compiled pattern, in bytes. A pattern's size is the smallest that it fits into.
const SIZES: [usize; 4] = [1 << 10, 1 << 12, 1 << 14, 1 << 16];

/// The requested parts of the matches.
#[derive(Clone, Copy)]
pub(super) struct KeptMatches {
    pub(super) matches: bool,
    pub(super) rest: bool,
}

/// Applies a pattern to a text, with jq's flags.
pub(super) fn apply(input: &Metered, pattern: &Metered, flags: &Metered, kept: KeptMatches) -> ValR<Metered> {
    let flags = RegexFlags::parse(text(flags)?)?;
    let pattern = text(pattern)?;
    if pattern.len() > REGEX_BYTES_MAX {
        return Err(Error::str(format_args!(
            "a regex of {} bytes; the limit REGEX_BYTES_MAX is {REGEX_BYTES_MAX}",
            pattern.len()
        )));
    }
    let (regex, size) = flags.compile(pattern)?;
    let haystack = text(input)?;
    let mut places = Places { text: haystack, byte: 0, char: 0 };
    let mut out: Vec<Metered> = Vec::new();
    let mut searched = 0;
    let mut kept_up_to = 0;
    let mut found = regex.captures_iter(haystack);
    loop {
        // Two searches, if the first one finds nothing at the place of the last match.
        meter::work((haystack.len() - searched + 16).saturating_mul(size / 16));
        let Some(captures) = found.next() else { break };
        let Some(whole) = captures.get(0) else { break };
        searched = whole.end();
        if flags.no_empty && whole.is_empty() {
            continue;
        }
        if kept.rest {
            out.push(input.as_sub_str(&haystack.as_bytes()[kept_up_to..whole.start()]));
            kept_up_to = whole.end();
        }
        if kept.matches {
            out.push(groups(input, &regex, &captures, &mut places)?);
        }
        meter::bytes(256);
        if !flags.global {
            break;
        }
    }
    if kept.rest {
        out.push(input.as_sub_str(&haystack.as_bytes()[kept_up_to..]));
    }
    Ok(out.into_iter().collect())
}

/// The whole match and its groups, each with its place.
fn groups(input: &Metered, regex: &Regex, captures: &Captures<'_>, places: &mut Places<'_>) -> ValR<Metered> {
    let named = captures.iter().zip(regex.capture_names());
    let groups = named.filter_map(|(group, name)| group.map(|group| (group, name)));
    groups
        .map(|(group, name)| {
            let key = |name: &str| Metered::text(name.as_bytes().to_vec());
            let matched = group.as_str();
            meter::work(matched.len() / 8);
            let mut members = vec![
                (key("offset"), Metered::from(places.char_at(group.start()))),
                (key("length"), Metered::from(matched.chars().count())),
                (key("string"), input.as_sub_str(matched.as_bytes())),
            ];
            members.extend(name.map(|name| (key("name"), key(name))));
            Metered::from_map(members)
        })
        .collect()
}

fn text(value: &Metered) -> Result<&str, Error> {
    match value.val() {
        Val::TStr(_) => std::str::from_utf8(value.try_as_utf8_bytes()?).map_err(Error::str),
        _ => Err(JaqError::typ(value.clone(), "string")),
    }
}

/// The position of a byte in a text, counted in characters. Increasing positions cost one pass in all.
struct Places<'t> {
    text: &'t str,
    byte: usize,
    char: usize,
}

impl Places<'_> {
    fn char_at(&mut self, byte: usize) -> usize {
        if byte < self.byte {
            (self.byte, self.char) = (0, 0);
        }
        meter::work((byte - self.byte) / 8);
        self.char += self.text[self.byte..byte].chars().count();
        self.byte = byte;
        self.char
    }
}

/// jq's flags for regular expressions.
#[derive(Default)]
struct RegexFlags {
    global: bool,
    no_empty: bool,
    any_case: bool,
    many_lines: bool,
    one_line: bool,
    longest: bool,
    spaced: bool,
}

impl RegexFlags {
    fn parse(text: &str) -> Result<Self, Error> {
        let mut flags = Self::default();
        for flag in text.chars() {
            match flag {
                'g' => flags.global = true,
                'n' => flags.no_empty = true,
                'i' => flags.any_case = true,
                'm' => flags.many_lines = true,
                's' => flags.one_line = true,
                'l' => flags.longest = true,
                'x' => flags.spaced = true,
                'p' => (flags.many_lines, flags.one_line) = (true, true),
                other => return Err(Error::str(format_args!("invalid regex flag: {other}"))),
            }
        }
        Ok(flags)
    }

    /// The compiled pattern, and its size.
    fn compile(&self, pattern: &str) -> Result<(Regex, usize), Error> {
        let mut builder = RegexBuilder::new(pattern);
        builder
            .case_insensitive(self.any_case)
            .multi_line(self.many_lines)
            .dot_matches_new_line(self.one_line)
            .swap_greed(self.longest)
            .ignore_whitespace(self.spaced);
        let mut refused = None;
        for size in SIZES {
            meter::work(pattern.len() + size);
            meter::bytes(size * 8);
            match builder.size_limit(size).build() {
                Ok(regex) => return Ok((regex, size)),
                Err(error) => refused = Some(error),
            }
        }
        Err(Error::str(format_args!(
            "invalid regex: {}",
            refused.map(|error| error.to_string()).unwrap_or_default()
        )))
    }
}
