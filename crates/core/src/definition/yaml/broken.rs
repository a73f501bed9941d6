//! The mistake that made the YAML parser stop, in terms that a definition's author knows.
//!
//! The parser reports the place where it cannot continue. The mistake often began further up: a quotation mark or a
//! bracket that was never closed, a text that needed quotes. It is reported for that line, with a correction.

use std::ops::Range;

use granit_parser::{ErrorKind, ScanError};

use super::{Mistake, YAML_NESTING_MAX, in_quotes, line_of, shown};

/// The text that the parser had read when it stopped.
pub(super) struct SoFar {
    /// The bytes of the last word, bracket or text.
    pub(super) last: Range<usize>,
    /// The beginning of the last key's value, if any of it was read.
    pub(super) value: Option<usize>,
    /// The line and byte of the innermost open `{` or `[`.
    pub(super) flow: Option<(usize, usize)>,
}

/// The mistake behind `error`.
pub(super) fn mistake(source: &str, error: &ScanError, so_far: SoFar) -> Mistake {
    let at = error.marker().byte_offset().unwrap_or(source.len()).min(source.len());
    // The place can be inside of a character only if the parser counts differently than expected.
    let at = source.floor_char_boundary(at);
    let line = line_of(source, at);
    let broken = Broken { source, at, line, so_far };
    let (line, message) = broken.described(error.kind());
    Mistake { line, message }
}

struct Broken<'s> {
    source: &'s str,
    at: usize,
    line: usize,
    so_far: SoFar,
}

