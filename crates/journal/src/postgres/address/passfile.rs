//! The file of passwords that `passfile` names, and files that only their owner may read.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use tokio_postgres::Config;

use super::text::{Parameters, Wrong};
use super::{DatabaseHost, DatabaseServer};

/// Bits of a file's mode that give others anything.
const OTHERS: u32 = 0o077;
/// The same for a file of root's, which its group may read.
const OTHERS_OF_ROOT: u32 = 0o037;

/// Gives each target the password of the first line of `passfile` that fits, unless the address has one itself.
pub(super) fn passwords(
    parameters: &mut Parameters,
    config: &Config,
    targets: &mut [DatabaseServer],
) -> Result<(), Wrong> {
    let Some(path) = parameters.remove("passfile") else { return Ok(()) };
    if config.get_password().is_some() {
        return Ok(());
    }
    let user = config.get_user().ok_or("passfile needs the user's name: write it into the address")?;
    let database = config.get_dbname().unwrap_or(user);
    let text = private(Path::new(&path), "passfile")?;
    for target in &mut *targets {
        let host = match &target.host {
            DatabaseHost::Name(name) => name,
            DatabaseHost::Socket(_) => "localhost",
        };
        let wanted = [host, &target.port.to_string(), database, user];
        target.password = text.lines().find_map(|line| password(line, wanted));
    }
    if targets.iter().all(|target| target.password.is_none()) {
        return Err(
            "passfile has no line for this host, port, database and user (host:port:database:user:password)"
                .to_owned(),
        );
    }
    Ok(())
}

/// The password of a line, if its first four fields fit.
fn password(line: &str, wanted: [&str; 4]) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => fields.last_mut()?.extend(characters.next()),
            ':' if fields.len() < 5 => fields.push(String::new()),
            other => fields.last_mut()?.push(other),
        }
    }
    let password = fields.get(4)?.clone();
    let fits = fields.iter().zip(wanted).all(|(field, wanted)| field == "*" || field == wanted);
    fits.then_some(password)
}

/// Reads a file that holds a secret; refuses a file that other users may read, as libpq does.
pub(in crate::postgres) fn private(path: &Path, name: &str) -> Result<String, Wrong> {
    let at = path.display();
    let metadata = std::fs::metadata(path).map_err(|error| format!("cannot read {name}={at}: {error}"))?;
    let others = if metadata.uid() == 0 { OTHERS_OF_ROOT } else { OTHERS };
    if metadata.mode() & others != 0 {
        return Err(format!("others may read {name}={at}, which holds a secret: run `chmod 600 {at}`"));
    }
    std::fs::read_to_string(path).map_err(|error| format!("cannot read {name}={at}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_has_the_password() {
        let wanted = ["db", "5432", "orders", "me"];
        for (line, expected) in [
            ("db:5432:orders:me:secret", Some("secret")),
            ("*:*:*:*:a:b", Some("a:b")),
            (r"db:5432:orders:me:a\:b\\", Some(r"a:b\")),
            ("db:5432:orders:you:secret", None),
            ("db:5432:orders:me", None),
            ("# db:5432:orders:me:secret", None),
            ("", None),
        ] {
            assert_eq!(password(line, wanted).as_deref(), expected, "{line}");
        }
    }
}
