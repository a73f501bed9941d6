//! The words of this face: the values that the core has in English, as they stand on the wire. A new value in the core
//! does not compile before it has its word here.
//!
//! The names of members are the fields of this folder's structs.

use clap::ValueEnum;
use saga_core::definition::StateName;
use saga_core::event::{Finding, Stuck};
use saga_core::{Direction, Outcome, saga};
use serde::de::IntoDeserializer;
use serde::de::value::Error;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A state of the definition; the built-in checkout has these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(
    value_type = String,
    examples(
        "INITIEE", "STOCK_RESERVE", "PAIEMENT_EFFECTUE", "COMMANDE_ENREGISTREE", "CONFIRMEE", "ECHEC_STOCK",
        "ECHEC_PAIEMENT", "ECHEC_ENREGISTREMENT", "ANNULEE"
    )
)]
pub(crate) struct Etat(StateName);

impl From<StateName> for Etat {
    fn from(name: StateName) -> Self {
        Self(name)
    }
}

/// Whether what was done is being undone. `BLOQUE`: a person is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Rollback {
    Aucun,
    EnCours,
    Termine,
    Bloque,
}

impl From<saga::Rollback> for Rollback {
    fn from(rollback: saga::Rollback) -> Self {
        match rollback {
            saga::Rollback::None => Self::Aucun,
            saga::Rollback::Running => Self::EnCours,
            saga::Rollback::Done => Self::Termine,
            saga::Rollback::Blocked => Self::Bloque,
        }
    }
}

impl From<Rollback> for saga::Rollback {
    fn from(rollback: Rollback) -> Self {
        match rollback {
            Rollback::Aucun => Self::None,
            Rollback::EnCours => Self::Running,
            Rollback::Termine => Self::Done,
            Rollback::Bloque => Self::Blocked,
        }
    }
}

/// `EXECUTEE`: the step's effect is there, and is undone now. `NON_EXECUTEE`: it had no effect. `ANNULEE`: its effect is
/// gone, undone by hand.
// The command line shows the variants' comments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, ValueEnum)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Constat {
    /// The step's effect is there; it is undone now.
    Executee,
    /// The step had no effect.
    NonExecutee,
    /// The step's effect is gone: it was undone by hand.
    Annulee,
}

impl From<Finding> for Constat {
    fn from(finding: Finding) -> Self {
        match finding {
            Finding::Ran => Self::Executee,
            Finding::NotRun => Self::NonExecutee,
            Finding::Undone => Self::Annulee,
        }
    }
}

impl From<Constat> for Finding {
    fn from(constat: Constat) -> Self {
        match constat {
            Constat::Executee => Self::Ran,
            Constat::NonExecutee => Self::NotRun,
            Constat::Annulee => Self::Undone,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Quoi {
    Annuler,
    Reprendre,
    Resoudre,
}

/// `rollback_decide`: stopped on request or by its deadline. `bloque`: a person is needed. `repris`, `resolu`: a person's
/// word. `pris_en_charge`: another process, or the same one after a restart, goes on. `saute`: the step's condition does
/// not hold. `attend`: the step waits for a signal or a time. `pause_finie`: that time has come. `signal`: one was sent.
/// `signal_pris`: the step has taken one. `passe_outre`: an optional step has failed. `sortie`: the saga's output is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fait {
    RollbackDecide,
    Bloque,
    Repris,
    Resolu,
    PrisEnCharge,
    Saute,
    Attend,
    PauseFinie,
    Signal,
    SignalPris,
    PasseOutre,
    Sortie,
}

/// The kind of obstacle, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Motif {
    ActionFailing,
    ActionUnknown,
    CompensationUnknown,
    CompensationFailing,
    ActionUnsettled,
    HorizonPassed,
    NothingToUndo,
    TaskFailed,
}

impl From<Stuck> for Motif {
    fn from(stuck: Stuck) -> Self {
        match stuck {
            Stuck::ActionFailing => Self::ActionFailing,
            Stuck::ActionUnknown => Self::ActionUnknown,
            Stuck::CompensationUnknown => Self::CompensationUnknown,
            Stuck::CompensationFailing => Self::CompensationFailing,
            Stuck::ActionUnsettled => Self::ActionUnsettled,
            Stuck::HorizonPassed => Self::HorizonPassed,
            Stuck::NothingToUndo => Self::NothingToUndo,
            Stuck::TaskFailed => Self::TaskFailed,
        }
    }
}

/// Whether a call does its step, undoes it, or asks what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Sens {
    Action,
    Compensation,
    Probe,
    Poll,
}

impl From<Direction> for Sens {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Action => Self::Action,
            Direction::Compensation => Self::Compensation,
            Direction::Probe => Self::Probe,
            Direction::Poll => Self::Poll,
        }
    }
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Resultat {
    Ok,
    Accepted,
    Refused,
    Unknown,
    NotSent,
}

impl From<Outcome> for Resultat {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Ok => Self::Ok,
            Outcome::Accepted => Self::Accepted,
            Outcome::Refused => Self::Refused,
            Outcome::Unknown => Self::Unknown,
            Outcome::NotSent => Self::NotSent,
        }
    }
}

/// The value that a word of the wire stands for; `None`: it is none of them.
pub(crate) fn read<'a, W: Deserialize<'a>>(word: &'a str) -> Option<W> {
    W::deserialize(IntoDeserializer::<Error>::into_deserializer(word)).ok()
}
