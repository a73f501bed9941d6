//! Which traces are recorded.

use super::context::TraceFlags;
use super::ids::TraceId;

/// The bits of a trace's id that say by chance whether it is recorded: those that level 2 of Trace Context calls random. The first
/// bits of a saga's id are a time, and some behind them are fixed.
const RANDOM_BITS: u32 = 56;

/// Which traces are recorded: a caller's as the caller says, if that counts; others by their id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampler {
    is_parent_based: bool,
    /// Traces whose random bits are below this are recorded.
    below: u64,
}

/// A ratio is not between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a ratio is between 0 and 1")]
pub struct RatioOutside;

impl Sampler {
    /// Records every trace that begins here, and callers' traces as they say.
    pub const ALL: Self = Self { is_parent_based: true, below: 1 << RANDOM_BITS };
    /// Records no trace that begins here, and callers' traces as they say.
    pub const NONE: Self = Self { is_parent_based: true, below: 0 };

    /// Records this part of the traces that begin here, and callers' traces as they say.
    pub fn ratio(ratio: f64) -> Result<Self, RatioOutside> {
        if !(0.0..=1.0).contains(&ratio) {
            return Err(RatioOutside);
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is between 0 and 2^56"
        )]
        let below = (ratio * (1_u64 << RANDOM_BITS) as f64) as u64;
        Ok(Self { is_parent_based: true, below })
    }

    /// The same, whatever callers say.
    #[must_use]
    pub const fn whatever_callers_say(self) -> Self {
        Self { is_parent_based: false, ..self }
    }

    /// Whether a trace is recorded. `caller`: what the caller says of it, if it is a caller's.
    pub fn samples(&self, trace: TraceId, caller: Option<TraceFlags>) -> bool {
        match caller {
            Some(flags) if self.is_parent_based => flags.is_sampled(),
            _ => {
                let random = trace.bits() & ((1 << RANDOM_BITS) - 1);
                random < u128::from(self.below)
            }
        }
    }
}

impl Default for Sampler {
    fn default() -> Self {
        Self::ALL
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SagaId;

    fn part(sampler: Sampler) -> usize {
        let sagas = (0..10_000).map(|n: u32| SagaId::of_key("checkout", &n.to_string()));
        sagas.filter(|saga| sampler.samples(TraceId::of_saga(*saga), None)).count()
    }

    #[test]
    fn a_ratio_records_about_that_part() {
        let of = |ratio| part(Sampler::ratio(ratio).unwrap());
        assert_eq!((of(0.0), of(1.0)), (0, 10_000));
        assert_eq!((part(Sampler::NONE), part(Sampler::ALL)), (0, 10_000));
        for (ratio, about) in [(0.1, 1_000), (0.5, 5_000), (0.9, 9_000)] {
            assert!(of(ratio).abs_diff(about) < 200, "{ratio}: {}", of(ratio));
        }
        for outside in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert_eq!(Sampler::ratio(outside), Err(RatioOutside));
        }
    }

    #[test]
    fn a_caller_s_word_counts_where_it_is_to() {
        let trace = TraceId::new(7).unwrap();
        let says = |is_sampled| Some(TraceFlags::of(is_sampled));
        for sampler in [Sampler::ALL, Sampler::NONE, Sampler::ratio(0.5).unwrap()] {
            assert!(sampler.samples(trace, says(true)));
            assert!(!sampler.samples(trace, says(false)));
        }
        assert!(Sampler::ALL.whatever_callers_say().samples(trace, says(false)));
        assert!(!Sampler::NONE.whatever_callers_say().samples(trace, says(true)));
    }
}
