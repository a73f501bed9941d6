//! Participants whose calls are signed: where the first one stands, and the headers that a signature needs for itself.

use super::super::yaml::{CallIn, CompensationIn, File, ParticipantIn, Spanned, StepIn};
use super::{Checker, line};

/// The headers of a signature: RFC 9421, 4, and RFC 9530, 2.
const OF_SIGNATURES: [&str; 3] = ["content-digest", "signature", "signature-input"];

impl Checker<'_> {
    /// Notes which participant is the first whose calls are signed, and refuses headers that a signature would replace.
    pub(super) fn signing(&mut self, file: &File) {
        let participants = file.participants.iter().flatten();
        let signed: Vec<(&str, &ParticipantIn)> = participants
            .filter_map(|(name, given)| Some((name.as_str(), &given.as_ref()?.value)))
            .filter(|(_, given)| given.sign.as_ref().is_some_and(|sign| sign.value))
            .collect();
        self.signs = signed.iter().filter_map(|(_, given)| given.sign.as_ref().map(line)).min();
        for (_, given) in &signed {
            for (header, value) in &given.headers {
                self.no_header_of_a_signature(header, line(value));
            }
        }
        let is_signed = |step: &&Spanned<StepIn>| {
            let called = step.value.participant.as_ref();
            called.is_some_and(|called| signed.iter().any(|(name, _)| *name == called.value))
        };
        for call in file
            .steps
            .iter()
            .flat_map(|steps| &steps.value)
            .filter(is_signed)
            .flat_map(|step| calls(&step.value))
        {
            for (header, value) in &call.headers {
                self.no_header_of_a_signature(header, line(value));
            }
        }
    }

    fn no_header_of_a_signature(&mut self, header: &str, at: usize) {
        if OF_SIGNATURES.iter().any(|name| name.eq_ignore_ascii_case(header)) {
            let why = "the participant's calls are signed, and the signature sets it";
            self.mistake(at, format!("the header `{header}` cannot be set: {why}; remove it"));
        }
    }
}

/// All calls of a step.
fn calls(step: &StepIn) -> impl Iterator<Item = &CallIn> {
    let action = step.action.as_ref().map(|action| &action.value);
    let poll = action.and_then(|action| action.poll.as_ref()).map(|poll| &poll.value.call);
    let compensation = match step.compensation.as_ref().map(|compensation| &compensation.value) {
        Some(CompensationIn::Call(call)) => Some(&**call),
        Some(CompensationIn::Word(_) | CompensationIn::Mistaken) | None => None,
    };
    let probe = step.probe.as_ref().map(|probe| &probe.value.call);
    [action, poll, compensation, probe].into_iter().flatten()
}
