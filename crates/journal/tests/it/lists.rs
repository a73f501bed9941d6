//! Lists of sagas: filters, in whatever combination, and the walk from page to page.

use std::collections::BTreeSet;

use saga_core::CauseGroup;
use saga_core::saga::Rollback;
use saga_journal::{Cursor, Filter, KeptRow, Store};

use crate::entries::{OWNER, at, labels, start, word};
use crate::fixture::{Fixture, conformance, keep};

conformance! {
    lists_are_filtered
    a_list_is_walked_without_gaps_or_doubles
}

/// Orders in a fixed variety: states, rollbacks, clients, shops, and few instants.
async fn variety(store: &dyn Store) -> Vec<KeptRow> {
    let mut rows = Vec::new();
    for number in 0..60_u8 {
        let mut entry = start(u128::from(number) * 0x1111_1111_1111);
        let row = &mut entry.row;
        row.state = word(["INITIEE", "CONFIRMEE", "ECHEC_STOCK"][usize::from(number % 3)]);
        row.rollback =
            [Rollback::None, Rollback::Running, Rollback::Done, Rollback::Blocked][usize::from(number % 4)];
        let (client, shop) = (i64::from(number % 5), i64::from(number % 7));
        let of: Vec<_> = [("client_id", client), ("magasin_id", shop)]
            .into_iter()
            .filter(|(_, value)| *value > 0)
            .collect();
        row.labels = labels(&of);
        row.definition = word(["checkout", "travel", "trial"][usize::from(number % 9 / 3)]);
        (row.over, row.due) = (number % 11 > 5 && number % 4 % 2 == 0, None);
        row.created = at(i64::from(number % 6));
        keep(store, &[&entry]).await;
        let mut kept = KeptRow { saga: entry.saga, row: entry.row, owner: OWNER, parked: None };
        if number % 13 == 0 {
            store.park(kept.saga, OWNER, word("odd")).await.unwrap();
            kept.parked = Some(word("odd"));
            kept.row.blocked_since = Some(kept.row.updated);
            kept.row.cause = Some(CauseGroup::unreadable("odd").key().clone());
        }
        rows.push(kept);
    }
    rows.sort_by_key(|row| std::cmp::Reverse((row.row.created, row.saga)));
    rows
}

async fn walk(store: &dyn Store, filter: &Filter, limit: usize) -> Vec<KeptRow> {
    let mut walked = Vec::new();
    let mut after: Option<Cursor> = None;
    loop {
        let page = store.list(filter.clone(), after, limit).await.unwrap();
        assert!(page.rows.len() <= limit);
        assert!(page.next.is_none() || page.rows.len() == limit, "a page before the last one is full");
        walked.extend(page.rows);
        after = page.next;
        if after.is_none() {
            return walked;
        }
    }
}

async fn lists_are_filtered<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let all = variety(&*store).await;
    let mut sizes = BTreeSet::new();
    let rollbacks = [Rollback::None, Rollback::Running, Rollback::Done, Rollback::Blocked].map(Some);
    for (bits, rollback) in (0..8).flat_map(|bits| rollbacks.iter().chain([&None]).map(move |it| (bits, *it)))
    {
        let wanted = [("client_id", 2, bits & 2 > 0), ("magasin_id", 1, bits & 4 > 0)];
        let wanted: Vec<_> = wanted.iter().filter(|(_, _, is_wanted)| *is_wanted).collect();
        let filter = Filter {
            state: (bits & 1 > 0).then(|| word("CONFIRMEE")),
            rollback,
            labels: wanted.iter().map(|(name, value, _)| (word(name), word(&value.to_string()))).collect(),
            ..Filter::default()
        };
        let expected: Vec<KeptRow> = all
            .iter()
            .filter(|kept| {
                let shown = if kept.parked.is_some() { Rollback::Blocked } else { kept.row.rollback };
                filter.state.as_ref().is_none_or(|state| *state == kept.row.state)
                    && rollback.is_none_or(|rollback| rollback == shown)
                    && wanted.iter().all(|(name, value, _)| kept.row.labels.integer(name) == Some(*value))
            })
            .cloned()
            .collect();
        sizes.insert(expected.len());
        assert_eq!(walk(&*store, &filter, 3).await, expected, "{filter:?}");
    }
    assert!(sizes.len() > 5, "the filters tell orders apart: {sizes:?}");
    // The parts that are served by indices of their own, beside each other and beside the rest.
    let rest = [
        Filter::default(),
        Filter { state: Some(word("CONFIRMEE")), ..Filter::default() },
        Filter { rollback: Some(Rollback::Blocked), ..Filter::default() },
        Filter { labels: vec![(word("client_id"), word("2"))], ..Filter::default() },
    ];
    let (since, until) = (at(1), at(4));
    for (bits, rest) in (0..16).flat_map(|bits| rest.iter().map(move |rest| (bits, rest))) {
        let filter = Filter {
            definition: (bits & 1 > 0).then(|| word("travel")),
            under_way: bits & 2 > 0,
            since: (bits & 4 > 0).then_some(since),
            until: (bits & 8 > 0).then_some(until),
            ..rest.clone()
        };
        let expected: Vec<KeptRow> = walk(&*store, rest, 100)
            .await
            .into_iter()
            .filter(|kept| {
                (bits & 1 == 0 || *kept.row.definition == *"travel")
                    && (bits & 2 == 0 || !kept.row.over)
                    && (bits & 4 == 0 || kept.row.created >= since)
                    && (bits & 8 == 0 || kept.row.created < until)
            })
            .collect();
        assert_eq!(walk(&*store, &filter, 3).await, expected, "{filter:?}");
    }
    let hostile = Filter { state: Some(word("' OR '1' = '1")), ..Filter::default() };
    assert_eq!(walk(&*store, &hostile, 3).await, []);
}

async fn a_list_is_walked_without_gaps_or_doubles<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let all = variety(&*store).await;
    for limit in [1, 7, 10, 59, 60, 61] {
        assert_eq!(walk(&*store, &Filter::default(), limit).await, all, "{limit} rows a page");
    }
}
