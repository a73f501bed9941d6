//! The ids of traces and spans.

use std::fmt;

use crate::direction::Direction;
use crate::id::{AttemptNumber, SagaId, Seq};

/// Identifies a trace: 128 bits, never all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId(u128);

/// Identifies a span within its trace: 64 bits, never all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId(u64);

/// The kinds of things that an id is derived for, so that no two of them share one.
#[derive(Clone, Copy)]
enum Derived {
    /// Both halves of a trace's id.
    TraceHigh = 1,
    TraceLow = 2,
    Saga = 3,
    Step = 4,
    Attempt = 5,
}

/// A trace's id, or a span's, is all zero: that stands for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllZero;

impl TraceId {
    /// The id of these bits.
    pub const fn new(bits: u128) -> Result<Self, AllZero> {
        if bits == 0 { Err(AllZero) } else { Ok(Self(bits)) }
    }

    /// The trace of a saga whose caller sent none: it has the saga's id.
    pub fn of_saga(saga: SagaId) -> Self {
        Self(saga.as_uuid().as_u128().max(1))
    }

    /// The trace in which a saga goes on at this event, after a pause.
    pub fn after_pause(saga: SagaId, since: Seq) -> Self {
        let half = |half| u128::from(derive(half, saga, [since.get(), 0]));
        Self((half(Derived::TraceHigh) << 64) | half(Derived::TraceLow))
    }

    /// Its bits.
    pub const fn bits(self) -> u128 {
        self.0
    }
}

impl SpanId {
    /// The id of these bits.
    pub const fn new(bits: u64) -> Result<Self, AllZero> {
        if bits == 0 { Err(AllZero) } else { Ok(Self(bits)) }
    }

    /// The span of a saga in the trace that begins at this event.
    pub fn of_saga(saga: SagaId, since: Seq) -> Self {
        Self(derive(Derived::Saga, saga, [since.get(), 0]))
    }

    /// The span of a step that is done, or undone, in the trace that begins at this event. `before`: how many such spans of the step have ended
    /// in that trace.
    pub fn of_step(saga: SagaId, since: Seq, (step, direction): (usize, Direction), before: u32) -> Self {
        let place = place(step, direction) | (u64::from(before) << STEP_BITS);
        Self(derive(Derived::Step, saga, [since.get(), place]))
    }

    /// The span of an attempt.
    pub fn of_attempt(saga: SagaId, step: usize, direction: Direction, attempt: AttemptNumber) -> Self {
        Self(derive(Derived::Attempt, saga, [place(step, direction), attempt.get().into()]))
    }

    /// Its bits.
    pub const fn bits(self) -> u64 {
        self.0
    }
}

/// More bits than the index of any step and its direction have.
const STEP_BITS: u32 = 32;

fn place(step: usize, direction: Direction) -> u64 {
    let direction = match direction {
        Direction::Action => 0,
        Direction::Compensation => 1,
        Direction::Probe => 2,
        Direction::Poll => 3,
    };
    ((step as u64) << 2) | direction
}

/// A number that is derived from these, and hardly from any others: each word is mixed in by the finalizer of MurmurHash3. A
/// cryptographic hash would cost each call more than all its other headers.
fn derive(what: Derived, saga: SagaId, of: [u64; 2]) -> u64 {
    let (high, low) = saga.as_uuid().as_u64_pair();
    let mixed = [what as u64, high, low, of[0], of[1]].into_iter().fold(0, |state: u64, word| {
        let mut mixed = state.wrapping_add(0x9e37_79b9_7f4a_7c15) ^ word;
        mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        mixed ^ (mixed >> 33)
    });
    mixed.max(1)
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use uuid::Uuid;

    use super::*;

    /// Another release may go on with a saga whose calls have left with these ids. They were made with another implementation.
    #[test]
    fn the_ids_of_a_saga_never_change() {
        let saga = SagaId::of_key("travel", "trip-7");
        let seq = Seq::NONE.next().next();
        let attempt = AttemptNumber::FIRST.next();
        assert_eq!(TraceId::of_saga(saga).to_string(), "b6c8e29a6b088b49a20630de7302ed88");
        assert_eq!(TraceId::after_pause(saga, seq).to_string(), "acd34d7d8528a6492cec99d6ec066746");
        assert_eq!(SpanId::of_saga(saga, Seq::NONE).to_string(), "f12f4077bb9fdee0");
        assert_eq!(SpanId::of_step(saga, seq, (1, Direction::Action), 0).to_string(), "0bbd6445b46d701c");
        assert_eq!(SpanId::of_attempt(saga, 1, Direction::Action, attempt).to_string(), "d9cd68a4efae631b");
    }

    #[test]
    fn no_two_spans_of_a_thousand_sagas_share_an_id() {
        let mut seen = HashSet::new();
        let directions = [Direction::Action, Direction::Compensation, Direction::Probe, Direction::Poll];
        for saga in (0..1_000).map(|n| SagaId::new(Uuid::from_u128(n))) {
            assert!(seen.insert(SpanId::of_saga(saga, Seq::NONE)));
            for (step, direction) in (0..8).flat_map(|step| directions.map(|direction| (step, direction))) {
                assert!(seen.insert(SpanId::of_step(saga, Seq::NONE, (step, direction), 0)));
                assert!(seen.insert(SpanId::of_step(saga, Seq::NONE, (step, direction), 1)));
                let (first, second) = (AttemptNumber::FIRST, AttemptNumber::FIRST.next());
                assert!(seen.insert(SpanId::of_attempt(saga, step, direction, first)));
                assert!(seen.insert(SpanId::of_attempt(saga, step, direction, second)));
            }
        }
    }

    #[test]
    fn no_id_is_all_zero() {
        assert_eq!(TraceId::of_saga(SagaId::new(Uuid::nil())).bits(), 1);
        assert_eq!(TraceId::new(0), Err(AllZero));
        assert_eq!(SpanId::new(0), Err(AllZero));
    }
}
