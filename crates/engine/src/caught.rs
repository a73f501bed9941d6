//! A future whose panics are its result.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;

/// Characters of a panic's message that are kept.
const MESSAGE_CHARS_MAX: usize = 200;

/// Runs `task` to its end, or to its panic, whose message is the error. State that a panic leaves half done must be dropped
/// then; nothing else may depend on it.
///
/// It takes no more memory than the task itself.
pub(crate) fn caught<T>(task: impl Future<Output = T>) -> impl Future<Output = Result<T, String>> {
    AssertUnwindSafe(task).catch_unwind().map(|ended| ended.map_err(|panic| message(&*panic)))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message");
    text.chars().take(MESSAGE_CHARS_MAX).collect()
}
