//! The files that definitions are read from: which they are, their bounded texts, and whether they have changed.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use saga_core::definition::SOURCE_BYTES_MAX;

/// Files of definitions that one process loads.
const DEFINITION_FILES_MAX: usize = 256;
/// Bytes of all these files together.
const DEFINITIONS_BYTES_MAX: usize = 8_388_608;

/// A file's name, as reports have it, and its text.
pub(super) struct SourceFile {
    pub(super) name: String,
    pub(super) text: String,
}

/// Reads the files that `paths` name, each once. A file that cannot be read is a mistake, and hides no other.
pub(super) fn read_all(paths: &[PathBuf], mistakes: &mut Vec<String>) -> Vec<SourceFile> {
    let mut listed: Vec<PathBuf> = Vec::new();
    let mut seen = BTreeSet::new();
    for path in paths {
        match files_of(path) {
            Ok(files) => listed.extend(files.into_iter().filter(|file| seen.insert(identity(file)))),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if listed.len() > DEFINITION_FILES_MAX {
        mistakes.push(format!(
            "{} files of definitions are named; DEFINITION_FILES_MAX, the most that one process loads, is {DEFINITION_FILES_MAX}",
            listed.len()
        ));
        return Vec::new();
    }
    let mut bytes = 0;
    let mut files = Vec::new();
    for file in listed {
        match read(&file) {
            Ok(text) => {
                bytes += text.len();
                if bytes > DEFINITIONS_BYTES_MAX {
                    mistakes.push(format!(
                        "{}: with it, the files of definitions have more than {DEFINITIONS_BYTES_MAX} bytes \
                         (DEFINITIONS_BYTES_MAX), the most that they may have together",
                        file.display()
                    ));
                    return files;
                }
                files.push(SourceFile { name: file.display().to_string(), text });
            }
            Err(mistake) => mistakes.push(mistake),
        }
    }
    files
}

/// The file itself; of a folder, the files `*.yaml` and `*.yml` in it that are not hidden, in the order of their names.
fn files_of(path: &Path) -> Result<Vec<PathBuf>, String> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let failed =
        |error: std::io::Error| format!("read the folder of definitions {}: {error}", path.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        let is_hidden = file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let is_yaml = file.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        if is_yaml && !is_hidden && !file.is_dir() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// Tells whether two paths lead to one file.
fn identity(file: &Path) -> PathBuf {
    file.canonicalize().unwrap_or_else(|_| file.to_owned())
}

/// The text of a file.
fn read(file: &Path) -> Result<String, String> {
    let name = file.display();
    let mut bytes = Vec::new();
    // One byte more than there may be, of whatever size the file is.
    File::open(file)
        .and_then(|file| file.take(SOURCE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("read the definition {name}: {error}"))?;
    if bytes.len() > SOURCE_BYTES_MAX {
        return Err(format!(
            "{name}: the file has more than {SOURCE_BYTES_MAX} bytes (SOURCE_BYTES_MAX), the most that a definition may have"
        ));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(format!("{name}:1: the file is not UTF-8 text but UTF-16; save it as UTF-8"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("{name}:{line}: the file is not UTF-8 text: {}; save it as UTF-8", error.utf8_error())
    })
}

/// How files look from outside: different looks may mean other texts, equal looks mean the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesSeen(Vec<(PathBuf, Option<FileLook>)>);

/// A file's number, its bytes, and when it was last written: seconds and nanoseconds.
type FileLook = (u64, u64, i64, i64);

impl FilesSeen {
    /// Looks at the files that `paths` name, without reading them.
    pub fn look(paths: &[PathBuf]) -> Self {
        let look =
            |metadata: Metadata| (metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec());
        let files = paths.iter().flat_map(|path| files_of(path).unwrap_or_default());
        Self(files.map(|file| (file.clone(), fs::metadata(file).ok().map(look))).collect())
    }
}
