//! The budget of expressions: the cost of an evaluation is counted while it runs.
//!
//! jq has loops, and values that share their parts: one line of text can need more time and memory than there is.
//! Therefore every cost is counted by the meter of the evaluating thread: each term that the interpreter runs, and,
//! before an operation on a value, the cost of the operation beyond that. The meter uses no clock: the same
//! expression on the same input has the same cost everywhere.
//!
//! When a limit is reached, the evaluation is unwound at once. An error value would not work: jq programs catch
//! errors (`try`, `?`, `//`), and comparing, hashing and printing have no errors. The unwinding does not call the
//! panic hook, and it ends in the function that evaluates.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Steps of one request, or of reading one answer: a step is one term of a program, about 100 ns.
pub const EXPRESSION_STEPS_MAX: u64 = 2_000_000;
/// Steps that the calling thread takes. An evaluation that needs more starts again on another thread.
pub const INLINE_STEPS_MAX: u64 = 10_000;
/// Bytes of all values that the expressions of one request or answer make, including the JSON that they read.
pub const EXPRESSION_BYTES_MAX: u64 = 64 << 20;
/// Bytes of one text that an expression makes.
pub const EXPRESSION_TEXT_BYTES_MAX: usize = 2 << 20;
/// Arrays and objects inside each other.
pub const EXPRESSION_DEPTH_MAX: u32 = 256;
/// Parts of a path, as `path` gives them, and steps down into values that existed before.
pub const EXPRESSION_PATH_PARTS_MAX: u32 = 1_024;
/// Bytes of the thread's stack that the interpreter may use: programs nest, and functions may call themselves.
pub const EXPRESSION_STACK_BYTES_MAX: usize = 1 << 20;
/// Bytes of a context (variables and input of a term) while it is alive, with the iterators that hold it.
const LIVE_CONTEXT_BYTES: usize = 2_560;
/// Bytes of a value while it is alive, with the iterator or list that holds it.
const LIVE_VALUE_BYTES: usize = 128;
/// Parts of a step, the unit for costs below one term.
pub(super) const STEP: u64 = 16;

/// A limit on the cost of expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    steps: u64,
    bytes: u64,
}

impl Budget {
    /// A budget of this many steps and bytes.
    pub const fn new(steps: u64, bytes: u64) -> Self {
        Self { steps, bytes }
    }

    /// Enough for usual expressions, and small enough not to delay the evaluating thread: about a millisecond.
    pub const INLINE: Self = Self { steps: INLINE_STEPS_MAX, bytes: EXPRESSION_BYTES_MAX };
    /// The largest cost that an expression may ever have.
    pub const FULL: Self = Self { steps: EXPRESSION_STEPS_MAX, bytes: EXPRESSION_BYTES_MAX };
}

/// A limit that expressions have reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// [`EXPRESSION_STEPS_MAX`], or the limit of a smaller budget.
    Steps(u64),
    /// [`EXPRESSION_BYTES_MAX`].
    Bytes(u64),
    /// [`EXPRESSION_TEXT_BYTES_MAX`].
    Text,
    /// [`EXPRESSION_DEPTH_MAX`].
    Depth,
    /// [`EXPRESSION_PATH_PARTS_MAX`].
    Path,
    /// [`EXPRESSION_STACK_BYTES_MAX`].
    Stack,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Steps(INLINE_STEPS_MAX) => {
                write!(f, "takes more steps than the limit INLINE_STEPS_MAX, {INLINE_STEPS_MAX}")
            }
            Self::Steps(limit) => write!(f, "takes more steps than the limit EXPRESSION_STEPS_MAX, {limit}"),
            Self::Bytes(limit) => write!(f, "makes more bytes than the limit EXPRESSION_BYTES_MAX, {limit}"),
            Self::Text => write!(
                f,
                "makes a text of more bytes than the limit EXPRESSION_TEXT_BYTES_MAX, {EXPRESSION_TEXT_BYTES_MAX}"
            ),
            Self::Depth => {
                write!(f, "nests values deeper than the limit EXPRESSION_DEPTH_MAX, {EXPRESSION_DEPTH_MAX}")
            }
            Self::Path => write!(
                f,
                "goes down into a value by more parts than the limit EXPRESSION_PATH_PARTS_MAX, {EXPRESSION_PATH_PARTS_MAX}"
            ),
            Self::Stack => write!(
                f,
                "calls itself deeper than the limit EXPRESSION_STACK_BYTES_MAX, {EXPRESSION_STACK_BYTES_MAX} bytes"
            ),
        }
    }
}

