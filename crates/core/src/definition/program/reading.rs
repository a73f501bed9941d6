//! Checks foreign JSON before jaq reads it: its depth, and the cost of reading it.
//!
//! jaq reads recursively and makes every value that it reads; a number of a million digits takes it minutes. One pass
//! over the text finds both beforehand.

use jaq_json::Val;

use super::meter::{self, EXPRESSION_DEPTH_MAX, EXPRESSION_TEXT_BYTES_MAX, Limit};
use super::value::{ELEMENT_BYTES, MEMBER_BYTES, Metered, OBJECT_BYTES};

/// Bytes of one number that an expression reads.
pub(super) const NUMBER_BYTES_MAX: usize = 1_000;

/// The values that a JSON text contains.
struct Survey {
    depth: u32,
    bytes: usize,
    /// NaN literals: each equals nothing, so as a key it is compared with all the others.
    nans: usize,
}

/// Reads one value and charges the budget.
pub(super) fn read(text: &[u8]) -> Result<Metered, String> {
    let depth = charge(text)?;
    let val = jaq_json::read::parse_single(text).map_err(|error| error.to_string())?;
    Ok(Metered::new(val, depth))
}

/// Reads all values of a text and charges the budget.
pub(super) fn read_many(text: &[u8]) -> impl Iterator<Item = Result<Metered, String>> {
    let (depth, refused) = match charge(text) {
        Ok(depth) => (depth, None),
        Err(refused) => (0, Some(Err(refused))),
    };
    let text = if refused.is_some() { &[] } else { text };
    let values = jaq_json::read::parse_many(text).map(move |val: Result<Val, _>| match val {
        Ok(val) => {
            meter::work(1);
            Ok(Metered::new(val, depth))
        }
        Err(error) => Err(error.to_string()),
    });
    refused.into_iter().chain(values)
}

/// Charges the cost of reading `text`; returns its depth.
fn charge(text: &[u8]) -> Result<u32, String> {
    meter::work(text.len() / 8);
    let survey = survey(text)?;
    if survey.depth > EXPRESSION_DEPTH_MAX {
        meter::over(Limit::Depth);
    }
    meter::bytes(survey.bytes);
    meter::work(survey.bytes / 24);
    meter::work(survey.nans.saturating_mul(survey.nans));
    Ok(survey.depth)
}

fn survey(text: &[u8]) -> Result<Survey, String> {
    let mut survey = Survey { depth: 0, bytes: ELEMENT_BYTES, nans: 0 };
    let (mut depth, mut at) = (0_u32, 0_usize);
    while let Some(byte) = text.get(at) {
        at += 1;
        match byte {
            b'{' | b'[' => {
                depth += 1;
                survey.depth = survey.depth.max(depth);
                survey.bytes += if *byte == b'{' { OBJECT_BYTES + MEMBER_BYTES } else { 112 };
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            // One more element or member; this place does not know which of both.
            b',' => survey.bytes += ELEMENT_BYTES,
            b':' => survey.bytes += MEMBER_BYTES - ELEMENT_BYTES,
            b'N' | b'I' => survey.nans += 1,
            b'#' => at += text[at..].iter().position(|byte| *byte == b'\n').unwrap_or(text.len() - at),
            b'"' => {
                let begin = at;
                while let Some(byte) = text.get(at) {
                    at += 1;
                    match byte {
                        b'"' => break,
                        b'\\' => at += 1,
                        _ => {}
                    }
                }
                let length = at.min(text.len()) - begin;
                if length > EXPRESSION_TEXT_BYTES_MAX {
                    meter::over(Limit::Text);
                }
                // Its bytes, twice while it grows, and the structure that holds them.
                survey.bytes += 64 + 2 * length;
            }
            b'0'..=b'9' | b'+' | b'-' => {
                let is_part = |byte: &u8| !matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
                let length = text[at..].iter().position(is_part).unwrap_or(text.len() - at) + 1;
                if length > NUMBER_BYTES_MAX {
                    return Err(format!(
                        "a number of {length} bytes; the limit NUMBER_BYTES_MAX is {NUMBER_BYTES_MAX}"
                    ));
                }
                let is_small = length <= 18 && !text[at..at + length - 1].iter().any(|b| b".eE".contains(b));
                survey.bytes += if is_small { 0 } else { 96 + length };
                at += length - 1;
            }
            _ => {}
        }
    }
    Ok(survey)
}
