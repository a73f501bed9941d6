//! The answers of a run and how long they took.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

/// Answers and errors, of one connection or of all.
#[derive(Debug, Default)]
pub struct Tally {
    /// By `status:state`.
    answers: BTreeMap<(u16, String), u64>,
    microseconds: Vec<u32>,
    errors: BTreeMap<String, u64>,
}

impl Tally {
    /// Counts an answer.
    pub fn answer(&mut self, status: u16, body: &[u8], took: Duration) {
        let state = state(body);
        // Almost every answer has a state that was there before: no text is made for it.
        match self.answers.iter_mut().find(|((known, name), _)| *known == status && *name == state) {
            Some((_, count)) => *count += 1,
            None => drop(self.answers.insert((status, state.to_owned()), 1)),
        }
        self.microseconds.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }

    /// Counts a request that has no answer.
    pub fn error(&mut self, kind: String) {
        *self.errors.entry(kind).or_default() += 1;
    }

    /// Adds the counts of another connection.
    pub fn add(&mut self, other: Self) {
        self.microseconds.extend(other.microseconds);
        for (answer, count) in other.answers {
            *self.answers.entry(answer).or_default() += count;
        }
        for (kind, count) in other.errors {
            *self.errors.entry(kind).or_default() += count;
        }
    }

    /// The counts and times of a run of that length.
    pub fn report(mut self, connections: usize, seconds: f64) -> Value {
        self.microseconds.sort_unstable();
        let times = &self.microseconds;
        let quantile = |part: f64| match times.len().checked_sub(1) {
            Some(last) => times[(last as f64 * part).round() as usize],
            None => 0,
        };
        let counts: BTreeMap<String, u64> = self
            .answers
            .iter()
            .map(|((status, state), count)| (format!("{status}:{state}"), *count))
            .collect();
        json!({
            "connections": connections,
            "seconds": seconds,
            "answers": times.len(),
            "throughput": times.len() as f64 / seconds,
            "p50_us": quantile(0.5),
            "p99_us": quantile(0.99),
            "max_us": quantile(1.0),
            "counts": counts,
            "errors": self.errors,
        })
    }
}

/// The state that an answer names, without reading all of it: `etat_final` of an order, `state` of a saga.
/// `-` without one.
fn state(body: &[u8]) -> &str {
    let text = std::str::from_utf8(body).unwrap_or_default();
    ["\"etat_final\":\"", "\"state\":\""]
        .iter()
        .find_map(|member| text.split_once(member)?.1.split_once('"'))
        .map_or("-", |(state, _)| state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answers_state_is_found() {
        assert_eq!(state(br#"{"saga_id":"x","etat_final":"CONFIRMEE"}"#), "CONFIRMEE");
        assert_eq!(state(br#"{"id":"x","state":"COMPLETED","labels":{}}"#), "COMPLETED");
        assert_eq!(state(b"{}"), "-");
    }

    #[test]
    fn tallies_add_up() {
        let mut all = Tally::default();
        for (status, micros) in [(200, 10), (200, 30), (503, 20)] {
            let mut one = Tally::default();
            one.answer(status, br#"{"etat_final":"CONFIRMEE"}"#, Duration::from_micros(micros));
            all.add(one);
        }
        all.error("timeout".to_owned());
        let report = all.report(2, 0.5);
        assert_eq!(report["answers"], 3);
        assert_eq!(report["throughput"], 6.0);
        assert_eq!((&report["p50_us"], &report["max_us"]), (&json!(20), &json!(30)));
        assert_eq!(report["counts"], json!({ "200:CONFIRMEE": 2, "503:CONFIRMEE": 1 }));
        assert_eq!(report["errors"], json!({ "timeout": 1 }));
    }
}
