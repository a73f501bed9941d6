//! The judge. For each order it compares the stored history, the shop's ledgers and the answers to callers. Then it
//! checks the totals.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::Context;
use boutique::Service;
use saga_core::{Definition, Event, Record, Saga, SagaId, Timestamp};
use uuid::Uuid;

use crate::client;
use crate::database::{OrderStore, StoredOrder, rollback_word};
use crate::ledgers::{self, Cart, End, OPERATIONS};
use crate::load::{CallerResult, Wish};
use crate::measures::Micros;
use crate::shop::{Shop, ShopLine, cents};

const CHECKOUT: &str = include_str!("../../../sagas/checkout.yaml");
/// The definition's steps, in order, by the operations that do and undo them. A read has none.
const STEPS: [Option<usize>; 4] = [None, Some(0), Some(1), Some(2)];

/// The result of the judgement.
#[derive(Debug, Default)]
pub(crate) struct Judgement {
    /// Every violation, with all that is known about its order.
    pub(crate) violations: Vec<String>,
    /// Orders by their end.
    pub(crate) ends: BTreeMap<String, usize>,
    /// For each order that was taken over, the times of its take-overs.
    pub(crate) taken_over: HashMap<Uuid, Vec<Micros>>,
    /// Answers by kind.
    pub(crate) answers: BTreeMap<&'static str, usize>,
}

/// Judges everything. The processes must be idle.
pub(crate) async fn judge(
    database: &OrderStore,
    shop: &Shop,
    told: &[(Wish, CallerResult)],
) -> anyhow::Result<Judgement> {
    let definition = Definition::parse("checkout.yaml", CHECKOUT, &|_| None)
        .map_err(|mistakes| anyhow::anyhow!("the built-in definition: {mistakes:?}"))?;
    let mut court = Court::new(definition, ledgers::effects(shop).await);
    let mut after = Uuid::nil();
    loop {
        let page = database.page(after).await?;
        let Some(last) = page.last() else { break };
        after = last.saga;
        for kept in &page {
            court.order(kept, shop).await;
        }
    }
    court.nobody_else_has_effects();
    court.answers(told);
    court.totals(shop).await?;
    Ok(court.verdict)
}

struct Court {
    definition: Arc<Definition>,
    /// Effects of orders that have not been judged yet.
    effects: HashMap<String, Vec<ShopLine>>,
    carts: HashMap<i64, Cart>,
    /// The client, the shop and the state of each saga.
    ends: HashMap<String, (i64, i64, String)>,
    /// The sagas and the states in which they needed an operator, by their histories.
    blocked: HashSet<(String, String)>,
    verdict: Judgement,
}

impl Court {
    fn new(definition: Definition, effects: HashMap<String, Vec<ShopLine>>) -> Self {
        Self {
            definition: Arc::new(definition),
            effects,
            carts: HashMap::new(),
            ends: HashMap::new(),
            blocked: HashSet::new(),
            verdict: Judgement::default(),
        }
    }

    async fn order(&mut self, kept: &StoredOrder, shop: &Shop) {
        let saga = kept.saga.to_string();
        let effects = self.effects.remove(&saga).unwrap_or_default();
        if let std::collections::hash_map::Entry::Vacant(cart) = self.carts.entry(kept.client_id) {
            cart.insert(shop.cart(kept.client_id).await);
        }
        let end = End { client_id: kept.client_id, etat: &kept.etat, rollback: &kept.rollback };
        let ledgers = ledgers::check(end, &effects, &self.carts[&kept.client_id]);
        let history = self.history(kept, &effects);
        for found in [ledgers.err(), history.err()].into_iter().flatten() {
            self.verdict.violations.push(described(&found, kept, &effects));
        }
        *self.verdict.ends.entry(format!("{} {}", kept.etat, kept.rollback)).or_default() += 1;
        self.ends.insert(saga, (kept.client_id, kept.magasin_id, kept.etat.clone()));
    }

