//! The requirements on the database and the role, checked once at the start.

use std::fmt::Write;

use super::bounds::OPERATION_DEADLINE;
use super::link::{Link, StatementError};
use super::sql;
use crate::OpenError;

/// The database's settings, as this session has them.
#[derive(Debug, Default)]
struct SessionSettings {
    synchronous_commit: Option<String>,
    synchronous_standby_names: Option<String>,
    fsync: Option<String>,
    full_page_writes: Option<String>,
    server_encoding: Option<String>,
    client_min_messages: Option<String>,
}

/// Fails where orders would be lost or could not be written, and warns where a crash of more than this process might
/// lose some.
pub(super) async fn settings(link: &Link) -> Result<(), OpenError> {
    let rows = OPERATION_DEADLINE
        .hold(link.query(sql::SETTINGS, &[]), StatementError::Doubtful)
        .await
        .map_err(|error| OpenError::Database(error.text().to_owned()))?;
    let setting = |index| rows.first().and_then(|row| row.try_get::<_, Option<String>>(index).ok().flatten());
    let settings = SessionSettings {
        synchronous_commit: setting(0),
        synchronous_standby_names: setting(1),
        fsync: setting(2),
        full_page_writes: setting(3),
        server_encoding: setting(4),
        client_min_messages: setting(5),
    };
    if let Some(objection) = settings.objection() {
        return Err(OpenError::Setting(objection));
    }
    for warning in settings.warnings() {
        tracing::warn!("{warning}");
    }
    Ok(())
}

impl SessionSettings {
    /// Why the journal cannot be kept there.
    fn objection(&self) -> Option<String> {
        if let Some(encoding) = self.server_encoding.as_deref().filter(|encoding| *encoding != "UTF8") {
            return Some(format!(
                "this database's encoding is {encoding}, which cannot hold every text that services and callers send, \
                 so orders would stand still: make one with CREATE DATABASE orchestrateur ENCODING 'UTF8' TEMPLATE \
                 template0 LC_COLLATE 'C' LC_CTYPE 'C', and name that one in DATABASE_URL"
            ));
        }
        if self.synchronous_commit.as_deref() == Some("off") {
            return Some(
                "this database answers commits before they are on disk (synchronous_commit = off), so a crash could \
                 lose orders: run ALTER DATABASE ... SET synchronous_commit = on, or the same for the role"
                    .to_owned(),
            );
        }
        let is_deaf = matches!(self.client_min_messages.as_deref(), Some("error" | "fatal" | "panic"));
        is_deaf.then(|| {
            "this database does not send warnings (client_min_messages), so this process would not learn that a commit \
             did not reach its standby: run ALTER DATABASE ... SET client_min_messages = warning, or the same for the \
             role"
                .to_owned()
        })
    }

    /// Warnings for the operator, one sentence each.
    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let standbys = self.synchronous_standby_names.as_deref().filter(|names| !names.is_empty());
        if let (Some(names), Some(commit @ ("local" | "remote_write"))) =
            (standbys, self.synchronous_commit.as_deref())
        {
            let danger = match commit {
                "local" => "orders are acknowledged before a standby has them, and a failover loses those",
                _ => {
                    "orders are acknowledged before a standby has them on disk, and a power cut there loses those"
                }
            };
            warnings.push(format!(
                "PostgreSQL runs with synchronous_commit={commit} beside synchronous_standby_names={names}: {danger}; \
                 set synchronous_commit=on for the database or the role"
            ));
        }
        if self.fsync.as_deref() == Some("off") {
            warnings.push(
                "PostgreSQL runs with fsync=off: a power cut can lose or damage every order; set fsync=on"
                    .to_owned(),
            );
        }
        if self.full_page_writes.as_deref() == Some("off") {
            warnings.push(
                "PostgreSQL runs with full_page_writes=off: a power cut can damage orders unless its disk never \
                 writes half a page; set full_page_writes=on"
                    .to_owned(),
            );
        }
        warnings
    }
}

/// Fails if the role lacks a right that a replica needs. The role need not own anything, nor have the right to change
/// events.
pub(super) async fn rights(link: &Link) -> Result<(), OpenError> {
    let missing = OPERATION_DEADLINE
        .hold(link.query(sql::RIGHTS_MISSING, &[]), StatementError::Doubtful)
        .await
        .map_err(|error| OpenError::Database(error.text().to_owned()))?;
    let mut grants = String::new();
    for row in &missing {
        let (Ok(table), Ok(privilege)) = (row.try_get::<_, &str>(0), row.try_get::<_, &str>(1)) else {
            continue;
        };
        write!(grants, " GRANT {privilege} ON {table} TO the role;").expect("writing to memory cannot fail");
    }
    if grants.is_empty() { Ok(()) } else { Err(OpenError::Rights { grants: grants.trim().to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(settings: &[(&str, &str)]) -> SessionSettings {
        let value = |name: &str| {
            settings.iter().find(|(setting, _)| *setting == name).map(|(_, value)| (*value).to_owned())
        };
        SessionSettings {
            synchronous_commit: value("synchronous_commit"),
            synchronous_standby_names: value("synchronous_standby_names"),
            fsync: value("fsync"),
            full_page_writes: value("full_page_writes"),
            server_encoding: value("server_encoding"),
            client_min_messages: value("client_min_messages"),
        }
    }

    #[test]
    fn what_would_lose_orders_is_refused_and_what_might_is_said() {
        for (settings, objection) in [
            (&[("server_encoding", "LATIN1")][..], "ENCODING 'UTF8'"),
            (&[("server_encoding", "SQL_ASCII")], "ENCODING 'UTF8'"),
            (&[("synchronous_commit", "off")], "SET synchronous_commit = on"),
            (&[("client_min_messages", "error")], "SET client_min_messages = warning"),
        ] {
            let found = set(settings).objection();
            assert!(found.as_ref().is_some_and(|text| text.contains(objection)), "{settings:?}: {found:?}");
        }
        let good =
            [("server_encoding", "UTF8"), ("synchronous_commit", "on"), ("client_min_messages", "notice")];
        assert_eq!(set(&good).objection(), None);
        for (settings, words) in [
            (
                &[("synchronous_commit", "local"), ("synchronous_standby_names", "*")][..],
                "synchronous_commit=local",
            ),
            (&[("synchronous_commit", "remote_write"), ("synchronous_standby_names", "a")], "remote_write"),
            (&[("fsync", "off")], "fsync=off"),
            (&[("full_page_writes", "off")], "full_page_writes=off"),
        ] {
            let found = set(settings).warnings();
            assert!(found.len() == 1 && found[0].contains(words), "{settings:?}: {found:?}");
        }
        let harmless = [("synchronous_commit", "local"), ("synchronous_standby_names", ""), ("fsync", "on")];
        assert_eq!(set(&harmless).warnings(), [""; 0]);
    }
}
