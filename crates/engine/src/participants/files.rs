//! Files that are read while calls are made: secrets, certificates and keys. Each is read on a thread of its own, because a
//! file on another machine may never answer, and at most [`FILE_READS_MAX`] are.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;
use zeroize::Zeroizing;

/// Files that are being read at the same time, each on a thread.
const FILE_READS_MAX: usize = 16;
/// Time for reading one file.
const FILE_READ_TIMEOUT: Duration = Duration::from_secs(2);

/// Reads files. Clones share the threads.
#[derive(Clone)]
pub(super) struct Files(Arc<Semaphore>);

/// The content of a file, which is overwritten when it is dropped.
pub(super) type FileContent = Zeroizing<Vec<u8>>;

impl Files {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(FILE_READS_MAX)))
    }

    /// Reads a regular file of at most `bytes_max`. The error has none of its content.
    pub(super) async fn read(&self, path: &str, bytes_max: usize) -> Result<FileContent, String> {
        let Ok(permit) = self.0.clone().try_acquire_owned() else {
            return Err(format!("{FILE_READS_MAX} files are being read already (FILE_READS_MAX)"));
        };
        let (sender, content) = oneshot::channel();
        let path: Box<str> = path.into();
        // Not a thread of the runtime: a thread that hangs would delay the end of the process.
        let begun = std::thread::Builder::new().name("file".to_owned()).spawn(move || {
            let read = read_now(&path, bytes_max);
            drop(permit);
            // The reader may have given up.
            let _ = sender.send(read);
        });
        begun.map_err(|error| error.to_string())?;
        match timeout(FILE_READ_TIMEOUT, content).await {
            Ok(Ok(read)) => read,
            Ok(Err(_)) => Err("it could not be read".to_owned()),
            Err(_) => Err(format!("it was not read within {FILE_READ_TIMEOUT:?} (FILE_READ_TIMEOUT)")),
        }
    }
}

/// The same on this thread.
pub(super) fn read_now(path: &str, bytes_max: usize) -> Result<FileContent, String> {
    let told = |error: io::Error| error.to_string();
    let metadata = std::fs::metadata(path).map_err(told)?;
    // Asked before it is opened: opening a pipe waits for its other end.
    if !metadata.is_file() {
        return Err("it is not a regular file".into());
    }
    let bytes = usize::try_from(metadata.len()).unwrap_or(usize::MAX).min(bytes_max);
    // Room for all of it: what a growing buffer leaves behind would not be overwritten.
    let mut content = Zeroizing::new(Vec::with_capacity(bytes.saturating_add(2)));
    File::open(path).map_err(told)?.take(bytes_max as u64 + 1).read_to_end(&mut content).map_err(told)?;
    if content.len() > bytes_max {
        return Err(format!("it has more than {bytes_max} bytes"));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_read_within_bounds() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("f");
        let text = path.to_str().expect("a text");
        let files = Files::new();
        assert!(files.read(text, 3).await.expect_err("nothing").contains("No such file"));
        std::fs::write(&path, "abc").expect("written");
        assert_eq!(&**files.read(text, 3).await.expect("a content"), b"abc");
        assert_eq!(files.read(text, 2).await.expect_err("too large"), "it has more than 2 bytes");
        let of_folder = folder.path().to_str().expect("a text");
        assert_eq!(files.read(of_folder, 2).await.expect_err("a folder"), "it is not a regular file");
        let _all: Vec<_> =
            std::iter::repeat_with(|| files.0.clone().try_acquire_owned()).take(FILE_READS_MAX).collect();
        assert!(files.read(text, 3).await.expect_err("too many").contains("FILE_READS_MAX"));
    }
}
