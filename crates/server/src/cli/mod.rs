//! The command line: one file for each command.

mod access;
mod archive;
mod audit;
mod backup;
mod check;
mod client;
mod commandes;
mod core_dumps;
mod database;
mod definitions;
mod demo;
mod exchange;
mod first_keys;
mod given;
mod health;
mod huge_pages;
mod keys;
mod listen;
mod migrate;
mod oidc;
mod output;
mod pages;
mod participants;
mod reconcile;
mod reload;
mod replaced;
mod retention;
mod sagas;
mod serve;
mod signals;
mod signing;
mod signing_keys;
mod sources;
mod table;
mod timeline;
mod tls;
mod trust;

use clap::{Parser, Subcommand};

pub use self::reconcile::Differences;
pub use self::serve::Died;

/// Runs orders as sagas over plain HTTP services: reserves stock, takes payment, records the sale, and undoes what
/// was done when a step fails, through crashes, timeouts and lost answers.
#[derive(Debug, Parser)]
#[command(name = "orchestrateur", version = crate::release::SAID.as_str())]
pub struct Cli {
    #[command(subcommand)]
    command: Subcommands,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Serve the API.
    Serve(Box<serve::Serve>),
    /// Make the database's tables, or bring them up to date, as the role that owns them.
    Migrate(migrate::Migrate),
    /// Copy the SQLite file of orders, also while `serve` uses it.
    Backup(backup::BackUp),
    /// Old orders that have left the journal (`serve --keep`): look at one.
    Archive(archive::ArchiveCommand),
    /// The database itself: take a restored or moved one for the journal's own.
    Database(database::DatabaseCommand),
    /// After a restore: compare the effects that services list with the orders, and propose what to do.
    Reconcile(Box<reconcile::Reconcile>),
    /// See it work: four orders through four services, in one process.
    Demo(demo::Demo),
    /// Ask a running `serve` whether it takes orders; fails when it does not.
    Health(health::Health),
    /// Orders: list them, look at one, stop one, bring a blocked one on.
    Commandes(commandes::Commandes),
    /// Sagas of any definition: start one, list them, look at one, stop one, bring a blocked one on, send one a signal.
    Sagas(sagas::SagasCommand),
    /// The definitions that a running `serve` has loaded, or one of them.
    Definitions(definitions::DefinitionsCommand),
    /// The services that orders call, as a running `serve` sees them.
    Participants(participants::Participants),
    /// All that one name did, as a running `serve` has recorded it.
    Audit(audit::Audit),
    /// Keys of callers: make one, list them, revoke those of a name.
    Keys(keys::KeysCommand),
    /// Keys that sign calls to participants: make one, print its public half, announce the next one, switch to it.
    SigningKeys(signing_keys::SigningKeysCommand),
    /// Check definitions, and print what was understood.
    Check(check::Check),
    /// Print the JSON Schema of definitions, for editors.
    Schema,
}

impl Cli {
    /// Runs the command to its end.
    pub fn run(self) -> anyhow::Result<()> {
        match self.command {
            Subcommands::Serve(serve) => runtime()?.block_on(serve.run()),
            Subcommands::Migrate(migrate) => runtime()?.block_on(migrate.run()),
            Subcommands::Backup(backup) => backup.run(),
            Subcommands::Archive(archive) => archive.run(),
            Subcommands::Database(database) => runtime()?.block_on(database.run()),
            Subcommands::Reconcile(reconcile) => runtime()?.block_on(reconcile.run()),
            Subcommands::Demo(demo) => runtime()?.block_on(demo.run()),
            Subcommands::Health(health) => runtime()?.block_on(health.run()),
            Subcommands::Commandes(commandes) => runtime()?.block_on(commandes.run()),
            Subcommands::Sagas(sagas) => runtime()?.block_on(sagas.run()),
            Subcommands::Definitions(definitions) => runtime()?.block_on(definitions.run()),
            Subcommands::Participants(participants) => runtime()?.block_on(participants.run()),
            Subcommands::Audit(audit) => runtime()?.block_on(audit.run()),
            Subcommands::Keys(keys) => keys.run(),
            Subcommands::SigningKeys(keys) => keys.run(),
            Subcommands::Check(check) => runtime()?.block_on(check.run()),
            Subcommands::Schema => output::say(crate::definitions::SCHEMA),
        }
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    use anyhow::Context;
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")
}
