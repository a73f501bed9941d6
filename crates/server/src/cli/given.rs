//! JSON that a command line gives: as it stands, in a file, or from standard input.

use std::fs::File;
use std::io::{Read, stdin};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, bail};
use saga_core::Json;
use serde_json::Value;

/// The largest file with JSON that is read, and the most of standard input, in bytes.
const GIVEN_BYTES_MAX: u64 = 1 << 20;

/// The JSON that a flag gives.
#[derive(Debug, Clone)]
pub(super) enum GivenJson {
    Text(Json),
    File(PathBuf),
    /// `-`.
    Stdin,
}

impl FromStr for GivenJson {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        match Json::parse_unambiguous(given.as_bytes()) {
            Ok(json) => Ok(Self::Text(json)),
            Err(error) if given.trim_start().starts_with(['{', '[', '"']) => Err(no_json(&error)),
            Err(_) if given == "-" => Ok(Self::Stdin),
            Err(_) => Ok(Self::File(given.into())),
        }
    }
}

impl GivenJson {
    /// The JSON's text, unchanged: numbers keep all their digits.
    pub(super) fn read(&self) -> anyhow::Result<String> {
        let (text, place) = match self {
            Self::Text(json) => return Ok(json.text().to_owned()),
            Self::File(path) => {
                let text = file(path).context("this is no JSON, and no file that can be read")?;
                (text, path.display().to_string())
            }
            Self::Stdin => (all(stdin().lock(), "standard input")?, "standard input".to_owned()),
        };
        match Json::parse_unambiguous(text.as_bytes()) {
            Ok(_) => Ok(text),
            Err(error) => bail!("{place}: {}", no_json(&error)),
        }
    }
}

/// The text of a file.
pub(super) fn file(path: &Path) -> anyhow::Result<String> {
    let place = path.display().to_string();
    all(File::open(path).with_context(|| format!("read {place}"))?, &place)
}

/// All that there is to read.
fn all(source: impl Read, place: &str) -> anyhow::Result<String> {
    let mut text = String::new();
    // One byte more than the limit, whatever the size of the source.
    source.take(GIVEN_BYTES_MAX + 1).read_to_string(&mut text).with_context(|| format!("read {place}"))?;
    if text.len() as u64 > GIVEN_BYTES_MAX {
        bail!("{place} has more than {GIVEN_BYTES_MAX} bytes (GIVEN_BYTES_MAX)");
    }
    Ok(text)
}

/// A flag's value that is JSON as it stands.
pub(super) fn json_value(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| no_json(&error))
}

fn no_json(error: &serde_json::Error) -> String {
    format!("this is no JSON: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(given: &str) -> Result<String, String> {
        given.parse::<GivenJson>()?.read().map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn json_is_sent_as_it_is_written() {
        for json in ["7", "true", "\"a b\"", "{\"a\": 12345678901234567890.10}", " [1,2] "] {
            assert_eq!(read(json), Ok(json.trim().to_owned()));
        }
        for wrong in ["{\"a\":", "{\"a\":1,\"a\":2}", "[1", "\"a"] {
            assert!(read(wrong).unwrap_err().starts_with("this is no JSON: "), "{wrong}");
        }
    }

    #[test]
    fn a_file_is_read_up_to_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("7.json");
        let given = path.to_str().unwrap();
        let written = |bytes: u64| {
            std::fs::write(&path, format!("{}7", " ".repeat(bytes as usize - 1))).unwrap();
            read(given)
        };
        assert!(written(GIVEN_BYTES_MAX).unwrap().ends_with('7'));
        let refused = written(GIVEN_BYTES_MAX + 1).unwrap_err();
        assert!(refused.contains("has more than 1048576 bytes (GIVEN_BYTES_MAX)"), "{refused}");
        std::fs::write(&path, "7,").unwrap();
        assert!(read(given).unwrap_err().starts_with(&format!("{given}: this is no JSON: ")));
        assert!(read("no-such-file").unwrap_err().contains("no file that can be read: read no-such-file: "));
    }
}