/// The result of an evaluation, and its cost.
#[derive(Debug)]
pub struct Spent<T> {
    /// The result. After a limit was reached, it contains an error that names the limit.
    pub value: T,
    /// The limit that was reached.
    pub over: Option<Limit>,
    /// Steps taken.
    pub steps: u64,
    /// Bytes made, all together.
    pub bytes: u64,
}

/// A count of objects that the interpreter holds. The largest count is charged, because an object may reuse the
/// memory of a former one.
struct Alive {
    now: Cell<usize>,
    /// The largest count under this budget.
    charged: Cell<usize>,
}

impl Alive {
    const fn none() -> Self {
        Self { now: Cell::new(0), charged: Cell::new(0) }
    }
}

/// The thread's meter.
struct Meter {
    budget: Cell<Option<Budget>>,
    work_left: Cell<u64>,
    bytes_left: Cell<u64>,
    contexts: Alive,
    values: Alive,
    /// The stack's position when the evaluation began.
    base: Cell<usize>,
    evaluating: Cell<bool>,
    over: Cell<Option<Limit>>,
}

thread_local! {
    static METER: Meter = const {
        Meter {
            budget: Cell::new(None),
            work_left: Cell::new(0),
            bytes_left: Cell::new(0),
            contexts: Alive::none(),
            values: Alive::none(),
            base: Cell::new(0),
            evaluating: Cell::new(false),
            over: Cell::new(None),
        }
    };
}

/// The payload of the unwinding when a budget is spent.
struct OverBudget;

/// Why an evaluation has no result.
pub(super) enum Stopped {
    Over(Limit),
    Panicked(String),
}

/// Runs `task`: all expressions in it share `budget`. If a budget is already active, that one continues.
pub fn within<T>(budget: Budget, task: impl FnOnce() -> T) -> Spent<T> {
    /// Ends the budget even if `task` panics.
    struct BudgetEnd;
    impl Drop for BudgetEnd {
        fn drop(&mut self) {
            METER.with(|meter| meter.budget.set(None));
        }
    }
    let end = METER.with(|meter| {
        (meter.budget.get().is_none()).then(|| {
            meter.budget.set(Some(budget));
            meter.work_left.set(budget.steps * STEP);
            meter.bytes_left.set(budget.bytes);
            meter.contexts.charged.set(0);
            meter.values.charged.set(0);
            meter.over.set(None);
            BudgetEnd
        })
    });
    let value = task();
    let spent = METER.with(|meter| {
        let budget = meter.budget.get().unwrap_or(budget);
        Spent {
            value,
            over: meter.over.get(),
            steps: (budget.steps * STEP - meter.work_left.get()) / STEP,
            bytes: budget.bytes - meter.bytes_left.get(),
        }
    });
    drop(end);
    spent
}

/// Whether this thread is evaluating an expression: a panic there is caught and becomes the expression's error, so it
/// needs no log line.
pub fn is_evaluating() -> bool {
    METER.try_with(|meter| meter.evaluating.get()).unwrap_or(false)
}

