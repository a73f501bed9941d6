//! The limits that the sources have: constants, fields of the `...Limits` structs, keys of definitions and
//! flags, each with its default.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::CommandFactory;
use orchestrateur::cli::Cli;
use serde_json::Value;

/// Constants that limit nothing, by file and name.
const NO_LIMITS: &[(&str, &str, &str)] = &[
    ("journal/figures.rs", "MINUTE_US", "a unit"),
    ("server/archive/blocks.rs", "HEAD_BYTES", "a part of a format"),
    ("server/archive/blocks.rs", "TAIL_BYTES", "a part of a format"),
    ("journal/postgres/database.rs", "UNTOLD", "what stands for no system identifier"),
    ("server/cli/reconcile.rs", "EXIT_CODE", "an exit code"),
    ("journal/sqlite/backup.rs", "ALL_PAGES", "what SQLite takes for all"),
    ("journal/histogram.rs", "ANY", "the end of what has no bound"),
    ("server/api/access/keys.rs", "SECRET_BYTES", "how long a key is"),
    ("core/cause_group/mod.rs", "HASH_DIGITS", "how long a hash is"),
    ("core/cause_group/reason.rs", "HEX_DIGITS_MIN", "what tells two reasons apart"),
    ("core/cause_group/reason.rs", "MIXED_CHARS_MIN", "what tells two reasons apart"),
    ("core/cause_group/reason.rs", "NUMBER_DIGITS_MIN", "what tells two reasons apart"),
    ("journal/causes.rs", "MINUTE_US", "a unit"),
    ("server/api/access/session/cookie.rs", "COOKIE_SECRET_BYTES", "how long a secret is"),
    ("core/trace_context/ids.rs", "STEP_BITS", "where a number begins in an id"),
    ("core/trace_context/context.rs", "SAMPLED_BIT", "a bit of a trace's flags"),
    ("core/trace_context/context.rs", "RANDOM_BIT", "a bit of a trace's flags"),
    ("core/trace_context/context.rs", "TRACEPARENT_BYTES", "how long a traceparent is"),
    ("core/trace_context/sampler.rs", "RANDOM_BITS", "which bits of a trace's id are drawn"),
    ("core/callback.rs", "PROOF_DIGITS", "how long a proof is"),
    ("core/callback.rs", "PROOF_DIGITS_LEFT", "how much of a secret tells nothing"),
    ("core/definition/program/meter.rs", "LIVE_CONTEXT_BYTES", "what is charged"),
    ("core/definition/program/meter.rs", "LIVE_VALUE_BYTES", "what is charged"),
    ("core/definition/program/meter.rs", "STEP", "what a step is charged as"),
    ("core/definition/program/natives.rs", "GROWTH", "what is charged"),
    ("core/definition/program/value.rs", "ELEMENT_BYTES", "what is charged"),
    ("core/definition/program/value.rs", "LONG_INTEGER_BYTES", "what is charged"),
    ("core/definition/program/value.rs", "MEMBER_BYTES", "what is charged"),
    ("core/definition/program/value.rs", "OBJECT_BYTES", "what is charged"),
    ("engine/engine/commands.rs", "TRIES", "how often a race between two of our own tasks is run again"),
    ("engine/registry.rs", "SHARDS", "how a map is divided"),
    ("engine/registry.rs", "NEVER", "stands for no time"),
    ("engine/registry.rs", "NEW", "stands for no time yet"),
    ("journal/postgres/address/passfile.rs", "OTHERS", "bits of a file's mode"),
    ("journal/postgres/address/passfile.rs", "OTHERS_OF_ROOT", "bits of a file's mode"),
    ("journal/postgres/address/mod.rs", "PORT_DEFAULT", "PostgreSQL's port"),
    ("server/cli/first_keys.rs", "MODE_OF_GROUP", "a file's mode"),
    ("server/cli/first_keys.rs", "MODE_OF_OWNER", "a file's mode"),
    ("server/cli/keys.rs", "KEYS_FILE_MODE", "a file's mode"),
    ("server/cli/signing_keys.rs", "SIGNING_FILE_MODE", "a file's mode"),
    ("server/cli/serve.rs", "EXIT_CODE", "a code"),
    ("server/console/definitions.rs", "HASH_BYTES", "how long a hash is"),
    ("journal/postgres/plans.rs", "DESCENT_PAGES_MAX", "what a test of plans holds them to"),
    ("journal/postgres/plans.rs", "JIT_ABOVE_COST", "PostgreSQL's own default"),
    ("journal/migration.rs", "POSTGRES_INCARNATION", "a version"),
    ("journal/migration.rs", "SQLITE_INCARNATION", "a version"),
    ("journal/spread.rs", "ANY", "stands for no bound"),
    ("journal/sqlite/mod.rs", "VERSION_MIN", "a version"),
    ("server/metrics/process.rs", "TICKS_PER_SECOND", "a unit"),
    ("server/tls/pem.rs", "READ_BY_OTHERS", "a bit of a file's mode"),
    ("server/http/accept_errors.rs", "CALM", "when a warning is worth repeating"),
];

