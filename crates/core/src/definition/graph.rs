//! The order in which steps run: which ones each waits for.
//!
//! A step waits for those that its `after` names, and without `after` for the step above it: then the definition is a chain.

/// A set of a definition's steps, by their index: at most 64 (`STEPS_MAX`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct StepSet(u64);

impl StepSet {
    /// No step.
    pub const NONE: Self = Self(0);

    /// One step.
    pub const fn of(step: usize) -> Self {
        Self(if step < 64 { 1 << step } else { 0 })
    }

    /// The first `count` steps.
    pub const fn first(count: usize) -> Self {
        Self(if count >= 64 { u64::MAX } else { (1 << count) - 1 })
    }

    /// Whether `step` is one of them.
    pub const fn contains(self, step: usize) -> bool {
        step < 64 && self.0 & (1 << step) != 0
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those of both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of them are among `others`.
    pub const fn is_within(self, others: Self) -> bool {
        self.0 & !others.0 == 0
    }

    /// Each, in the order of the file.
    pub fn iter(self) -> Steps {
        Steps(self.0)
    }

    /// The first one in the file.
    pub const fn least(self) -> Option<usize> {
        if self.0 == 0 { None } else { Some(self.0.trailing_zeros() as usize) }
    }
}

/// The steps of a set, in the order of the file.
#[derive(Debug, Clone)]
pub struct Steps(u64);

impl Iterator for Steps {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let least = StepSet(self.0).least()?;
        // Without its lowest bit.
        self.0 &= self.0 - 1;
        Some(least)
    }
}

impl FromIterator<usize> for StepSet {
    fn from_iter<T: IntoIterator<Item = usize>>(steps: T) -> Self {
        steps.into_iter().fold(Self::NONE, |set, step| set.with(Self::of(step)))
    }
}

/// Which steps each step waits for, directly and through others. Steps wait for steps above them in the file alone, so
/// the file's order is an order of the graph, and there is no cycle.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Graph {
    after: Vec<StepSet>,
    before: Vec<StepSet>,
    behind: Vec<StepSet>,
}

impl Graph {
    /// The graph of steps that wait for these, each for steps above it.
    pub fn new(after: Vec<StepSet>) -> Self {
        let mut before: Vec<StepSet> = Vec::with_capacity(after.len());
        for direct in &after {
            let through = direct.iter().map(|step| before[step]).fold(*direct, StepSet::with);
            before.push(through);
        }
        let behind = (0..after.len())
            .map(|step| (0..after.len()).filter(|later| before[*later].contains(step)).collect())
            .collect();
        Self { after, before, behind }
    }

    /// How many steps there are.
    pub fn len(&self) -> usize {
        self.after.len()
    }

    /// Whether there are no steps.
    pub fn is_empty(&self) -> bool {
        self.after.is_empty()
    }

    /// The graph in which `step` waits for all steps above it, too.
    #[must_use]
    pub fn waiting_for_all_above(&self, step: usize) -> Self {
        let mut after = self.after.clone();
        after[step] = StepSet::first(step);
        Self::new(after)
    }

    /// Whether the steps run one after the other, as they stand in the file.
    pub fn is_chain(&self) -> bool {
        let above = |step: usize| step.checked_sub(1).map_or(StepSet::NONE, StepSet::of);
        self.after.iter().enumerate().all(|(step, after)| *after == above(step))
    }

    /// The steps that `step` waits for.
    pub fn after(&self, step: usize) -> StepSet {
        self.after[step]
    }

    /// The steps that `step` waits for, directly or through others.
    pub fn before(&self, step: usize) -> StepSet {
        self.before[step]
    }

    /// The steps that wait for `step`, directly or through others.
    pub fn behind(&self, step: usize) -> StepSet {
        self.behind[step]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(steps: &[usize]) -> StepSet {
        steps.iter().copied().collect()
    }

    #[test]
    fn waiting_is_transitive() {
        // A diamond, and a step beside it.
        let graph = Graph::new(vec![set(&[]), set(&[0]), set(&[0]), set(&[1, 2]), set(&[])]);
        assert_eq!(graph.before(3), set(&[0, 1, 2]));
        assert_eq!(graph.behind(0), set(&[1, 2, 3]));
        assert_eq!((graph.before(4), graph.behind(4)), (set(&[]), set(&[])));
        assert_eq!(graph.after(3), set(&[1, 2]));
        assert!(!graph.is_chain());
    }

    #[test]
    fn a_chain_of_as_many_steps_as_may_be_fits_the_set() {
        let graph =
            Graph::new((0..64).map(|step: usize| step.checked_sub(1).into_iter().collect()).collect());
        assert!(graph.is_chain());
        assert_eq!(graph.before(63), StepSet::first(63));
        assert_eq!(graph.behind(0).iter().count(), 63);
        assert_eq!((StepSet::first(64).iter().count(), StepSet::first(0)), (64, StepSet::NONE));
        assert!(
            StepSet::first(3).is_within(StepSet::first(64)) && !StepSet::of(63).is_within(StepSet::first(63))
        );
    }
}