    /// Checks that the history is complete, in order, and legal from the first event to the last, and that it agrees
    /// with the row and with the services' ledgers.
    fn history(&mut self, kept: &StoredOrder, effects: &[ShopLine]) -> Result<(), String> {
        let mut records: Vec<Record> = Vec::new();
        for (first_seq, events) in &kept.frames {
            if *first_seq != records.len() as i64 + 1 {
                return Err(format!("event {} is missing", records.len() + 1));
            }
            let more: Vec<Record> =
                serde_json::from_str(events).map_err(|error| format!("frame {first_seq}: {error}"))?;
            records.extend(more);
        }
        let (mut epoch, mut before) = (0, Timestamp::from_micros(0));
        let mut called = [false; OPERATIONS.len()];
        let mut etat = String::new();
        for (position, record) in (1..).zip(&records) {
            if record.at < before {
                return Err(format!("event {position} is of {}, after one of {before}", record.at));
            }
            before = record.at;
            if let Some(next) = &record.state {
                etat = next.to_string();
            }
            match &record.event {
                Event::TakenOver { epoch: next, .. } => {
                    if next.get() <= epoch {
                        return Err(format!("event {position} has epoch {next:?}, after epoch {epoch}"));
                    }
                    epoch = next.get();
                    self.verdict.taken_over.entry(kept.saga).or_default().push(record.at.as_micros());
                }
                Event::AttemptStarted { step, .. } => {
                    if let Some(Some(operation)) = STEPS.get(*step) {
                        called[*operation] = true;
                    }
                }
                Event::Blocked { .. } => {
                    self.blocked.insert((kept.saga.to_string(), etat.clone()));
                }
                _ => {}
            }
        }
        let saga = Saga::fold(SagaId::new(kept.saga), self.definition.clone(), &records)
            .map_err(|error| format!("its history is illegal: {error}"))?;
        let told = (&**saga.state(), rollback_word(saga.rollback()), saga.is_over(), saga.seq().get() as i64);
        let row = (&*kept.etat, &*kept.rollback, kept.is_over, kept.seq);
        if told != row || saga.epoch().get() as i64 != kept.epoch {
            return Err(format!("its history says {told:?} in epoch {:?}, its row {row:?}", saga.epoch()));
        }
        for ((service, action, compensation), called) in OPERATIONS.into_iter().zip(called) {
            if !called && effects.iter().any(|line| [action, compensation].contains(&&*line.operation)) {
                return Err(format!("{service} has effects of it that its history does not know"));
            }
        }
        Ok(())
    }

    fn nobody_else_has_effects(&mut self) {
        for (saga, effects) in self.effects.drain() {
            self.verdict.violations.push(format!("{saga} has effects, but does not exist: {effects:#?}"));
        }
    }

    fn answers(&mut self, told: &[(Wish, CallerResult)]) {
        let mut by_number: HashMap<i64, &str> = HashMap::new();
        for (saga, (_, number, _)) in &self.ends {
            if let Some(other) = by_number.insert(*number, saga) {
                let found = format!("one key, two orders: {saga} and {other}, for order {number}");
                self.verdict.violations.push(found);
            }
        }
        for (wish, told) in told {
            *self.verdict.answers.entry(kind(told)).or_default() += 1;
            if let Err(found) = self.answer(wish, told) {
                self.verdict.violations.push(format!("{found}: {wish:?} was told {told:?}"));
            }
        }
    }

    fn answer(&self, wish: &Wish, told: &CallerResult) -> Result<(), String> {
        let saga = match told {
            CallerResult::Final { saga, .. }
            | CallerResult::Accepted { saga }
            | CallerResult::WillBeCancelled { saga }
            | CallerResult::NotCancelled { saga, .. } => saga,
            CallerResult::NothingDone
            | CallerResult::InDoubt { .. }
            | CallerResult::Lost
            | CallerResult::Silent
            | CallerResult::CancelLost => {
                return Ok(());
            }
        };
        let (client_id, number, etat) = self.ends.get(saga).ok_or("there is no such order")?;
        if (*client_id, *number) != (wish.client_id, wish.number) {
            return Err(format!("another's order ({client_id}, {number})"));
        }
        let right = match told {
            // A blocked order continues after an operator's command.
            CallerResult::Final { etat: said, blocked: true, .. } => {
                self.blocked.contains(&(saga.clone(), said.clone()))
            }
            CallerResult::Final { etat: said, blocked: false, .. } => said == etat,
            CallerResult::WillBeCancelled { .. } => etat == "ANNULEE",
            CallerResult::NotCancelled { code, .. } => match &**code {
                "already_completed" => etat == "CONFIRMEE",
                "already_failed" | "already_over" => etat.starts_with("ECHEC_") || etat == "ANNULEE",
                _ => false,
            },
            _ => true,
        };
        if right { Ok(()) } else { Err(format!("it ended as {etat}")) }
    }