/// A default: numbers without a unit, times in milliseconds.
pub(super) type Default = Vec<u128>;

/// A limit in the sources.
#[derive(Debug)]
pub(super) struct Limit {
    pub(super) name: String,
    /// `server/http/limits.rs`, or `definition`.
    pub(super) place: String,
    /// `None`: it has none of its own.
    pub(super) default: Option<Default>,
}

/// All of them but the flags.
pub(super) fn limits() -> Vec<Limit> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut limits = keys(&root);
    for part in ["core", "engine", "journal", "server"] {
        let sources = root.join("crates").join(part).join("src");
        for file in rust_files(&sources) {
            let inside = file.strip_prefix(&sources).unwrap().display().to_string();
            let place = format!("{part}/{inside}");
            // Tests may have what numbers they like.
            if inside.split(['/', '.']).any(|part| part == "tests") {
                continue;
            }
            let text = std::fs::read_to_string(&file).unwrap();
            let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            limits.extend(constants(text, &place).chain(fields(text, &place)));
        }
    }
    limits
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// `const NAME: TYPE = VALUE;` where the type is a number, a time, or two of them.
fn constants<'a>(text: &'a str, place: &'a str) -> impl Iterator<Item = Limit> + 'a {
    const TYPES: &[&str] =
        &["u8", "u16", "u32", "u64", "u128", "usize", "i32", "i64", "f64", "Duration", "Bound"];
    text.lines().enumerate().filter_map(move |(number, line)| {
        let (before, rest) = line.trim_start().split_once("const ")?;
        let (name, rest) = rest.split_once(':')?;
        let is_constant = before.is_empty() || before.starts_with("pub");
        let is_name = name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
        let (kind, _) = rest.split_once('=')?;
        let kind = kind.trim().replace("std::time::", "");
        let is_number = TYPES.contains(&&*kind) || kind == "(Duration, Duration)";
        if !is_constant
            || !is_name
            || !is_number
            || NO_LIMITS.iter().any(|known| (known.0, known.1) == (place, name))
        {
            return None;
        }
        // The value may stand on lines of its own.
        let following: String = text.lines().skip(number).collect::<Vec<_>>().join(" ");
        let value = following.split_once('=')?.1.split(';').next()?;
        let default =
            evaluated(value).unwrap_or_else(|| panic!("{place}: {name}: this test cannot read `{value}`"));
        let unit = if name.ends_with("_S") || name.ends_with("_SECONDS") { 1_000 } else { 1 };
        let default = default.into_iter().map(|number| number * unit).collect();
        Some(Limit { name: name.to_owned(), place: place.to_owned(), default: Some(default) })
    })
}

/// The fields of `impl Default for ...Limits`.
fn fields<'a>(text: &'a str, place: &'a str) -> impl Iterator<Item = Limit> + 'a {
    let is_of_limits = |block: &&str| block.lines().next().is_some_and(|line| line.ends_with("Limits {"));
    let block = text.split("impl Default for ").skip(1).find(is_of_limits).unwrap_or_default();
    let block = block.split("\n}").next().unwrap_or_default();
    block.lines().filter_map(move |line| {
        let (name, value) = line.trim().trim_end_matches(',').split_once(": ")?;
        let default =
            evaluated(value).unwrap_or_else(|| panic!("{place}: {name}: this test cannot read `{value}`"));
        Some(Limit { name: name.to_owned(), place: place.to_owned(), default: Some(default) })
    })
}

