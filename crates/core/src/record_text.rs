//! The text of records that are kept together, as those of one append are: a JSON array. It is a persisted format.
//!
//! A record that says something unusual is an object, as [`Record`] has it. The others are most of a history, and each of them is an
//! array:
//!
//! ```text
//!   [at, state]                                                       completed
//!   [at, state, step, direction, attempt]                             attempt_started
//!   [at, state, step, direction, attempt, outcome, status, output]    attempt_ended
//! ```
//!
//! `at`: microseconds since the first record; of the first one, since 1970. `state`: the saga's new state, or null. `step`: its index in the definition.
//! `direction`: `a` (action), `c` (compensation), `p` (probe) or `o` (poll). `attempt`: its number. `outcome`: its word. `status`: that
//! of HTTP, or null. `output`: left out where there is none.
//!
//! Older releases have written objects alone.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeSeq, SerializeTuple};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::definition::StateName;
use crate::direction::Direction;
use crate::event::{Event, Outcome, Record};
use crate::id::{AttemptNumber, Timestamp};
use crate::json::Json;

/// The text of these records: always the same.
pub fn write(records: &[Record]) -> String {
    serde_json::to_string(&WrittenRecords(records))
        .expect("records have no maps with odd keys and write to memory")
}

/// The records of a text.
pub fn read(text: &[u8]) -> Result<Vec<Record>, serde_json::Error> {
    serde_json::from_slice(text).map(|ReadRecords(records)| records)
}

struct WrittenRecords<'r>(&'r [Record]);

struct ReadRecords(Vec<Record>);

impl Serialize for WrittenRecords<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut records = serializer.serialize_seq(Some(self.0.len()))?;
        let mut begun = None;
        for record in self.0 {
            match Short::of(record, begun.unwrap_or(0)) {
                Some(short) => records.serialize_element(&short)?,
                None => records.serialize_element(record)?,
            }
            begun.get_or_insert(record.at.as_micros());
        }
        records.end()
    }
}

/// A usual record.
struct Short<'r> {
    at: i64,
    state: &'r Option<StateName>,
    /// `None`: the saga has completed.
    attempt: Option<ShortAttempt<'r>>,
}

struct ShortAttempt<'r> {
    step: usize,
    direction: Direction,
    number: AttemptNumber,
    end: Option<ShortEnd<'r>>,
}

struct ShortEnd<'r> {
    outcome: Outcome,
    status: Option<u16>,
    output: &'r Option<Json>,
}

impl<'r> Short<'r> {
    /// `None`: the record says more than this has room for. `begun`: what its time counts from, in microseconds.
    fn of(record: &'r Record, begun: i64) -> Option<Self> {
        let Record { at, state, command: None, by: None, event } = record else { return None };
        let at = at.as_micros().checked_sub(begun)?;
        let (step, direction, number, end) = match event {
            Event::Completed => return Some(Self { at, state, attempt: None }),
            Event::AttemptStarted { step, direction, attempt } => (*step, *direction, *attempt, None),
            Event::AttemptEnded {
                step,
                direction,
                attempt,
                outcome,
                status,
                reason: None,
                output,
                retry_at: None,
            } => (*step, *direction, *attempt, Some(ShortEnd { outcome: *outcome, status: *status, output })),
            _ => return None,
        };
        Some(Self { at, state, attempt: Some(ShortAttempt { step, direction, number, end }) })
    }

    fn parts(&self) -> usize {
        match &self.attempt {
            None => 2,
            Some(ShortAttempt { end: None, .. }) => 5,
            Some(ShortAttempt { end: Some(ShortEnd { output: None, .. }), .. }) => 7,
            Some(ShortAttempt { end: Some(ShortEnd { output: Some(_), .. }), .. }) => 8,
        }
    }
}

impl Serialize for Short<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut parts = serializer.serialize_tuple(self.parts())?;
        parts.serialize_element(&self.at)?;
        parts.serialize_element(self.state)?;
        if let Some(ShortAttempt { step, direction, number, end }) = &self.attempt {
            parts.serialize_element(step)?;
            parts.serialize_element(&letter(*direction))?;
            parts.serialize_element(number)?;
            if let Some(ShortEnd { outcome, status, output }) = end {
                parts.serialize_element(outcome)?;
                parts.serialize_element(status)?;
                if let Some(output) = output {
                    parts.serialize_element(output)?;
                }
            }
        }
        parts.end()
    }
}

const fn letter(direction: Direction) -> char {
    match direction {
        Direction::Action => 'a',
        Direction::Compensation => 'c',
        Direction::Probe => 'p',
        Direction::Poll => 'o',
    }
}

fn direction(letter: char) -> Option<Direction> {
    let all = [Direction::Action, Direction::Compensation, Direction::Probe, Direction::Poll];
    all.into_iter().find(|direction| self::letter(*direction) == letter)
}

impl<'de> Deserialize<'de> for ReadRecords {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RecordsVisitor;
        impl<'de> Visitor<'de> for RecordsVisitor {
            type Value = Vec<Record>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of records")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut records: A) -> Result<Self::Value, A::Error> {
                let mut read: Vec<Record> = Vec::new();
                while let Some(record) =
                    records.next_element_seed(Behind { begun: read.first().map(|first| first.at) })?
                {
                    read.push(record);
                }
                Ok(read)
            }
        }
        deserializer.deserialize_seq(RecordsVisitor).map(Self)
    }
}

/// A record behind a first one that was recorded then; `None`: this is the first.
struct Behind {
    begun: Option<Timestamp>,
}

