//! Plans of the statements by which old sagas go.

use tokio_postgres::types::Type;
use uuid::Uuid;

use super::super::link::Params;
use super::super::sql;
use super::{crowded, explain};

/// Old sagas go in small steps, so a step must not read what the other ones have.
#[tokio::test]
async fn old_sagas_are_looked_at_and_taken_away_by_index() {
    let link = crowded().await;
    let fill = "
        INSERT INTO saga_event (saga_id, first_seq, events)
            SELECT saga_id, first_seq, repeat('x', 300) FROM saga, unnest(ARRAY[1, 4]) AS frame (first_seq);
        INSERT INTO saga_label SELECT 'client', (created_us % 5000)::text, created_us, saga_id FROM saga;
        INSERT INTO saga_deed SELECT 'ann', created_us, saga_id, 1, 'start' FROM saga;
        VACUUM ANALYZE saga_event;
        VACUUM ANALYZE saga_label;
        VACUUM ANALYZE saga_deed";
    for statement in fill.split(';') {
        link.script(statement).await.unwrap();
    }
    let (name, until, from, first, limit) = ("checkout", 39_000_i64, 20_000_i64, Uuid::nil(), 256_i64);
    let aged: &Params<'_> = &[
        (&name, Type::TEXT),
        (&until, Type::INT8),
        (&from, Type::INT8),
        (&first, Type::UUID),
        (&limit, Type::INT8),
    ];
    let (plan, pages) = explain(&link, sql::AGED, aged).await;
    // All sagas are of one definition, so the two indices are equal.
    let is_by_index = plan.contains("saga_by_definition") || plan.contains("saga_newest");
    assert!(is_by_index && !plan.contains("Sort"), "{plan}");
    assert!(pages <= 256 + 10, "{pages} pages:\n{plan}");

    let rows = link
        .query("SELECT saga_id, created_us FROM saga WHERE is_over ORDER BY created_us LIMIT 32", &[])
        .await
        .unwrap();
    let ids: Vec<Uuid> = rows.iter().map(|row| row.get(0)).collect();
    let created: Vec<i64> = rows.iter().map(|row| row.get(1)).collect();
    let (label_names, names) = (vec!["client"; 32], vec!["ann"; 32]);
    let values: Vec<String> = created.iter().map(|us| (us % 5_000).to_string()).collect();
    let seqs = vec![1_i64; 32];
    let forget: &Params<'_> = &[
        (&ids, Type::UUID_ARRAY),
        (&label_names, Type::TEXT_ARRAY),
        (&values, Type::TEXT_ARRAY),
        (&created, Type::INT8_ARRAY),
        (&ids, Type::UUID_ARRAY),
        (&names, Type::TEXT_ARRAY),
        (&created, Type::INT8_ARRAY),
        (&ids, Type::UUID_ARRAY),
        (&seqs, Type::INT8_ARRAY),
    ];
    let (plan, pages) = explain(&link, sql::FORGET_SAGAS, forget).await;
    for index in ["saga_pkey", "saga_event_pkey", "saga_label_pkey", "saga_deed_pkey"] {
        assert!(plan.contains(index), "{index}: {plan}");
    }
    assert!(pages < 3_000, "{pages} pages:\n{plan}");
    let left = "SELECT (SELECT count(*) FROM saga), (SELECT count(*) FROM saga_event), (SELECT count(*) FROM saga_label), \
         (SELECT count(*) FROM saga_deed)";
    let left = link.query(left, &[]).await.unwrap();
    let left: Vec<i64> = (0..4).map(|column| left[0].get(column)).collect();
    assert_eq!(left, [30_000 - 32, 60_000 - 64, 30_000 - 32, 30_000 - 32]);
}