    /// Stock and money: the differences must equal the amounts of the confirmed orders.
    async fn totals(&mut self, shop: &Shop) -> anyhow::Result<()> {
        let mut sold: BTreeMap<i64, i64> = BTreeMap::new();
        let mut paid: BTreeMap<i64, i64> = BTreeMap::new();
        for (client_id, _, etat) in self.ends.values() {
            let (cart, cost) = &self.carts[client_id];
            let stands = i64::from(etat == "CONFIRMEE");
            for (produit_id, quantite) in cart {
                *sold.entry(*produit_id).or_default() += quantite * stands;
            }
            *paid.entry(*client_id).or_default() += cost * stands;
        }
        let seed = boutique::Seed::demo();
        for (produit_id, sold) in sold {
            let article = seed.articles.iter().find(|article| article.produit_id == produit_id);
            let before = article.context("the shop sells what is in its carts")?.quantite;
            let path = format!("/api/stock/{produit_id}");
            let there = client::get(shop.address(Service::Stock), &path).await.json();
            let there = there["quantite"].as_i64().context("read the stock")?;
            if before - there != sold {
                let gone = before - there;
                self.verdict.violations.push(format!("product {produit_id}: {sold} sold, {gone} gone"));
            }
        }
        for (client_id, paid) in paid {
            let before = seed.soldes.get(&client_id).unwrap_or(&seed.solde_par_defaut).get();
            let path = format!("/api/clients/{client_id}");
            let there = client::get(shop.address(Service::Client), &path).await.json();
            let gone = before - cents(there["solde"].as_f64().context("read the balance")?);
            if gone != paid {
                self.verdict.violations.push(format!("client {client_id}: {paid} cents due, {gone} gone"));
            }
        }
        Ok(())
    }
}

fn kind(told: &CallerResult) -> &'static str {
    match told {
        CallerResult::Final { .. } => "end",
        CallerResult::Accepted { .. } => "accepted",
        CallerResult::WillBeCancelled { .. } => "will be cancelled",
        CallerResult::NotCancelled { .. } => "not cancelled",
        CallerResult::NothingDone => "nothing done",
        CallerResult::InDoubt { .. } => "in doubt",
        CallerResult::Lost => "connection lost",
        CallerResult::Silent => "no answer in time",
        CallerResult::CancelLost => "cancellation in doubt",
    }
}

