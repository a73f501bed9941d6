//! Recovery to a point in time: a base backup, an archive of the write-ahead log, and a cluster that comes back from both as it was at that
//! point. The commands are those of "Point-in-time recovery" in `docs/operations.md`.

use std::path::PathBuf;
use std::process::Command;

use super::{Cluster, SERVER_USER, is_root, run};

/// Where a recovery ends.
#[derive(Debug, Clone)]
pub enum RecoveryTarget {
    /// At a restore point of this name.
    Name(String),
    /// With the last commit until then, by the server's clock.
    Time(String),
}

impl RecoveryTarget {
    fn setting(&self) -> String {
        match self {
            Self::Name(name) => format!("recovery_target_name = '{name}'"),
            Self::Time(time) => format!("recovery_target_time = '{time}'"),
        }
    }
}

impl Cluster {
    /// Makes a cluster that archives its write-ahead log.
    pub fn start_with_archive() -> Self {
        Self::make_with(|cluster| {
            cluster.initialize();
            run(Command::new("mkdir").arg(cluster.archive()));
            if is_root() {
                run(Command::new("chown").arg(SERVER_USER).arg(cluster.archive()));
            }
            cluster.configure(&cluster.archiving());
        })
    }

    /// Makes a base backup of the running server.
    pub fn back_up_base(&self) {
        let port = self.port.to_string();
        let from = ["-h", "127.0.0.1", "-U", super::ROLE, "-p", &port];
        run(self
            .tool("pg_basebackup")
            .args(from)
            .args(["--checkpoint=fast", "--no-sync", "-D"])
            .arg(self.base()));
    }

    /// A restore point of this name, here and now.
    pub fn restore_point(&self, name: &str) -> RecoveryTarget {
        self.sql(&format!("SELECT pg_create_restore_point('{name}')"));
        RecoveryTarget::Name(name.to_owned())
    }

    /// This moment.
    pub fn this_moment(&self) -> RecoveryTarget {
        RecoveryTarget::Time(self.sql("SELECT clock_timestamp()").trim().to_owned())
    }

    /// Waits until all that was committed is in the archive.
    pub fn archive_all(&self) {
        let segment = self.sql("SELECT pg_walfile_name(pg_switch_wal())");
        self.wait_until(&[&format!(
            "(SELECT last_archived_wal >= '{}' FROM pg_stat_archiver)",
            segment.trim()
        )]);
    }

    /// A new cluster from the base backup and the archive of this one, which may be stopped and must not be dropped; it takes writes.
    pub fn recovered(&self, target: &RecoveryTarget) -> Self {
        let recovered = Self::make_with(|cluster| {
            run(cluster.tool("cp").arg("-a").arg(self.base()).arg(cluster.data()));
            let settings = format!(
                "{}\nrestore_command = 'cp {}/%f %p'\n{}\nrecovery_target_action = promote",
                self.archiving(),
                self.archive().display(),
                target.setting()
            );
            cluster.configure(&settings);
            run(cluster.tool("touch").arg(cluster.data().join("recovery.signal")));
        });
        recovered.wait_until(&["NOT pg_is_in_recovery()"]);
        recovered
    }

    /// The URL of the database that another cluster's URL names, in this one.
    pub fn url_like(&self, url: &str) -> String {
        self.url_of(url.rsplit('/').next().expect("a URL has a last part"))
    }

    fn archiving(&self) -> String {
        let archive = self.archive();
        let archive = archive.display();
        format!("archive_mode = on\narchive_command = 'test ! -f {archive}/%f && cp %p {archive}/%f'")
    }

    fn archive(&self) -> PathBuf {
        self.directory.join("archive")
    }

    fn base(&self) -> PathBuf {
        self.directory.join("base")
    }
}
