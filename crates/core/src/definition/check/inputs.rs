//! The input and the labels of a file: what is declared, and what can be known of it.

use std::collections::BTreeMap;

use strum::VariantNames;

use super::super::suggest::write_one_of;
use super::super::yaml::{File, InputIn, Spanned};
use super::super::{InputForm, InputMember, InputSchema, InputType, LabelRule, Template};
use super::calls::{CheckedCall, Readable};
use super::{Checker, line};

/// The most labels of a definition.
const LABELS_MAX: usize = 8;

impl Checker<'_> {
    pub(super) fn input(&mut self, file: &File) -> InputForm {
        let schema = match &file.input {
            None => return InputForm::Members(Vec::new()),
            Some(InputIn::Members(members)) => return InputForm::Members(self.members(members)),
            Some(InputIn::Schema(schema)) => schema,
        };
        match InputSchema::new(schema.value.value.clone(), schema.value.properties.clone()) {
            Ok(schema) => InputForm::Schema(Box::new(schema)),
            Err(why) => {
                self.mistake(line(schema), why);
                self.inputs_known = false;
                InputForm::Members(Vec::new())
            }
        }
    }

    fn members(&mut self, given: &BTreeMap<String, Option<Spanned<String>>>) -> Vec<InputMember> {
        let mut members = Vec::with_capacity(given.len());
        for (name, written) in given {
            // The name of a member with the wrong form is still known.
            let (mut kind, mut optional) = (InputType::String, false);
            if let Some(written) = written {
                let text = written.value.trim();
                let word = text.strip_suffix('?');
                optional = word.is_some();
                kind = word.unwrap_or(text).trim_end().parse().unwrap_or_else(|_| {
                    let write = write_one_of(text, InputType::VARIANTS);
                    self.mistake(
                        line(written),
                        format!("input `{name}` has the unknown type `{text}`; {write}"),
                    );
                    // Declared nevertheless, so that expressions that read it are no mistakes.
                    InputType::String
                });
            }
            members.push(InputMember { name: name.as_str().into(), kind, optional });
        }
        members
    }

    pub(super) fn labels(&mut self, file: &File, input: &InputForm) -> Vec<LabelRule> {
        if let Some((_, value)) = file.labels.iter().nth(LABELS_MAX) {
            let there = file.labels.len();
            self.mistake(
                line(value),
                format!("there are {there} labels; the limit LABELS_MAX is {LABELS_MAX}"),
            );
        }
        let nothing = Readable {
            inputs: input,
            outputs: &[],
            above: &[],
            steps: &[],
            accepted: false,
            failure: false,
            of_a_step: false,
            own: None,
        };
        let mut labels = Vec::with_capacity(file.labels.len());
        for (name, value) in &file.labels {
            let at = line(value);
            let name = self.name(&Spanned { value: name.clone(), line: at }, "label");
            let code = &value.value;
            for path in Template::references(code).map(|(paths, _)| paths).unwrap_or_default() {
                if matches!(path[0].as_str(), "saga_id" | "created_at") {
                    self.mistake(
                        at,
                        format!("a label is made of the input alone, and `.{}` is none of it", path[0]),
                    );
                }
            }
            self.readable(code, at, &nothing, &mut CheckedCall::default());
            if let Some(value) = self.syntax(at, code, Template::parse(code)) {
                labels.push(LabelRule { name: name.into(), value });
            }
        }
        labels
    }
}