/// All that is known about an order.
fn described(found: &str, kept: &StoredOrder, effects: &[ShopLine]) -> String {
    let mut text = format!(
        "{}: {found}\n    client {} order {}: {} {} seq {} epoch {}\n",
        kept.saga, kept.client_id, kept.magasin_id, kept.etat, kept.rollback, kept.seq, kept.epoch
    );
    for (first_seq, events) in &kept.frames {
        let _ = writeln!(text, "    from {first_seq}: {events}");
    }
    for line in effects {
        let _ = writeln!(text, "    ledger {}: {} ({})", line.seq, line.operation, line.result);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Manner;

    /// An order that had two owners, was paid and is confirmed.
    const FRAMES: [(i64, &str); 4] = [
        (
            1,
            r#"[{"at":162,"etat":"INITIEE","event":{"started":{"definition":"HASH","input":{"client_id":4,"magasin_id":9868},"deadline":60000162,"claim":1}}},{"at":162,"event":{"attempt_started":{"step":0,"direction":"action","attempt":1}}},{"at":165,"event":{"attempt_ended":{"step":0,"direction":"action","attempt":1,"outcome":"ok","status":200,"output":{"produits":[],"montant":80.97}}}},{"at":165,"event":{"attempt_started":{"step":1,"direction":"action","attempt":1}}}]"#,
        ),
        (
            5,
            r#"[{"at":313,"etat":"STOCK_RESERVE","event":{"attempt_ended":{"step":1,"direction":"action","attempt":1,"outcome":"ok","status":200}}},{"at":313,"event":{"attempt_started":{"step":2,"direction":"action","attempt":1}}}]"#,
        ),
        (
            7,
            r#"[{"at":560,"event":{"taken_over":{"epoch":2,"claim":2}}},{"at":560,"event":{"attempt_started":{"step":2,"direction":"action","attempt":2}}}]"#,
        ),
        (
            9,
            r#"[{"at":582,"etat":"PAIEMENT_EFFECTUE","event":{"attempt_ended":{"step":2,"direction":"action","attempt":2,"outcome":"ok","status":200}}},{"at":582,"event":{"attempt_started":{"step":3,"direction":"action","attempt":1}}},{"at":598,"etat":"COMMANDE_ENREGISTREE","event":{"attempt_ended":{"step":3,"direction":"action","attempt":1,"outcome":"ok","status":201}}},{"at":598,"etat":"CONFIRMEE","event":"completed"}]"#,
        ),
    ];

    fn definition() -> Definition {
        Definition::parse("checkout.yaml", CHECKOUT, &|_| None).unwrap()
    }

    fn court() -> Court {
        Court::new(definition(), HashMap::new())
    }

    fn kept() -> StoredOrder {
        StoredOrder {
            saga: Uuid::from_u128(1),
            seq: 12,
            epoch: 2,
            etat: "CONFIRMEE".to_owned(),
            rollback: "AUCUN".to_owned(),
            is_over: true,
            client_id: 4,
            magasin_id: 9868,
            frames: FRAMES
                .map(|(seq, events)| (seq, events.replace("HASH", &definition().hash.to_string())))
                .into(),
        }
    }

    fn found(change: impl FnOnce(&mut StoredOrder)) -> String {
        let mut kept = kept();
        change(&mut kept);
        court().history(&kept, &[]).unwrap_err()
    }

    #[test]
    fn a_whole_history_is_one() {
        let mut court = court();
        court.history(&kept(), &[]).unwrap();
        assert_eq!(court.verdict.taken_over[&Uuid::from_u128(1)], [560]);
    }

    #[test]
    fn whatever_is_wrong_with_a_history_is_found() {
        let replace = |frame: usize, from: &str, to: &str| {
            let (from, to) = (from.to_owned(), to.to_owned());
            found(move |kept| {
                assert!(kept.frames[frame].1.contains(&from));
                kept.frames[frame].1 = kept.frames[frame].1.replace(&from, &to);
            })
        };
        assert!(found(|kept| drop(kept.frames.remove(1))).contains("event 5 is missing"));
        assert!(found(|kept| drop(kept.frames.pop())).contains("its row"));
        assert!(found(|kept| kept.epoch = 3).contains("its row"));
        assert!(found(|kept| kept.etat = "ANNULEE".to_owned()).contains("its row"));
        assert!(replace(2, r#""at":560"#, r#""at":100"#).contains("after one of"));
        assert!(replace(2, r#""epoch":2"#, r#""epoch":0"#).contains("after epoch"));
        assert!(replace(3, r#""outcome":"ok","status":201"#, r#""outcome":"refused""#).contains("illegal"));
        assert!(replace(3, "completed", "no such event").contains("frame 9"));
    }

    #[test]
    fn an_effect_that_no_history_knows_is_found() {
        let mut court = court();
        let mut kept = kept();
        kept.frames.truncate(1);
        (kept.seq, kept.epoch, kept.is_over, kept.etat) = (4, 1, false, "INITIEE".to_owned());
        let line = |operation: &str| ShopLine { operation: operation.to_owned(), ..ledgers::tests::line("") };
        court.history(&kept, &[line("reserver")]).unwrap();
        assert!(court.history(&kept, &[line("annuler")]).unwrap_err().contains("does not know"));
        court.effects.insert("nobody's".to_owned(), vec![line("payer")]);
        court.nobody_else_has_effects();
        assert!(court.verdict.violations[0].contains("does not exist"));
    }

    #[test]
    fn an_answer_that_is_not_so_is_found() {
        let mut court = court();
        court.ends.insert("a".to_owned(), (4, 1, "CONFIRMEE".to_owned()));
        court.ends.insert("b".to_owned(), (4, 1, "ANNULEE".to_owned()));
        let wish = |number| Wish { manner: Manner::Wait, ..Wish::plain(number, 4) };
        let end = |saga: &str, etat: &str| CallerResult::Final {
            saga: saga.into(),
            etat: etat.into(),
            blocked: false,
        };
        let blocked = |etat: &str| CallerResult::Final { saga: "a".into(), etat: etat.into(), blocked: true };
        court.blocked.insert(("a".to_owned(), "STOCK_RESERVE".to_owned()));
        let refused = |code: &str| CallerResult::NotCancelled { saga: "a".into(), code: code.into() };
        let right = [
            (wish(1), end("a", "CONFIRMEE")),
            (wish(1), CallerResult::Accepted { saga: "a".into() }),
            (wish(1), CallerResult::WillBeCancelled { saga: "b".into() }),
            (wish(1), refused("already_completed")),
            (wish(1), blocked("STOCK_RESERVE")),
            (wish(1), CallerResult::Lost),
        ];
        for (wish, told) in &right {
            court.answer(wish, told).unwrap();
        }
        let wrong = [
            (wish(1), end("a", "ANNULEE")),
            (wish(2), end("a", "CONFIRMEE")),
            (wish(1), blocked("INITIEE")),
            (wish(1), blocked("CONFIRMEE")),
            (wish(1), CallerResult::Accepted { saga: "c".into() }),
            (wish(1), CallerResult::WillBeCancelled { saga: "a".into() }),
            (wish(1), refused("already_failed")),
        ];
        for (wish, told) in &wrong {
            court.answer(wish, told).unwrap_err();
        }
        court.answers(&[]);
        assert!(court.verdict.violations[0].contains("one key, two orders"));
    }
}
