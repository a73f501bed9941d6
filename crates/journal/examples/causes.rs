//! Times the questions about the sagas that need a person, on a journal that is there: `causes DATABASE_URL`.
//!
//! `bench/lists --fill DATABASE_URL` fills a journal for it. SQLite's file must not be in use.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use saga_core::Timestamp;
use saga_journal::{CauseMembers, FailedAt, Filter, Store, postgres, sqlite};

/// Times that each question is asked.
const TIMES: usize = 20;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("usage: causes DATABASE_URL")?;
    let store: Arc<dyn Store> = match url.strip_prefix("sqlite:") {
        Some(path) => Arc::new(sqlite::open(path.trim_start_matches("//"))?),
        None => Arc::new(postgres::open(&url).await?),
    };
    let recent = Timestamp::from_micros(0);
    let causes = store.causes(recent, 200).await?;
    let most = causes.figures.first().ok_or("no saga needs a person")?;
    println!("{} causes; of the first one, {} sagas (more: {})", causes.figures.len(), most.count, most.more);
    let of = CauseMembers { cause: most.cause.clone(), definition: None };
    let cause = Filter { cause: Some(most.cause.clone()), ..Filter::default() };
    let failed = |failed| Filter { failed: Some(failed), ..Filter::default() };
    let since = Timestamp::from_micros(most.newest.as_micros() - 45 * 60_000_000);

    timed("all causes, in figures", async || Ok(store.causes(recent, 200).await?.figures.len())).await?;
    timed("50 sagas of the first cause, oldest first", async || {
        Ok(store.cause_members(of.clone(), None, 50).await?.len())
    })
    .await?;
    timed("the last 45 minutes of the first cause", async || {
        Ok(store.cause_minutes(most.cause.clone(), since).await?.len())
    })
    .await?;
    for (name, filter) in [
        ("50 sagas of the first cause, newest first", cause),
        ("50 sagas that failed at `vente`", failed(FailedAt::Step("vente".into()))),
        ("50 sagas that have failed", failed(FailedAt::Any)),
    ] {
        timed(name, async || Ok(store.list(filter.clone(), None, 50).await?.rows.len())).await?;
    }
    Ok(())
}

/// Asks several times, and tells the median and the longest time, and how many answers there were.
async fn timed(
    name: &str,
    ask: impl AsyncFn() -> Result<usize, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let (mut took, mut found) = (Vec::new(), 0);
    for _ in 0..TIMES {
        #[expect(clippy::disallowed_methods, reason = "it measures")]
        let begun = std::time::Instant::now();
        found = ask().await?;
        took.push(begun.elapsed());
    }
    took.sort();
    let shown = |time: Duration| time.as_secs_f64() * 1000.0;
    println!(
        "{:>8.2} ms (at most {:>8.2}) {found:>6}  {name}",
        shown(took[TIMES / 2]),
        shown(took[TIMES - 1])
    );
    Ok(())
}
