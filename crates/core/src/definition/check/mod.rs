//! Checking definitions: turns the content of a file into a [`Definition`] that the rest of the program can rely on.
//!
//! Every mistake that can be known before the first saga runs is found here, with its line and a correction.

mod address;
mod answers;
mod auth;
mod calls;
mod effects;
mod headers;
mod hints;
mod inputs;
mod participants;
mod requests;
mod signing;
mod states;
mod steps;
mod tls;
mod waits;

use std::collections::BTreeMap;
use std::time::Duration;

use self::steps::CheckedSteps;
use super::variables::{Unset, Variable};
use super::yaml::{self, File, FileReading, Mistake, Mistakes, Spanned};
use super::{Checked, Definition, Format, NamedTls, StateName, Step, Variables, Warning};

/// The longest name or state, in characters.
const NAME_CHARS_MAX: usize = 64;
/// The longest timeout, horizon or wait between attempts.
const DURATION_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// The longest deadline: a saga may wait for people.
pub(crate) const DEADLINE_MAX: Duration = Duration::from_secs(3650 * 24 * 3600);

const DEADLINE_DEFAULT: Duration = Duration::from_secs(60);

/// Reads and checks a file in full: returns the definition, or all mistakes, in the order of lines.
pub(super) fn read(
    name: &str,
    source: &str,
    format: Format,
    (env, unset): (&dyn Variables, Unset),
) -> Result<Checked, Mistakes> {
    let FileReading { file, mistakes, warnings, cuts } = yaml::read(source);
    let mut check = Checker {
        env,
        unset,
        format,
        variables: Vec::new(),
        mistakes,
        warnings,
        cuts,
        names: Vec::new(),
        members: BTreeMap::new(),
        inputs_known: true,
        reads_created_at: false,
        reads_failure: false,
        callbacks: None,
        signs: None,
        signal_names: Vec::new(),
        tls: Vec::new(),
    };
    // The meaning is checked even if the form is wrong in places.
    let definition = file.and_then(|file| check.definition(&file, source));
    match (definition, check.mistakes.is_empty()) {
        (Some(definition), true) => {
            let warnings = Mistakes::of(name, source, check.warnings).mistakes;
            let warnings = warnings.into_iter().map(Warning::from).collect();
            let Checker { variables, callbacks, signs, tls, .. } = check;
            Ok(Checked { definition, variables, warnings, callbacks, signs, tls })
        }
        _ => Err(Mistakes::of(name, source, check.mistakes)),
    }
}

struct Checker<'e> {
    env: &'e dyn Variables,
    unset: Unset,
    format: Format,
    variables: Vec<Variable>,
    mistakes: Vec<Mistake>,
    /// Constructs that are valid but probably not meant.
    warnings: Vec<Mistake>,
    /// See [`FileReading::cuts`].
    cuts: yaml::Cuts,
    /// All names that expressions can read in this definition, for messages about a missing dot.
    names: Vec<String>,
    /// The members of steps' outputs that are mappings.
    members: BTreeMap<String, Vec<String>>,
    /// Whether the inputs are known.
    inputs_known: bool,
    /// Whether an expression reads `.created_at`.
    reads_created_at: bool,
    /// Whether an expression reads `.failure`.
    reads_failure: bool,
    /// The line of the first expression that reads `.callbacks`.
    callbacks: Option<usize>,
    /// The line of the first participant whose calls are signed.
    signs: Option<usize>,
    /// The names of the signals that the file's steps take.
    signal_names: Vec<String>,
    /// The participants' files for TLS.
    tls: Vec<NamedTls>,
}

fn line<T>(at: &Spanned<T>) -> usize {
    at.line
}

impl Checker<'_> {
    fn mistake(&mut self, line: usize, message: impl Into<String>) {
        self.mistakes.push(Mistake { line, message: message.into() });
    }

    /// A mistake by the rules of [`Format::Two`]. A definition that was stored by older rules is still read by those.
    fn mistake_since_two(&mut self, line: usize, message: impl Into<String>) {
        if self.format >= Format::Two {
            self.mistake(line, message);
        }
    }

    fn warning(&mut self, line: usize, message: impl Into<String>) {
        self.warnings.push(Mistake { line, message: message.into() });
    }

    fn definition(&mut self, file: &File, source: &str) -> Option<Definition> {
        let name = file.saga.as_ref().map(|name| self.name(name, "saga"));
        self.inputs_known = file.input.is_some();
        let input = self.input(file);
        let labels = self.labels(file, &input);
        let states = self.states(file.states.as_ref());
        let deadline = self.duration_within(DEADLINE_MAX, file.deadline.as_ref(), DEADLINE_DEFAULT);
        let participants: Vec<_> = file
            .participants
            .iter()
            .flatten()
            .filter_map(|(name, given)| self.participant(name, given.as_ref()?))
            .collect();
        let CheckedSteps { steps, graph, output } = self.steps(file, &input, &participants);
        self.one_authorization(file);
        self.waits(file, deadline, &steps, &graph);
        self.horizons(file, deadline, &participants);
        self.meanings(file);
        self.signing(file);
        Some(Definition {
            name: name?.into(),
            hash: self.format.hash(source),
            format: self.format,
            source: source.into(),
            input,
            labels,
            states,
            deadline,
            participants,
            graph,
            has_pivot: steps.iter().any(Step::is_pivot),
            has_polls: steps.iter().any(|step| step.acceptance().is_some()),
            reads_created_at: self.reads_created_at,
            reads_failure: self.reads_failure,
            reads_callbacks: self.callbacks.is_some(),
            output,
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

    fn state(&mut self, state: &Spanned<String>) -> StateName {
        self.name(state, "state").into()
    }

    fn duration(&mut self, text: Option<&Spanned<String>>, default: Duration) -> Duration {
        self.duration_within(DURATION_MAX, text, default)
    }

    /// A duration of at most `max`, which is a whole number of days.
    fn duration_within(
        &mut self,
        max: Duration,
        text: Option<&Spanned<String>>,
        default: Duration,
    ) -> Duration {
        let Some(text) = text else { return default };
        let given = yaml::shown(&text.value);
        let why = match parse_duration(&text.value) {
            Some(duration) if duration <= max && !duration.is_zero() => return duration,
            Some(_) => {
                let days = max.as_secs() / 86_400;
                format!("`{given}` must be more than zero and at most {days} days")
            }
            None => format!(
                "`{given}` is not a duration; write a number and ms, s, m, h or d, such as 500ms or 5s"
            ),
        };
        self.mistake(line(text), why);
        default
    }
}

/// A duration: a number with its unit (ms, s, m, h or d), such as `90s`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..split].parse().ok()?;
    let millis = match text[split..].trim() {
        "ms" => number,
        "s" => number.checked_mul(1_000)?,
        "m" => number.checked_mul(60_000)?,
        "h" => number.checked_mul(3_600_000)?,
        "d" => number.checked_mul(86_400_000)?,
        _ => return None,
    };
    Some(Duration::from_millis(millis))
}