impl Broken<'_> {
    fn described(&self, kind: &ErrorKind) -> (usize, String) {
        use ErrorKind as K;
        let here = |message: &str| (self.line, message.to_owned());
        if self.is_below_block_mark() {
            return here("the text below a `|` or `>` must be indented deeper than its key; add spaces");
        }
        match kind {
            K::InvalidTrailingDoubleQuotedScalar => self.after_quote('"'),
            K::InvalidTrailingSingleQuotedScalar => self.after_quote('\''),
            K::UnclosedQuotedScalar | K::DocumentIndicatorInQuotedScalar | K::InvalidQuotedScalarIndent => {
                let (line, opening) = self.opening(None);
                (
                    line,
                    format!(
                        "the quotation mark {opening} that opens here is never closed; add one at the end of the text"
                    ),
                )
            }
            K::UnknownQuotedScalarEscape
            | K::InvalidQuotedScalarHexEscape
            | K::InvalidUnicodeEscape
            | K::InvalidLowSurrogate
            | K::InvalidLowSurrogateHexEscape
            | K::MissingLowSurrogate
            | K::UnpairedLowSurrogate => self.no_escape(),
            K::ExpectedFlowMappingSeparator
            | K::ExpectedFlowSequenceSeparator
            | K::FlowMappingValueAdjacentCollection
            | K::UnexpectedEofImplicitFlowMapping
            | K::InvalidColonPlacement => self.in_brackets(),
            K::UnclosedFlowCollection { open } => {
                let close = if *open == '{' { '}' } else { ']' };
                let comment = self.rest_of_line().contains(" #");
                let why = if comment { " (what follows ` #` is a comment)" } else { "" };
                (self.line, format!("the `{open}` that opens here is never closed{why}; add `{close}`"))
            }
            K::MismatchedFlowCollectionEnd { open, close } => (
                self.line,
                format!(
                    "a `{close}` closes the `{open}` that opens here; close each bracket with its own, and put expressions with brackets into quotes"
                ),
            ),
            K::MisplacedFlowCollectionEnd => {
                here("this bracket closes nothing; remove it, or put the text that it belongs to into quotes")
            }
            K::MappingValueNotAllowed => self.second_colon(),
            K::SimpleKeyExpected | K::InvalidSimpleKey => self.no_key(),
            K::ExpectedBlockMappingKey | K::ExpectedBlockSequenceEntry | K::InvalidIndentation => {
                self.misplaced()
            }
            K::BlockSequenceEntryNotAllowed
            | K::BlockEntryInFlowCollection
            | K::InvalidBlockEntryWhitespace => {
                here("a list cannot begin here: write each entry on a line of its own, as `- entry`")
            }
            K::TabNotAllowed
            | K::TabInBlockIndentation
            | K::TabInIndentation
            | K::TabInPlainScalar
            | K::TabAtBlockScalarStart => here("a tab cannot stand here; indent with spaces"),
            K::UnexpectedCharacter { character } if character.is_control() => (
                self.line,
                format!(
                    "the character U+{:04X} cannot stand in a definition; save the file as plain text in UTF-8",
                    u32::from(*character)
                ),
            ),
            K::UnexpectedCharacter { .. }
            | K::MissingAnchorOrAliasName
            | K::UndeclaredTagHandle
            | K::InvalidTagTerminator
            | K::InvalidTagEscape
            | K::MissingTagUri
            | K::InvalidGlobalTagCharacter
            | K::UnclosedVerbatimTag
            | K::MappingKeyNotAllowed
            | K::PlainScalarStartsWithDashFlowIndicator => self.bad_beginning(),
            K::InvalidBlockScalarHeader | K::ZeroBlockScalarIndent => here(
                "behind `|` or `>` the line ends, and the text stands on the lines below, indented; a text that begins with one of them needs quotes",
            ),
            K::InvalidBlockScalarIndent => {
                here("all lines of the text below `|` or `>` are indented at least as far as its first one")
            }
            K::BomInsideDocument => here("a byte-order mark stands here, inside of the file; remove it"),
            K::RecursionLimitExceeded => (
                self.line,
                format!(
                    "more than {YAML_NESTING_MAX} mappings and lists are inside each other here (YAML_NESTING_MAX)"
                ),
            ),
            other => (
                self.line,
                format!("this cannot be read as YAML ({other}); if a text stands here, put it into quotes"),
            ),
        }
    }

    /// Text after a closing quotation mark: the opening one has no partner on its line, or the text continues.
    fn after_quote(&self, mark: char) -> (usize, String) {
        let (line, opening) = self.opening(Some(mark));
        let closing = self.source[..self.at].rfind(mark).map_or(self.line, |at| line_of(self.source, at));
        if line < closing {
            return (
                line,
                format!(
                    "the quotation mark {opening} that opens here is closed only on line {closing}; add one at the end of the text on this line"
                ),
            );
        }
        if mark == '\'' && self.source[self.at..].starts_with(char::is_alphanumeric) {
            return (line, "a `'` ends this text, and more follows; within ' ' write `''` for one, or use \" \" around the text".into());
        }
        let quoted = self.quoted_value();
        (
            line,
            format!(
                "a text in quotation marks is over here, and more follows; put the whole expression into quotes: {quoted}"
            ),
        )
    }

    /// A `\` within double quotes that has no meaning there, as in jq's `\( )`; or the quotes end too late.
    fn no_escape(&self) -> (usize, String) {
        let from = self.so_far.last.end.min(self.at);
        let at = self.source[from..].find('"').map_or(self.at, |found| from + found);
        let text = self.source[at..].lines().next().unwrap_or_default().trim_end();
        let line = line_of(self.source, at);
        match text.rfind('"').filter(|end| *end > 0) {
            Some(end) => {
                let quoted = shown(&in_quotes(&text[1..end]));
                (line, format!("within \" \" a `\\` begins an escape, and this is none; write {quoted}"))
            }
            None => (
                line,
                "the quotation mark `\"` that opens here is not closed on this line; add one at the end of the text".into(),
            ),
        }
    }

    /// The line of the quotation mark that opened the parser's current text, and the mark as messages show it.
    fn opening(&self, mark: Option<char>) -> (usize, String) {
        let marks = |c: char| mark.map_or(matches!(c, '"' | '\''), |mark| c == mark);
        let from = self.so_far.last.end.min(self.at);
        let found = self.source[from..].char_indices().find(|(_, c)| marks(*c));
        let (at, c) = found.map_or((self.at, '"'), |(at, c)| (from + at, c));
        (line_of(self.source, at), format!("`{c}`"))
    }

    /// Text between `{ }` or `[ ]` that needs quotes there, or a bracket that is not closed.
    fn in_brackets(&self) -> (usize, String) {
        let rest = &self.source[self.at..];
        let value = self.source.get(self.so_far.last.clone()).unwrap_or_default();
        if rest.starts_with('{') && value.ends_with('$') {
            let whole = shown(self.value_from(self.so_far.last.start));
            return (
                self.line,
                format!("within {{ }} a text with `${{` in it needs quotes; write \"{whole}\""),
            );
        }
        let opened = self.so_far.flow.map_or(self.line, |(line, _)| line);
        let open = self.so_far.flow.and_then(|(_, at)| self.source[at..].chars().next()).unwrap_or('{');
        if opened < self.line {
            return (
                opened,
                format!(
                    "the `{open}` that opens here is not closed, or a text behind it needs quotes: the reading ends on line {}",
                    self.line
                ),
            );
        }
        let what = match rest.chars().next() {
            Some(':') => "a `:` stands only behind a key: a `,` is missing before it, or a text needs quotes"
                .to_owned(),
            Some(',') => "there is nothing before this `,`; remove it".to_owned(),
            _ => format!(
                "a text with `{{`, `[`, `,` or a quotation mark in it needs quotes; write {}",
                self.quoted_value()
            ),
        };
        let close = if open == '{' { '}' } else { ']' };
        (self.line, format!("within {open} {close} {what}"))
    }

    /// A `:` where no key can be.
    fn second_colon(&self) -> (usize, String) {
        let began = line_of(self.source, self.so_far.last.start);
        if began < self.line && self.so_far.last.end >= self.at.saturating_sub(1) {
            return (
                self.line,
                format!(
                    "this key is indented deeper than the value on line {began} allows; indent it like the keys beside it"
                ),
            );
        }
        (self.line, format!("a text with `: ` in it needs quotes; write {}", self.quoted_value()))
    }

    /// A line without `key: value`.
    fn no_key(&self) -> (usize, String) {
        let text = self.line_text().trim();
        let word =
            text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').next().unwrap_or_default();
        let behind = &text[word.len()..];
        if !word.is_empty() && behind.starts_with(':') && !behind.starts_with(": ") {
            return (self.line, format!("a space is missing behind `{word}:`"));
        }
        (
            self.line,
            format!("`{}` is no `key: value`; write a key, a `:` and a space in front of it", shown(text)),
        )
    }

    /// A line that fits neither the mapping nor the list around it.
    fn misplaced(&self) -> (usize, String) {
        let text = self.line_text();
        let before = self.source[..self.at].rsplit('\n').next().unwrap_or_default();
        if text.trim_start().starts_with("- ") && before.trim().trim_start_matches('-').trim().is_empty() {
            return (
                self.line,
                "a list entry cannot stand beside `key: value` lines; indent it below its key".into(),
            );
        }
        if text.trim_start().starts_with('-') && !text.trim_start().starts_with("- ") {
            return (self.line, "a space is missing behind the `-`".into());
        }
        if before.trim().is_empty() {
            return (self.line, "this line is indented like none of those above that it could belong to; indent it like its neighbours".into());
        }
        (
            self.line,
            format!(
                "the value ends before this, as YAML reads it; put the whole expression into quotes: {}",
                self.quoted_value()
            ),
        )
    }

    /// A value that begins with a character that has another meaning in YAML.
    fn bad_beginning(&self) -> (usize, String) {
        let c = self.source[self.at..].chars().next().unwrap_or(' ');
        if self.so_far.flow.is_some() {
            return (
                self.line,
                format!(
                    "within brackets YAML cannot read `{c}` here; put the whole expression into quotes: {}",
                    self.quoted_value()
                ),
            );
        }
        (self.line, format!("a text cannot begin with `{c}`; put it into quotes: {}", self.quoted_value()))
    }

    /// Whether the line above announces a text to which this line would belong if it were indented.
    fn is_below_block_mark(&self) -> bool {
        let above = self.source[..self.at].lines().rev().skip(1).find(|line| !line.trim().is_empty());
        let this = self.line_text();
        let depth = |line: &str| line.len() - line.trim_start().len();
        above.is_some_and(|above| {
            let mark = above.trim_end().trim_end_matches(['-', '+']);
            let is_value = |this: &str| {
                !this.trim_start().starts_with(|c: char| c.is_alphanumeric() || c == '-' || c == '#')
            };
            (mark.ends_with(": |") || mark.ends_with(": >")) && depth(this) <= depth(above) && is_value(this)
        })
    }

    fn line_text(&self) -> &str {
        let begin = self.source[..self.at].rfind(['\n', '\r']).map_or(0, |end| end + 1);
        self.source[begin..].lines().next().unwrap_or_default()
    }

    fn rest_of_line(&self) -> &str {
        self.source[self.at..].lines().next().unwrap_or_default()
    }

    /// The value at which the parser stopped, in quotes: all of it that its author may have meant.
    fn quoted_value(&self) -> String {
        let behind_key = || {
            let behind = &self.source[self.so_far.last.end.min(self.at)..];
            self.source.len() - behind.trim_start_matches([':', ' ']).len()
        };
        let from = self.so_far.value.unwrap_or_else(behind_key).min(self.at);
        let value = match self.so_far.flow {
            Some((_, at)) if at < from => self.value_from(from),
            _ => self.source[from..].lines().next().unwrap_or_default(),
        };
        shown(&in_quotes(value))
    }

    /// The text from a byte on, to the `,` or bracket that ends a value within brackets, or to the line's end.
    fn value_from(&self, from: usize) -> &str {
        let text = self.source.get(from..).unwrap_or_default();
        let (mut depth, mut quoted) = (0_usize, false);
        let end = text.char_indices().find(|(_, c)| {
            match c {
                '\n' | '\r' => return true,
                '"' => quoted = !quoted,
                _ if quoted => {}
                '{' | '[' | '(' => depth += 1,
                '}' | ']' | ')' if depth > 0 => depth -= 1,
                '}' | ']' | ',' if depth == 0 => return true,
                _ => {}
            }
            false
        });
        text[..end.map_or(text.len(), |(at, _)| at)].trim_end()
    }
}
