//! The calls of the last stretch of time, and the number of failures among them.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// The parts of the window; the oldest part is dropped as a whole.
const PIECES: u32 = 10;

#[derive(Debug)]
pub(super) struct Window {
    piece: Duration,
    /// Oldest first; parts without a call are left out.
    pieces: VecDeque<WindowPiece>,
}

#[derive(Debug)]
struct WindowPiece {
    since: Instant,
    counts: Counts,
}

/// The number of calls that have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    pub(super) calls: u32,
    pub(super) failures: u32,
}

impl Window {
    pub(super) fn new(length: Duration) -> Self {
        Self { piece: length / PIECES, pieces: VecDeque::with_capacity(PIECES as usize + 1) }
    }

    pub(super) fn count(&mut self, failed: bool, now: Instant) {
        self.forget(now);
        if self.pieces.back().is_none_or(|piece| now.duration_since(piece.since) >= self.piece) {
            self.pieces.push_back(WindowPiece { since: now, counts: Counts::default() });
        }
        if let Some(WindowPiece { counts, .. }) = self.pieces.back_mut() {
            counts.calls = counts.calls.saturating_add(1);
            counts.failures = counts.failures.saturating_add(u32::from(failed));
        }
    }

    /// As of `now`.
    pub(super) fn counts(&self, now: Instant) -> Counts {
        let recent = self.pieces.iter().filter(|piece| self.is_recent(piece, now));
        recent.fold(Counts::default(), |sum, WindowPiece { counts, .. }| Counts {
            calls: sum.calls.saturating_add(counts.calls),
            failures: sum.failures.saturating_add(counts.failures),
        })
    }

    fn forget(&mut self, now: Instant) {
        while self.pieces.front().is_some_and(|piece| !self.is_recent(piece, now)) {
            self.pieces.pop_front();
        }
    }

    fn is_recent(&self, piece: &WindowPiece, now: Instant) -> bool {
        now.duration_since(piece.since) < self.piece * PIECES
    }
}
