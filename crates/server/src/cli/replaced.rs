//! Writes files as a whole: a new one, or another text in a file's place.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

use anyhow::Context;

/// Writes a file that is not there yet, for its owner alone.
pub(super) fn create(file: &Path, text: &str) -> anyhow::Result<()> {
    let write = || -> io::Result<()> {
        let mut written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
        let filled = written.write_all(text.as_bytes()).and_then(|()| written.sync_all());
        if filled.is_err() {
            let _ = std::fs::remove_file(file);
        }
        filled?;
        File::open(folder(file))?.sync_all()
    };
    write().with_context(|| format!("write {}", file.display()))
}

/// Puts another text in the file's place, which is on disk before it stands there: a reader sees the one or the other, whole. A new
/// file gets `mode`; the mode and the owner of one that is there stay.
pub(super) fn replace(file: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let about = || format!("write {}", file.display());
    let folder = folder(file);
    let name = file.file_name().with_context(about)?.to_string_lossy().into_owned();
    let beside = folder.join(format!(".{name}.new"));
    let write = || -> io::Result<()> {
        let mut written =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        let before = std::fs::metadata(file).ok();
        if let Some(before) = &before {
            let mine = written.metadata()?;
            // Written by root, it could not be read by the service, which reads the one before.
            if (before.uid(), before.gid()) != (mine.uid(), mine.gid()) {
                fchown(&written, Some(before.uid()), Some(before.gid()))?;
            }
        }
        // Said here and not at the opening, so that the process' umask has no part in it.
        written
            .set_permissions(before.map_or_else(|| Permissions::from_mode(mode), |it| it.permissions()))?;
        written.write_all(text.as_bytes())?;
        written.sync_all()?;
        std::fs::rename(&beside, file)?;
        File::open(folder)?.sync_all()
    };
    write().with_context(about)
}

fn folder(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
