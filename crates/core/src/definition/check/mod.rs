//! Checking definitions: the shape of a file to a [`Definition`] that can be relied on.
//!
//! Everything that can be known before the first saga runs is found here, with its line and what to do about it.

mod address;
mod answers;
mod calls;
mod headers;
mod participants;
mod states;
mod steps;

use std::time::Duration;

use super::yaml::{File, Mistake, Spanned};
use super::{Checked, Definition, Etat, Format, InputType, States, Variables, Warning};

/// Names and states may have this many characters.
const NAME_CHARS_MAX: usize = 64;
/// The longest deadline, timeout or wait that can be asked for.
const DURATION_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

const DEADLINE_DEFAULT: Duration = Duration::from_secs(60);

/// Checks a file in full: the definition, or everything that is wrong with it, in the order of lines.
pub(super) fn check(
    file: File,
    source: &str,
    format: Format,
    env: &dyn Variables,
) -> Result<Checked, Vec<Mistake>> {
    let mut check = Check { env, format, mistakes: Vec::new(), warnings: Vec::new() };
    let definition = check.definition(file, source);
    check.mistakes.sort_by_key(|mistake| mistake.line);
    check.warnings.sort_by_key(|warning| warning.line);
    match (definition, check.mistakes.is_empty()) {
        (Some(definition), true) => Ok(Checked { definition, warnings: check.warnings }),
        _ => Err(check.mistakes),
    }
}

struct Check<'e> {
    env: &'e dyn Variables,
    format: Format,
    mistakes: Vec<Mistake>,
    warnings: Vec<Warning>,
}

fn line<T>(at: &Spanned<T>) -> usize {
    at.referenced.line() as usize
}

impl Check<'_> {
    fn mistake(&mut self, line: usize, message: impl Into<String>) {
        self.mistakes.push(Mistake { line, message: message.into() });
    }

    /// A mistake by the rules of [`Format::Two`]. A definition that was stored before is read as it was then.
    fn mistake_since_two(&mut self, line: usize, message: impl Into<String>) {
        if self.format >= Format::Two {
            self.mistake(line, message);
        }
    }

    fn warning(&mut self, line: usize, message: impl Into<String>) {
        self.warnings.push(Warning { line, message: message.into() });
    }

    fn definition(&mut self, file: File, source: &str) -> Option<Definition> {
        let name = self.name(&file.saga, "saga");
        let mut input = Vec::new();
        for (name, kind) in &file.input {
            let parsed = match kind.value.as_str() {
                "integer" => InputType::Integer,
                "number" => InputType::Number,
                "string" => InputType::String,
                "boolean" => InputType::Boolean,
                other => {
                    self.mistake(
                        line(kind),
                        format!("input `{name}` has the unknown type `{other}`; write integer, number, string or boolean"),
                    );
                    // Declared all the same: who reads it is not mistaken.
                    InputType::String
                }
            };
            input.push((name.as_str().into(), parsed));
        }
        let states = States {
            started: self.etat(&file.states.started)?,
            completed: self.etat(&file.states.completed)?,
            cancelled: self.etat(&file.states.cancelled)?,
        };
        let deadline = self.duration(file.deadline.as_ref(), DEADLINE_DEFAULT);
        let participants: Vec<_> =
            file.participants.iter().filter_map(|(name, p)| self.participant(name, p)).collect();
        let steps = self.steps(&file, &input, &participants);
        self.meanings(&file);
        Some(Definition {
            name: name.into(),
            hash: self.format.hash(source),
            format: self.format,
            source: source.into(),
            input,
            states,
            deadline,
            participants,
            steps,
        })
    }

    fn name(&mut self, name: &Spanned<String>, what: &str) -> String {
        let text = &name.value;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if text.is_empty() || text.len() > NAME_CHARS_MAX || !text.chars().all(plain) {
            self.mistake(
                line(name),
                format!(
                    "the {what}'s name `{text}` must be 1 to {NAME_CHARS_MAX} letters, digits, `_` or `-`"
                ),
            );
        }
        text.clone()
    }

    fn etat(&mut self, etat: &Spanned<String>) -> Option<Etat> {
        Some(self.name(etat, "state").into())
    }

    fn duration(&mut self, text: Option<&Spanned<String>>, default: Duration) -> Duration {
        let Some(text) = text else { return default };
        match parse_duration(&text.value) {
            Some(duration) if duration <= DURATION_MAX && !duration.is_zero() => duration,
            Some(_) => {
                self.mistake(
                    line(text),
                    format!("`{}` must be more than zero and at most 30 days", text.value),
                );
                default
            }
            None => {
                let message = format!(
                    "`{}` is not a duration; write a number and ms, s, m or h, such as 500ms or 5s",
                    text.value
                );
                self.mistake(line(text), message);
                default
            }
        }
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..split].parse().ok()?;
    let millis = match text[split..].trim() {
        "ms" => number,
        "s" => number.checked_mul(1_000)?,
        "m" => number.checked_mul(60_000)?,
        "h" => number.checked_mul(3_600_000)?,
        _ => return None,
    };
    Some(Duration::from_millis(millis))
}
