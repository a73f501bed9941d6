//! Bodies and outputs: jq programs, in mappings of any depth.

use super::keys::{Keys, MistakeNotes, is_word};
use super::tree::{self, KeyValue, NodeKind};
use super::{Spanned, in_quotes, shown};

/// A body or output: a jq program, or a mapping of names to such nodes.
pub(in super::super) enum CodeNode {
    Code(String),
    Members(Vec<(String, Spanned<CodeNode>)>),
}

impl CodeNode {
    pub(super) fn read_at(keys: &mut Keys<'_, '_>, key: &'static str) -> Option<Spanned<Self>> {
        let node = keys.node(key)?;
        Self::read(node, key, keys.notes)
    }

    /// A mapping of any names to expressions.
    pub(super) fn read_members(keys: &mut Keys<'_, '_>, key: &'static str) -> Vec<(String, Spanned<Self>)> {
        let mut members = Vec::new();
        for KeyValue { key: name, value, .. } in keys.names(key).into_iter().flatten() {
            if let Some(member) = Self::read(value, name, keys.notes) {
                members.push((name.clone(), member));
            }
        }
        members
    }

    /// `name` is the key of the expression.
    fn read(node: &tree::Node, name: &str, notes: &mut MistakeNotes<'_>) -> Option<Spanned<Self>> {
        let name = shown(name);
        let value = match &node.kind {
            NodeKind::Mistaken => return None,
            NodeKind::Scalar { .. } if node.is_null() => {
                let message = match is_word(&name) {
                    true => format!("`{name}` has no value; write an expression, or `'null'` for null"),
                    false => format!(
                        "`{name}` is no key: if it is a part of the expression before it, put that into quotes as a whole"
                    ),
                };
                notes.mistake(node.line, message);
                return None;
            }
            NodeKind::Scalar { text, is_plain } => {
                Self::Code(if *is_plain { as_jq(text) } else { text.clone() })
            }
            NodeKind::List(_) => {
                let given = in_quotes(&notes.text_of(node));
                let message = format!(
                    "`{name}` needs an expression, and YAML reads this as a list; put it into quotes: `{given}`"
                );
                notes.mistake(node.line, message);
                return None;
            }
            NodeKind::Mapping(entries) => {
                let mut members = Vec::with_capacity(entries.len());
                for KeyValue { key, value, .. } in entries {
                    if let Some(member) = Self::read(value, key, notes) {
                        members.push((key.clone(), member));
                    }
                }
                Self::Members(members)
            }
        };
        Some(Spanned { value, line: node.line })
    }
}

/// A scalar without quotes in jq's notation: YAML has more notations for a boolean or a number.
fn as_jq(text: &str) -> String {
    match text.to_lowercase().as_str() {
        "true" | "yes" | "on" | "y" => return "true".into(),
        "false" | "no" | "off" | "n" => return "false".into(),
        _ => {}
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let plain = digits.replace('_', "");
    let radix = [("0x", 16), ("0o", 8), ("0b", 2)]
        .into_iter()
        .find_map(|(prefix, radix)| Some((plain.strip_prefix(prefix)?, radix)))
        .and_then(|(digits, radix)| u64::from_str_radix(digits, radix).ok());
    if let Some(number) = radix {
        return format!("{sign}{number}");
    }
    let is_number = plain.trim_start_matches('.').starts_with(|c: char| c.is_ascii_digit());
    let plain = match plain.trim_start_matches('0') {
        // `007` is not a number in jq; `0` and `0.5` are.
        digits if digits.starts_with(|c: char| c.is_ascii_digit()) => digits,
        _ => &plain,
    };
    match plain.parse::<f64>() {
        // jq requires digits on both sides of a point.
        Ok(number) if is_number && (plain.starts_with('.') || plain.ends_with('.')) => {
            format!("{sign}{number}")
        }
        Ok(_) if is_number => format!("{sign}{plain}"),
        _ => text.to_owned(),
    }
}
