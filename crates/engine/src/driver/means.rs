//! The parts that the tasks of all sagas share: how a call leaves, and how an event gets onto the disk.

use std::sync::Arc;

use saga_journal::Journal;

use crate::admission::Admission;
use crate::announce::Announcer;
use crate::breakers::Breakers;
use crate::clock::Clock;
use crate::journal_health::JournalHealth;
use crate::limits::Limits;
use crate::membership::Membership;
use crate::observer::Observer;
use crate::participants::Participants;
use crate::resting::RestQueue;

/// The parts that the tasks of all sagas share.
pub(crate) struct Means {
    pub(crate) clock: Arc<Clock>,
    pub(crate) limits: Limits,
    /// How calls leave.
    pub(crate) calls: Calls,
    /// How events get onto the disk.
    pub(crate) saves: Saves,
    /// How sagas leave memory.
    pub(crate) rests: RestQueue,
}

/// How calls leave.
pub(crate) struct Calls {
    pub(crate) participants: Arc<dyn Participants>,
    pub(crate) breakers: Breakers,
    pub(crate) admission: Arc<Admission>,
    pub(crate) membership: Arc<Membership>,
    pub(crate) observer: Arc<dyn Observer>,
}

/// The journal, and the listeners that events on disk are reported to.
pub(crate) struct Saves {
    pub(crate) journal: Journal,
    pub(crate) health: Arc<JournalHealth>,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) announcer: Announcer,
}