impl<'de> DeserializeSeed<'de> for Behind {
    type Value = Record;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Record, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Behind {
    type Value = Record;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Record, A::Error> {
        Record::deserialize(MapAccessDeserializer::new(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Record, A::Error> {
        fn part<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(parts: &mut A) -> Result<T, A::Error> {
            parts.next_element()?.ok_or_else(|| A::Error::custom("a short record has too few parts"))
        }
        let since: i64 = part(&mut parts)?;
        let begun = self.begun.map_or(0, Timestamp::as_micros);
        let at = begun.checked_add(since).ok_or_else(|| A::Error::custom("no such time"))?;
        let state = part(&mut parts)?;
        let event = match parts.next_element()? {
            None => Event::Completed,
            Some(step) => {
                let letter = part(&mut parts)?;
                let direction = direction(letter)
                    .ok_or_else(|| A::Error::custom(format_args!("`{letter}` is no direction")))?;
                let attempt = part(&mut parts)?;
                match parts.next_element()? {
                    None => Event::AttemptStarted { step, direction, attempt },
                    Some(outcome) => {
                        let (status, output) = (part(&mut parts)?, parts.next_element()?);
                        let (reason, retry_at) = (None, None);
                        Event::AttemptEnded {
                            step,
                            direction,
                            attempt,
                            outcome,
                            status,
                            reason,
                            output,
                            retry_at,
                        }
                    }
                }
            }
        };
        if parts.next_element::<serde::de::IgnoredAny>()?.is_some() {
            return Err(A::Error::custom("a short record has too many parts"));
        }
        Ok(Record { at: Timestamp::from_micros(at), state, command: None, by: None, event })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of each kind, as older releases have written them.
    const OBJECTS: &str = r#"[
        {"at":1000,"etat":"INITIEE","event":{"attempt_started":{"step":0,"direction":"action","attempt":1}}},
        {"at":1000,"event":{"attempt_started":{"step":0,"direction":"action","attempt":1}}},
        {"at":1007,"event":{"attempt_ended":{"step":0,"direction":"action","attempt":1,"outcome":"ok","status":200,"output":{"a":[1.50]}}}},
        {"at":1008,"etat":"STOCK","event":{"attempt_ended":{"step":1,"direction":"compensation","attempt":2,"outcome":"unknown"}}},
        {"at":990,"event":{"attempt_ended":{"step":1,"direction":"probe","attempt":3,"outcome":"not_sent","output":null}}},
        {"at":1009,"event":{"attempt_ended":{"step":1,"direction":"poll","attempt":1,"outcome":"refused","status":409,"reason":"no"}}},
        {"at":1009,"event":{"attempt_ended":{"step":1,"direction":"poll","attempt":1,"outcome":"accepted","retry_at":5}}},
        {"at":1010,"command":"01939f2e-7c1b-7c3e-9a52-0d8a6b1f4e21","event":{"attempt_started":{"step":0,"direction":"action","attempt":1}}},
        {"at":1010,"by":"ana","event":{"attempt_started":{"step":0,"direction":"action","attempt":1}}},
        {"at":1011,"etat":"CONFIRMEE","event":"completed"}
    ]"#;

    fn read(text: &str) -> Result<Vec<Record>, String> {
        super::read(text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn usual_records_are_short_and_all_are_read_as_they_were() {
        let records = read(OBJECTS).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Record>>(OBJECTS).unwrap(), records);
        let text = write(&records);
        let expected = [
            r#"[1000,"INITIEE",0,"a",1]"#,
            r#"[0,null,0,"a",1]"#,
            r#"[7,null,0,"a",1,"ok",200,{"a":[1.50]}]"#,
            r#"[8,"STOCK",1,"c",2,"unknown",null]"#,
            r#"[-10,null,1,"p",3,"not_sent",null,null]"#,
            r#"{"at":1009,"event":{"attempt_ended":{"step":1,"direction":"poll","attempt":1,"outcome":"refused","status":409,"reason":"no"}}}"#,
            r#"{"at":1009,"event":{"attempt_ended":{"step":1,"direction":"poll","attempt":1,"outcome":"accepted","retry_at":5}}}"#,
            r#"{"at":1010,"command":"01939f2e-7c1b-7c3e-9a52-0d8a6b1f4e21","event":{"attempt_started":{"step":0,"direction":"action","attempt":1}}}"#,
            r#"{"at":1010,"by":"ana","event":{"attempt_started":{"step":0,"direction":"action","attempt":1}}}"#,
            r#"[11,"CONFIRMEE"]"#,
        ];
        assert_eq!(text, format!("[{}]", expected.join(",")));
        assert_eq!(read(&text).unwrap(), records);
    }

    #[test]
    fn a_text_that_is_none_says_why() {
        let first = r#"{"at":1,"event":"rolled_back"}"#;
        for (rest, why) in [
            ("[0]", "too few parts"),
            (r#"[0,null,0,"a"]"#, "too few parts"),
            (r#"[0,null,0,"a",1,"ok"]"#, "too few parts"),
            (r#"[0,null,0,"x",1]"#, "`x` is no direction"),
            (r#"[0,null,0,"a",1,"ok",200,1,2]"#, "too many parts"),
            (r#"[0,null,-1,"a",1]"#, "invalid value"),
            (r#"[0,null,0,"a",1,"fine",200]"#, "unknown variant"),
            ("[9223372036854775807,null]", "no such time"),
            ("5", "expected a record"),
        ] {
            let error = read(&format!("[{first},{rest}]")).unwrap_err();
            assert!(error.contains(why), "{rest}: {error}");
        }
        assert!(read("{}").unwrap_err().contains("an array of records"));
        assert_eq!(read("[]"), Ok(Vec::new()));
    }
}
