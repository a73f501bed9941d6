//! The sagas that are not over, counted: the figures are right after a restart and with several processes on one
//! database.

use std::collections::BTreeMap;
use std::sync::Arc;

use saga_core::Timestamp;
use saga_core::saga::Rollback;

/// The sagas that are not over, by their definition's name. A definition that has none is not there.
pub type Backlog = BTreeMap<Arc<str>, Unfinished>;

/// How many sagas are not over, and how long they have waited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unfinished {
    /// Going forward: `none`.
    pub forward: u64,
    /// Being rolled back: `running`.
    pub rolling_back: u64,
    /// Waiting for an operator: `blocked`. Rows with an unknown word in `rollback` count here, as lists show them.
    pub blocked: u64,
    /// Those of them all that are asleep: on disk, with no owner, until their time or a command.
    pub asleep: u64,
    /// When the longest-waiting saga was due, among the sagas that wait for no operator.
    pub oldest_due: Option<Timestamp>,
    /// Since when the saga that has waited for longest waits for an operator; where that is not known (its history
    /// cannot be read), since its last event.
    pub blocked_since: Option<Timestamp>,
}

/// The unfinished sagas of one definition and one `rollback`, as a store groups them.
pub(crate) struct Group<'r> {
    pub(crate) definition: &'r str,
    pub(crate) rollback: &'r str,
    pub(crate) sagas: i64,
    /// Those of them that are asleep.
    pub(crate) asleep: i64,
    /// The earliest instant at which one of them was to go on by itself.
    pub(crate) due_us: i64,
    /// The earliest instant since when one of them waits for an operator, or of a last event.
    pub(crate) since_us: i64,
}

impl Group<'_> {
    pub(crate) fn add_to(&self, backlog: &mut Backlog) {
        match backlog.get_mut(self.definition) {
            Some(unfinished) => unfinished.add(self),
            None => backlog.entry(self.definition.into()).or_default().add(self),
        }
    }
}

impl Unfinished {
    /// Both together.
    pub fn and(self, other: Self) -> Self {
        let earliest = |a: Option<Timestamp>, b: Option<Timestamp>| a.into_iter().chain(b).min();
        Self {
            forward: self.forward + other.forward,
            rolling_back: self.rolling_back + other.rolling_back,
            blocked: self.blocked + other.blocked,
            asleep: self.asleep + other.asleep,
            oldest_due: earliest(self.oldest_due, other.oldest_due),
            blocked_since: earliest(self.blocked_since, other.blocked_since),
        }
    }

    fn add(&mut self, group: &Group<'_>) {
        let earliest = |known: Option<Timestamp>, us| {
            let at = Timestamp::from_micros(us);
            Some(known.map_or(at, |known| known.min(at)))
        };
        self.asleep += group.asleep.unsigned_abs();
        let count = match group.rollback.parse() {
            Ok(Rollback::None) => &mut self.forward,
            Ok(Rollback::Running | Rollback::Done) => &mut self.rolling_back,
            Ok(Rollback::Blocked) | Err(_) => {
                self.blocked += group.sagas.unsigned_abs();
                self.blocked_since = earliest(self.blocked_since, group.since_us);
                return;
            }
        };
        *count += group.sagas.unsigned_abs();
        self.oldest_due = earliest(self.oldest_due, group.due_us);
    }
}
