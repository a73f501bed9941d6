//! The stage of the process's life, and its tasks.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::vital::Vital;
use crate::world::World;

/// The life of a process, and its tasks. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Lifecycle {
    world: Arc<dyn World>,
    phase: watch::Sender<StopPhase>,
    tasks: TaskTracker,
    vital: Vital,
}

#[derive(Debug, Clone, Copy, Default)]
struct StopPhase {
    /// Whether all sagas that were unfinished at the start have been taken over.
    is_recovered: bool,
    course: Course,
}

/// The process's dealings with sagas. They only ever move to later variants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Course {
    /// It starts them.
    #[default]
    Running,
    /// The process refuses new sagas, and lets the running sagas continue.
    Draining,
    /// It begins no saga any more; running sagas end at the next point where no call or append is under way.
    Ending,
    /// Its lease is not renewed any more.
    Left,
}

impl Lifecycle {
    /// A process that runs its tasks in `world`.
    pub(crate) fn new(world: Arc<dyn World>) -> Self {
        Self { world, phase: watch::Sender::default(), tasks: TaskTracker::new(), vital: Vital::new() }
    }

    pub(crate) fn world(&self) -> &Arc<dyn World> {
        &self.world
    }

    /// The tasks without which the process ends.
    pub(crate) fn vital(&self) -> &Vital {
        &self.vital
    }

    pub(crate) fn is_recovered(&self) -> bool {
        self.phase.borrow().is_recovered
    }

    /// Whether new sagas are refused.
    pub(crate) fn is_stopping(&self) -> bool {
        self.course() >= Course::Draining
    }

    /// Whether no saga may begin to run here any more, neither a new one nor one from the journal.
    pub(crate) fn is_ending(&self) -> bool {
        self.course() >= Course::Ending
    }

    /// Records that all sagas that were unfinished at the start have been taken over.
    pub(crate) fn recovered(&self) {
        self.phase.send_modify(|phase| phase.is_recovered = true);
    }

    /// Refuses new sagas from now on.
    pub(crate) fn drain(&self) {
        self.enter(Course::Draining);
    }

    /// Lets no saga begin to run here from now on.
    pub(crate) fn end(&self) {
        self.enter(Course::Ending);
    }

    /// Stops renewing the lease.
    pub(crate) fn leave(&self) {
        self.enter(Course::Left);
    }

    /// Waits for `pause`. Returns `false` if the process stops, which ends the wait early.
    pub(crate) async fn pause(&self, pause: Duration) -> bool {
        self.pause_before(Course::Draining, pause).await
    }

    /// The same, but continues until the lease is not renewed any more.
    pub(crate) async fn pause_until_left(&self, pause: Duration) -> bool {
        self.pause_before(Course::Left, pause).await
    }

    /// Waits until the process stops.
    pub(crate) async fn stops(&self) {
        let mut phase = self.phase.subscribe();
        // The sender lives as long as `self`.
        let _ = phase.wait_for(|phase| phase.course >= Course::Draining).await;
    }

    /// Runs a task in the background.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.world.spawn(Box::pin(self.tasks.track_future(task)));
    }

    /// Runs a task that must not end before the process stops.
    pub(crate) fn spawn_vital(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let phase = self.phase.subscribe();
        let may_end = move || phase.borrow().course >= Course::Draining;
        self.spawn(self.vital.guard(name, may_end, task));
    }

    /// Runs a task that must not end before the process has recovered, or stops.
    pub(crate) fn spawn_recovery(&self, task: impl Future<Output = ()> + Send + 'static) {
        let phase = self.phase.subscribe();
        let may_end = move || phase.borrow().is_recovered || phase.borrow().course >= Course::Draining;
        self.spawn(self.vital.guard("recovery", may_end, task));
    }

    /// Waits for the end of all tasks, but no longer than `at_most`.
    pub(crate) async fn tasks_end(&self, at_most: Duration) {
        self.tasks.close();
        let _ = timeout(at_most, self.tasks.wait()).await;
    }

    fn course(&self) -> Course {
        self.phase.borrow().course
    }

    fn enter(&self, course: Course) {
        self.phase.send_modify(|phase| phase.course = phase.course.max(course));
    }

    async fn pause_before(&self, end: Course, pause: Duration) -> bool {
        let mut phase = self.phase.subscribe();
        timeout(pause, phase.wait_for(|phase| phase.course >= end)).await.is_err()
    }
}
