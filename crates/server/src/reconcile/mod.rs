//! `orchestrateur reconcile`: what participants list, and what the journal believes, read in an order in which orders that go on meanwhile
//! are not mistaken for orphans.
//!
//! ```text
//!   1  listings to their ends        every effect there belongs to a saga whose start is in the journal
//!   2  the journal                   a saga that is over by now has had all its effects
//!   3  listings, from where they ended: whatever has come since 1, so all effects of the sagas that were over at 2
//!   4  compare (core)                sagas that were over at 2, and sagas of 1 that the journal did not have at 2
//! ```
//!
//! - `listings.rs`: 1 and 3. `beliefs.rs`: 2. `proposal.rs`: what a person may do about an orphan.
//!
//! Nothing is changed: participants get the requests of `effects`, which are GETs, and the journal is read.

mod beliefs;
mod listings;
mod proposal;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use saga_core::reconcile::{Orphan, OrphanKind, orphans};
use saga_core::{Incarnation, Timestamp};
use saga_engine::participants::HttpParticipants;
use saga_journal::Store;
use tokio::time::sleep;

use self::beliefs::Beliefs;
use self::listings::Listings;
pub use self::proposal::Proposal;
use crate::archive;
use crate::definitions::{Loaded, ReadSource};

/// Orphans that are told; the rest is counted.
pub const ORPHANS_TOLD_MAX: usize = 10_000;

/// A comparison that is to be made.
pub struct Reconciliation<'a> {
    /// The definitions, with the participants that list their effects.
    pub loaded: &'a Loaded,
    /// Reads the definitions that sagas are pinned to.
    pub read: ReadSource,
    /// How participants are asked.
    pub participants: HttpParticipants,
    /// The journal.
    pub store: Arc<dyn Store>,
    /// Effects of forgotten sagas and sagas without effects from then on; `None`: all.
    pub since: Option<Timestamp>,
    /// The folder to which old sagas go: sagas that are there and have completed are not forgotten.
    pub archive: Option<PathBuf>,
    /// Between reading the journal and asking for what has come since.
    pub settle: Duration,
}

/// The result.
#[derive(Debug)]
pub struct Findings {
    /// The journal's.
    pub incarnation: Incarnation,
    /// The participants, in the order of the definitions.
    pub participants: Vec<ParticipantListed>,
    /// Sagas that were compared.
    pub judged: usize,
    /// Sagas that were not, because they are under way or wait for a person.
    pub not_over: usize,
    /// Sagas that could not be read, with the reason of the first.
    pub unreadable: (usize, Option<String>),
    /// The differences, the oldest first.
    pub orphans: Vec<FoundOrphan>,
    /// How many more there are.
    pub untold: usize,
}

/// A participant, and whether it lists its effects.
#[derive(Debug)]
pub struct ParticipantListed {
    /// Its name.
    pub name: Arc<str>,
    /// Its address.
    pub address: Arc<str>,
    /// `None`: its definition has no `effects`, so nothing is known of it.
    pub listed: Option<Listed>,
}

/// The content of a listing.
#[derive(Debug, Clone, Copy)]
pub struct Listed {
    /// Effects of sagas.
    pub effects: usize,
    /// Items about no saga.
    pub of_others: usize,
}

/// A difference, and what may be done about it.
#[derive(Debug)]
pub struct FoundOrphan {
    /// What differs.
    pub orphan: Orphan,
    /// The participant's name.
    pub participant: Arc<str>,
    /// The definition of the saga, where it is known.
    pub definition: Option<Arc<str>>,
    /// What may be done.
    pub proposal: Proposal,
}

impl Reconciliation<'_> {
    /// Asks and compares.
    pub async fn run(self) -> anyhow::Result<Findings> {
        let mut listings = Listings::of(self.loaded);
        if listings.is_empty() {
            bail!(
                "no participant lists its effects: give at least one `effects: {{ get: /path, list: ... }}` in a definition \
                 (docs/definitions.md), and name the file with --definition; sagas/checkout-effects.yaml is one for the built-in checkout"
            );
        }
        listings.read_on(&self.participants).await?;
        let seen = listings.ledger();
        let mut beliefs = Beliefs::new(&*self.store, self.read, &listings);
        beliefs.read(seen.sagas(), self.since).await.context("read the journal")?;
        drop(seen);
        sleep(self.settle).await;
        listings.read_on(&self.participants).await?;
        let ledger = listings.ledger();
        let is_wanted = |orphan: &Orphan| {
            orphan.kind != OrphanKind::Forgotten
                || self.since.is_none_or(|since| orphan.since.is_none_or(|at| at >= since))
        };
        let mut found: Vec<Orphan> = Vec::new();
        for (saga, believed) in beliefs.sagas() {
            found.extend(orphans(*saga, ledger.of(*saga), believed).into_iter().filter(is_wanted));
        }
        if let Some(archive) = &self.archive {
            let forgotten = found.iter().filter(|orphan| orphan.kind == OrphanKind::Forgotten);
            let known = archive::completed(archive, &forgotten.map(|orphan| orphan.saga).collect())?;
            found.retain(|orphan| !known.contains(&orphan.saga));
        }
        found.sort_by(|one, other| {
            (one.since, one.saga, &one.step).cmp(&(other.since, other.saga, &other.step))
        });
        let untold = found.len().saturating_sub(ORPHANS_TOLD_MAX);
        found.truncate(ORPHANS_TOLD_MAX);
        let incarnation = self.store.incarnation().await.context("read the journal")?;
        let mut told = Vec::with_capacity(found.len());
        for orphan in found {
            let participant = listings.participant(orphan.source);
            let saga = beliefs.saga(orphan.saga).await.context("read the journal")?;
            let proposal = Proposal::about(&orphan, participant, saga.as_ref(), self.loaded, incarnation);
            let definition = saga.map(|saga| saga.definition().name.clone());
            told.push(FoundOrphan { participant: participant.name.clone(), definition, proposal, orphan });
        }
        let (judged, not_over) = beliefs.counts();
        Ok(Findings {
            incarnation,
            participants: listings.all(self.loaded),
            judged,
            not_over,
            unreadable: beliefs.unreadable(),
            orphans: told,
            untold,
        })
    }
}
