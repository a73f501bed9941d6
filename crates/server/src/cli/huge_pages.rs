//! No huge pages: where the kernel gives them unasked, memory comes and goes by 2 MiB, and a process that waits for orders keeps
//! several times what it uses. Orders take no more time without them (docs/performance.md).

use rustix::thread::disable_transparent_huge_pages;

/// Has the kernel give this process pages of the usual size from now on.
pub(super) fn refuse() {
    if let Err(error) = disable_transparent_huge_pages(true) {
        tracing::debug!("the kernel goes on with huge pages, which costs memory alone: {error}");
    }
}
