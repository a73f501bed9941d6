//! Whether sagas are kept, asked by many callers at once: one query answers all that wait.
//!
//! A lone question is asked at once. The questions that come while a query is under way wait for its end, and share the next one, as
//! entries share a commit. The caller that has the turn asks for all; if it goes away meanwhile, the next one does.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use saga_core::SagaId;
use tokio::sync::oneshot;

use crate::{ROWS_MAX, Unavailable};

/// The questions that wait.
#[derive(Default)]
pub(crate) struct Lookups {
    waiting: Mutex<Vec<LookupQuestion>>,
    /// Held by the one that asks the store.
    turn: tokio::sync::Mutex<()>,
}

struct LookupQuestion {
    saga: SagaId,
    answer: oneshot::Sender<Result<bool, Unavailable>>,
}

impl Lookups {
    /// Whether this saga is kept, as of a moment since this was called. `known` asks which of so many are.
    pub(crate) async fn has<A>(
        &self,
        saga: SagaId,
        known: impl Fn(Vec<SagaId>) -> A,
    ) -> Result<bool, Unavailable>
    where
        A: Future<Output = Result<Vec<SagaId>, Unavailable>>,
    {
        loop {
            let (answer, mut answered) = oneshot::channel();
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(LookupQuestion { saga, answer });
            tokio::select! {
                biased;
                // An error: the one that was to ask has gone away.
                answer = &mut answered => if let Ok(answer) = answer { return answer },
                _turn = self.turn.lock() => {
                    self.ask(&known).await;
                    if let Ok(answer) = answered.try_recv() {
                        return answer;
                    }
                }
            }
        }
    }

    /// Answers the questions that have waited for longest, as many as one query may have.
    async fn ask<A>(&self, known: impl Fn(Vec<SagaId>) -> A)
    where
        A: Future<Output = Result<Vec<SagaId>, Unavailable>>,
    {
        let questions: Vec<LookupQuestion> = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.retain(|question| !question.answer.is_closed());
            let many = waiting.len().min(ROWS_MAX);
            waiting.drain(..many).collect()
        };
        if questions.is_empty() {
            return;
        }
        let mut sagas: Vec<SagaId> = questions.iter().map(|question| question.saga).collect();
        sagas.sort_unstable();
        sagas.dedup();
        let known = known(sagas).await;
        let known = known.map(|known| known.into_iter().collect::<HashSet<_>>());
        for LookupQuestion { saga, answer } in questions {
            // The caller may have gone.
            let _ = answer.send(known.as_ref().map(|known| known.contains(&saga)).map_err(Clone::clone));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::future::join_all;
    use tokio::time::{Duration, sleep, timeout};
    use uuid::Uuid;

    use super::*;

    const QUERY: Duration = Duration::from_millis(10);

    fn saga(number: u128) -> SagaId {
        SagaId::new(Uuid::from_u128(number))
    }

    /// A store that keeps the sagas with even numbers, and the questions that it was asked.
    #[derive(Default)]
    struct EvenSagas {
        asked: Mutex<Vec<usize>>,
        fails: bool,
    }

    impl EvenSagas {
        async fn known(&self, mut sagas: Vec<SagaId>) -> Result<Vec<SagaId>, Unavailable> {
            self.asked.lock().unwrap().push(sagas.len());
            sleep(QUERY).await;
            sagas.retain(|saga| saga.as_uuid().as_u128() % 2 == 0);
            if self.fails { Err(Unavailable::because("on purpose")) } else { Ok(sagas) }
        }

        fn asked(&self) -> Vec<usize> {
            self.asked.lock().unwrap().clone()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn questions_that_come_during_a_query_share_the_next_one() {
        let (lookups, store) = (Lookups::default(), EvenSagas::default());
        let ask = |number| lookups.has(saga(number), |sagas| store.known(sagas));
        let answers = join_all((0..100).map(ask)).await;
        for (number, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer, Ok(number % 2 == 0), "{number}");
        }
        // The first comes alone: nobody waits for company.
        assert_eq!(store.asked(), [1, 99]);
        assert_eq!(join_all([7, 7, 7].map(ask)).await, [Ok(false), Ok(false), Ok(false)]);
        assert_eq!(store.asked(), [1, 99, 1, 1], "one saga is asked for once");
    }

    #[tokio::test(start_paused = true)]
    async fn a_query_has_no_more_questions_than_a_page_has_rows() {
        let (lookups, store) = (Lookups::default(), EvenSagas::default());
        let many = ROWS_MAX as u128 * 2 + 1;
        let ask = |number| lookups.has(saga(number), |sagas| store.known(sagas));
        let answers = join_all((0..many).map(ask)).await;
        assert_eq!(answers.iter().filter(|answer| **answer == Ok(true)).count(), ROWS_MAX + 1);
        assert_eq!(store.asked(), [1, ROWS_MAX, ROWS_MAX]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_comes_even_if_the_one_that_asked_for_all_goes_away() {
        let lookups = Arc::new(Lookups::default());
        let store = Arc::new(EvenSagas::default());
        let ask = |number| {
            let (lookups, store) = (lookups.clone(), store.clone());
            async move { lookups.has(saga(number), |sagas| store.known(sagas)).await }
        };
        let first = timeout(QUERY / 4, ask(1));
        // It takes the questions of all others at the first one's end, and goes away during that query.
        let second = timeout(QUERY / 2, ask(2));
        let others = join_all((3..10).map(ask));
        let (first, second, others) = tokio::join!(first, second, others);
        assert!(first.is_err() && second.is_err());
        let expected: Vec<_> = (3..10).map(|number| Ok(number % 2 == 0)).collect();
        assert_eq!(others, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_query_that_fails_fails_for_those_that_shared_it_and_for_no_others() {
        let lookups = Lookups::default();
        let failing = EvenSagas { fails: true, ..EvenSagas::default() };
        let answers =
            join_all((0..3).map(|number| lookups.has(saga(number), |sagas| failing.known(sagas)))).await;
        assert!(answers.iter().all(|answer| answer.is_err()), "{answers:?}");
        let store = EvenSagas::default();
        assert_eq!(lookups.has(saga(4), |sagas| store.known(sagas)).await, Ok(true));
    }
}
