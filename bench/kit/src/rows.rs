//! Durable rows, committed in groups: all that wait, in one transaction.

use anyhow::anyhow;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

/// Rows in one transaction at most.
pub(crate) const GROUP_MAX: usize = 4096;

/// The statement that makes the one table of a sketch; the types of `id` and of whole numbers are the
/// store's.
pub(crate) fn table(id: &str, small: &str, large: &str, options: &str) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS sketch_row (
            saga_id {id} NOT NULL, seq {small} NOT NULL, client_id {large} NOT NULL, magasin_id {large} NOT NULL,
            etat TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (saga_id, seq)) {options}"
    )
}

/// One row of an order.
#[derive(Debug)]
pub struct Row {
    /// The order.
    pub saga: Uuid,
    /// The row's place among those of its order.
    pub seq: i16,
    /// The caller's input.
    pub client_id: i64,
    /// The same.
    pub magasin_id: i64,
    /// The order's state.
    pub etat: &'static str,
    /// The cart, or the history.
    pub data: String,
}

/// A row, and how its order learns that it is on disk.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) row: Row,
    is_written: oneshot::Sender<()>,
}

/// Tells the orders of a group that it is on disk.
pub(crate) fn written(group: &mut Vec<Waiting>) {
    for waiting in group.drain(..) {
        // An order whose caller has hung up does not listen any more.
        let _ = waiting.is_written.send(());
    }
}

/// The rows that come to a store's writer.
pub(crate) type Queue = mpsc::UnboundedReceiver<Waiting>;

/// Where orders write their rows.
#[derive(Debug, Clone)]
pub struct Rows(Option<mpsc::UnboundedSender<Waiting>>);

impl Rows {
    /// Keeps nothing.
    pub fn none() -> Self {
        Self(None)
    }

    /// A queue for a writer.
    pub(crate) fn queue() -> (Self, Queue) {
        let (sender, queue) = mpsc::unbounded_channel();
        (Self(Some(sender)), queue)
    }

    /// Whether rows are kept at all.
    pub fn are_kept(&self) -> bool {
        self.0.is_some()
    }

    /// Returns once the row is on disk.
    pub async fn write(&self, row: Row) -> anyhow::Result<()> {
        let Some(writer) = &self.0 else { return Ok(()) };
        let (is_written, wait) = oneshot::channel();
        writer.send(Waiting { row, is_written }).map_err(|_| anyhow!("the store has failed"))?;
        wait.await.map_err(|_| anyhow!("the store has failed"))
    }
}
