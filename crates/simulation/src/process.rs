//! A process that can be killed, paused and woken at any moment: all that it has is its tasks.

use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::task::{Context, Poll, Waker};

use saga_core::retry::Random;
use saga_core::{CallbackSecret, Timestamp};
use saga_engine::world::{Task, World};
use saga_testkit::dice::Dice;
use tokio::time::Instant;

use crate::record::Recorder;

/// One run of a process, with a clock and dice of its own.
pub(crate) struct Process {
    state: Mutex<ProcessState>,
    begun: Instant,
    /// Its wall clock shows this much more than it is, in microseconds.
    skew_us: AtomicI64,
    dice: Dice,
    recorder: Arc<Recorder>,
}

#[derive(Default)]
struct ProcessState {
    mode: ProcessMode,
    sleeping: Vec<Waker>,
    tasks: Vec<tokio::task::AbortHandle>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum ProcessMode {
    #[default]
    Running,
    Paused,
    Dead,
}

/// The message of a bug in a store: the task that it ends is missed, and that has to be noticed.
pub(crate) const STORE_PANICS: &str = "a bug in the store";

/// The message of a bug that an answer sets off in an order's task.
pub(crate) const ANSWER_PANICS: &str = "a poisonous answer";

/// Panics that worlds bring about on purpose need not be told about, thousands as they are.
pub(crate) fn silence_panics_on_purpose() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !panic.payload_as_str().is_some_and(|what| [STORE_PANICS, ANSWER_PANICS].contains(&what)) {
                usual(panic);
            }
        }));
    });
}

/// When worlds begin, in microseconds since the epoch.
pub(crate) const BEGINNING_US: i64 = 1_700_000_000_000_000;

impl Process {
    /// `begun` is when the world began.
    pub(crate) fn new(begun: Instant, skew_us: i64, dice: Dice, recorder: Arc<Recorder>) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), begun, skew_us: AtomicI64::new(skew_us), dice, recorder })
    }

    /// Sets its wall clock, as an administrator may.
    pub(crate) fn step_clock(&self, by_us: i64) {
        self.skew_us.fetch_add(by_us, Ordering::Relaxed);
    }

    /// Its tasks are gone, whatever they were doing.
    pub(crate) fn kill(&self) {
        let mut state = self.state();
        state.mode = ProcessMode::Dead;
        for task in state.tasks.drain(..) {
            task.abort();
        }
    }

    /// It does nothing any more, and notices nothing, while the world goes on.
    pub(crate) fn pause(&self) {
        let mut state = self.state();
        if state.mode == ProcessMode::Running {
            state.mode = ProcessMode::Paused;
        }
    }

    /// It goes on where it was.
    pub(crate) fn wake(&self) {
        let mut state = self.state();
        if state.mode == ProcessMode::Paused {
            state.mode = ProcessMode::Running;
        }
        for waker in state.sleeping.drain(..) {
            waker.wake();
        }
    }

    pub(crate) fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.state().mode == ProcessMode::Dead
    }

    /// Runs `task` as a part of this process.
    pub(crate) fn start(self: &Arc<Self>, task: Task) {
        let gated = Gated { process: self.clone(), task, turns: (self.begun, 0) };
        let mut state = self.state();
        if state.mode == ProcessMode::Dead {
            return;
        }
        #[expect(clippy::disallowed_methods, reason = "the simulator's own tasks")]
        let handle = tokio::spawn(gated).abort_handle();
        state.tasks.retain(|task| !task.is_finished());
        state.tasks.push(handle);
    }

    fn state(&self) -> MutexGuard<'_, ProcessState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Turns that a task may take without any time passing. A turn may be a hundred rounds of a loop.
const TURNS_MAX: u32 = 300;

/// A task that runs only while its process does.
struct Gated {
    process: Arc<Process>,
    task: Task,
    /// How often it ran since time last moved.
    turns: (Instant, u32),
}

impl Future for Gated {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        {
            let mut state = self.process.state();
            match state.mode {
                ProcessMode::Running => {}
                ProcessMode::Paused => {
                    state.sleeping.push(cx.waker().clone());
                    return Poll::Pending;
                }
                ProcessMode::Dead => return Poll::Ready(()),
            }
        }
        let now = Instant::now();
        self.turns = if self.turns.0 == now { (now, self.turns.1 + 1) } else { (now, 0) };
        if self.turns.1 > TURNS_MAX {
            self.process.recorder.violation("no hot loops", format_args!("{TURNS_MAX} turns in no time"));
            return Poll::Ready(());
        }
        match catch_unwind(AssertUnwindSafe(|| self.task.as_mut().poll(cx))) {
            Ok(poll) => poll,
            Err(panic) => {
                let what = panic.downcast_ref::<String>().map(String::as_str);
                let what = what.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("something");
                if what != STORE_PANICS {
                    self.process.recorder.violation("no panics", what);
                }
                Poll::Ready(())
            }
        }
    }
}

/// The surroundings of the engine of a process: its clock, its dice, its tasks.
pub(crate) struct Inside(pub(crate) Arc<Process>);

impl World for Inside {
    fn wall(&self) -> Timestamp {
        let elapsed = i64::try_from(self.0.begun.elapsed().as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(BEGINNING_US + self.0.skew_us.load(Ordering::Relaxed) + elapsed)
    }

    fn random(&self) -> Random {
        Random(self.0.dice.next())
    }

    fn secret(&self) -> io::Result<CallbackSecret> {
        Ok(CallbackSecret::drawn(u128::from(self.0.dice.next())))
    }

    fn spawn(&self, task: Task) {
        self.0.start(task);
    }
}

/// Runs something outside of all processes: the network, the database, participants.
pub(crate) fn outside(task: impl Future<Output = ()> + Send + 'static) {
    #[expect(clippy::disallowed_methods, reason = "the simulator's own tasks")]
    tokio::spawn(task);
}

/// Runs a world on one thread, in which time passes only when no task has anything to do.
pub(crate) fn run_paused<T>(world: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.unwrap_or_else(|error| panic!("start a runtime: {error}"));
    runtime.block_on(world)
}
