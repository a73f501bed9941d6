//! Replaces a file as a whole.

use std::fs::{File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::Context;

/// Puts another text in the file's place, which is on disk before it stands there: a reader sees the one or the other, whole. A new
/// file gets `mode`; the mode of one that is there stays.
pub(super) fn replace(file: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let about = || format!("write {}", file.display());
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = file.file_name().with_context(about)?.to_string_lossy().into_owned();
    let beside = folder.join(format!(".{name}.new"));
    let write = || -> std::io::Result<()> {
        let mut written =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        let permissions = std::fs::metadata(file)
            .map_or_else(|_| Permissions::from_mode(mode), |before| before.permissions());
        // Said here and not at the opening, so that the process' umask has no part in it.
        written.set_permissions(permissions)?;
        written.write_all(text.as_bytes())?;
        written.sync_all()?;
        std::fs::rename(&beside, file)?;
        File::open(folder)?.sync_all()
    };
    write().with_context(about)
}