/// Evaluates an expression under the thread's budget, or under a full one of its own if there is none.
pub(super) fn evaluate<T>(task: impl FnOnce() -> T) -> Result<T, Stopped> {
    within(Budget::FULL, || {
        let here = 0_u8;
        let before = METER.with(|meter| {
            if let Some(limit) = meter.over.get() {
                return Err(Stopped::Over(limit));
            }
            meter.base.set((&raw const here).addr());
            meter.contexts.now.set(0);
            meter.values.now.set(0);
            Ok(meter.evaluating.replace(true))
        })?;
        let result = catch_unwind(AssertUnwindSafe(task));
        METER.with(|meter| meter.evaluating.set(before));
        result.map_err(|payload| {
            let over = METER.with(|meter| meter.over.get());
            match over {
                Some(limit) if payload.is::<OverBudget>() => Stopped::Over(limit),
                _ => Stopped::Panicked(message(&*payload)),
            }
        })
    })
    .value
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message").to_owned()
}

#[cold]
fn stop(meter: &Meter, limit: Limit) -> ! {
    meter.over.set(Some(limit));
    resume_unwind(Box::new(OverBudget))
}

/// Ends the current evaluation.
#[cold]
pub(super) fn over(limit: Limit) {
    METER.with(|meter| {
        if meter.evaluating.get() {
            stop(meter, limit);
        }
    });
}

/// Charges one term of a program.
#[inline]
pub(super) fn step() {
    let here = 0_u8;
    METER.with(|meter| {
        if meter.base.get().abs_diff((&raw const here).addr()) > EXPRESSION_STACK_BYTES_MAX
            && meter.evaluating.get()
        {
            stop(meter, Limit::Stack);
        }
        charge_work(meter, STEP);
    });
}

/// Charges work beyond a term, in parts of a [`STEP`].
#[inline]
pub(super) fn work(parts: usize) {
    METER.with(|meter| charge_work(meter, parts as u64));
}

#[inline]
fn charge_work(meter: &Meter, parts: u64) {
    match meter.work_left.get().checked_sub(parts) {
        Some(left) => meter.work_left.set(left),
        None if meter.evaluating.get() => {
            meter.work_left.set(0);
            stop(meter, Limit::Steps(meter.budget.get().unwrap_or(Budget::FULL).steps));
        }
        None => {}
    }
}

/// Charges memory before it is allocated.
#[inline]
pub(super) fn bytes(count: usize) {
    METER.with(|meter| charge_bytes(meter, count));
}

#[inline]
fn charge_bytes(meter: &Meter, count: usize) {
    match meter.bytes_left.get().checked_sub(count as u64) {
        Some(left) => meter.bytes_left.set(left),
        None if meter.evaluating.get() => {
            meter.bytes_left.set(0);
            stop(meter, Limit::Bytes(meter.budget.get().unwrap_or(Budget::FULL).bytes));
        }
        None => {}
    }
}

/// Charges a text of this length before it is made.
#[inline]
pub(super) fn text(length: usize) {
    if length > EXPRESSION_TEXT_BYTES_MAX {
        over(Limit::Text);
    }
    work(length / 32);
    bytes(length.saturating_add(48));
}

/// A context is made.
#[inline]
pub(super) fn context_made() {
    METER.with(|meter| made(meter, &meter.contexts, LIVE_CONTEXT_BYTES));
}

/// A context is gone.
#[inline]
pub(super) fn context_gone() {
    _ = METER.try_with(|meter| gone(&meter.contexts));
}

/// A value is made.
#[inline]
pub(super) fn value_made() {
    METER.with(|meter| made(meter, &meter.values, LIVE_VALUE_BYTES));
}

/// A value is gone.
#[inline]
pub(super) fn value_gone() {
    _ = METER.try_with(|meter| gone(&meter.values));
}

#[inline]
fn made(meter: &Meter, alive: &Alive, bytes: usize) {
    let now = alive.now.get() + 1;
    alive.now.set(now);
    if now > alive.charged.get() {
        alive.charged.set(now);
        charge_bytes(meter, bytes);
    }
}

#[inline]
fn gone(alive: &Alive) {
    alive.now.set(alive.now.get().saturating_sub(1));
}