/// Keys of a definition that are numbers or times, with the default that their descriptions name.
fn keys(root: &Path) -> Vec<Limit> {
    let schema = std::fs::read_to_string(root.join("sagas/definition.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let mut found = Vec::new();
    let mut look = |prefix: &str, holder: &Value| {
        for (key, property) in holder["properties"].as_object().into_iter().flatten() {
            let is_limit = property["type"] == "integer"
                || ["#/$defs/duration", "#/$defs/retry"].iter().any(|kind| property["$ref"] == *kind);
            if is_limit {
                let said = property["description"].as_str().unwrap_or_default();
                let default =
                    said.to_ascii_lowercase().split_once("default: ").and_then(|(_, default)| shown(default));
                let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                found.push(Limit { name, place: "definition".to_owned(), default });
            }
        }
    };
    look("", &schema);
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        match name.as_str() {
            // Its three keys are one row of each step's `retry` and `persist`.
            "retry" => {}
            "step" => look("", definition),
            name => look(name, definition),
        }
    }
    found
}

/// The flags of `serve` that are numbers, with their defaults; times in milliseconds.
pub(super) fn flags() -> Vec<(String, u128)> {
    let cli = Cli::command();
    let serve = cli.find_subcommand("serve").unwrap();
    let flags = serve.get_opts().filter_map(|option| {
        let default: u128 = option.get_default_values().first()?.to_str()?.parse().ok()?;
        let flag = format!("--{}", option.get_long()?);
        let unit = if flag.ends_with("-s") { 1_000 } else { 1 };
        Some((flag, default * unit))
    });
    flags.collect()
}

/// The value of a constant's expression: sums of nothing, but products, shifts, times and pairs of times.
fn evaluated(expression: &str) -> Option<Default> {
    let text = expression.trim();
    if let Some(pair) = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')) {
        let (left, right) = pair.split_once("), ")?;
        return Some([evaluated(&format!("{left})"))?, evaluated(right)?].concat());
    }
    // A bound has its name, and milliseconds.
    if let Some(named) = text.strip_prefix("bound(").and_then(|text| text.strip_suffix(')')) {
        return Some(vec![number(named.split_once(", ")?.1)?]);
    }
    let call = text.trim_start_matches("std::time::").strip_prefix("Duration::from_");
    if let Some((unit, argument)) = call.and_then(|call| call.strip_suffix(')')?.split_once('(')) {
        let unit = match unit {
            "millis" => 1,
            "secs" => 1_000,
            "mins" => 60_000,
            "hours" => 3_600_000,
            _ => return None,
        };
        return Some(vec![number(argument)? * unit]);
    }
    Some(vec![number(text)?])
}

fn number(text: &str) -> Option<u128> {
    if let Some((left, right)) = text.split_once("<<") {
        return Some(number(left)? << number(right)?);
    }
    text.split('*').map(|factor| factor.trim().replace('_', "").parse::<u128>().ok()).product()
}

/// The numbers of a default as the page writes it: `10 s`, `50 ms to 1 s`, `65,536 bytes`. Times in milliseconds.
pub(super) fn shown(text: &str) -> Option<Default> {
    let mut numbers = Vec::new();
    let text = text.replace(|c: char| !(c.is_ascii_alphanumeric() || c == ',' || c == ' '), " ");
    let text: String = text.split(", ").collect::<Vec<_>>().join(" ").replace(',', "");
    let words: Vec<&str> = text.split_whitespace().collect();
    for (index, word) in words.iter().enumerate() {
        let end = word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len());
        let Ok(number) = word[..end].parse::<u128>() else { continue };
        let unit = match &word[end..] {
            "" => words.get(index + 1).copied().unwrap_or_default(),
            unit => unit,
        };
        let millis = |unit: Duration| unit.as_millis();
        numbers.push(match unit {
            "s" => number * 1_000,
            "min" => number * millis(Duration::from_secs(60)),
            "h" => number * millis(Duration::from_secs(3_600)),
            "d" => number * millis(Duration::from_secs(86_400)),
            _ => number,
        });
    }
    (!numbers.is_empty()).then_some(numbers)
}
