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
use crate::errand::{ERRAND, SignalSent};
use crate::ledgers::{self, Cart, End, OPERATIONS};
use crate::load::{CallerResult, Wish};
use crate::measures::{Durations, Micros};
use crate::shop::{Shop, ShopLine, cents};

const CHECKOUT: &str = include_str!("../../../sagas/checkout.yaml");
/// The steps with an effect, in either definition, in the order of [`OPERATIONS`].
const STEPS: [&str; OPERATIONS.len()] = ["stock", "paiement", "vente"];

/// The result of the judgement.
#[derive(Debug, Default)]
pub(crate) struct Judgement {
    /// Every violation, with all that is known about its order.
    pub(crate) violations: Vec<String>,
    /// The last position of each saga's history.
    pub(crate) positions: HashMap<Uuid, u64>,
    /// Orders by their end.
    pub(crate) ends: BTreeMap<String, usize>,
    /// For each order that was taken over, the times of its take-overs.
    pub(crate) taken_over: HashMap<Uuid, Vec<Micros>>,
    /// Signals in the histories.
    pub(crate) signals: usize,
    /// How long after its time each pause ended.
    pub(crate) pauses_late: Durations,
    /// Answers by kind.
    pub(crate) answers: BTreeMap<&'static str, usize>,
}

/// Judges everything. The processes must be idle.
pub(crate) async fn judge(
    database: &OrderStore,
    shop: &Shop,
    told: &[(Wish, CallerResult)],
    signals: &[SignalSent],
) -> anyhow::Result<Judgement> {
    let mut court = Court::new(definitions()?, ledgers::effects(shop).await);
    let mut after = Uuid::nil();
    loop {
        let page = database.page(after).await?;
        let Some(last) = page.last() else { break };
        after = last.saga;
        for kept in &page {
            court.verdict.positions.insert(kept.saga, kept.seq as u64);
            court.order(kept, shop).await;
        }
    }
    court.nobody_else_has_effects();
    court.answers(told);
    court.signals(signals);
    court.totals(shop).await?;
    Ok(court.verdict)
}

/// The definitions that orders run.
fn definitions() -> anyhow::Result<Vec<Arc<Definition>>> {
    [("checkout.yaml", CHECKOUT), ("errand.yaml", ERRAND)]
        .into_iter()
        .map(|(name, source)| {
            let definition = Definition::parse(name, source, &|_| None);
            definition.map(Arc::new).map_err(|mistakes| anyhow::anyhow!("{mistakes}"))
        })
        .collect()
}

struct Court {
    definitions: Vec<Arc<Definition>>,
    /// Effects of orders that have not been judged yet.
    effects: HashMap<String, Vec<ShopLine>>,
    carts: HashMap<i64, Cart>,
    /// The client, the shop and the state of each saga.
    ends: HashMap<String, (i64, i64, String)>,
    /// How often the histories have each signal, by saga and key.
    signals: HashMap<(String, String), usize>,
    /// The sagas and the states in which they needed an operator, by their histories.
    blocked: HashSet<(String, String)>,
    verdict: Judgement,
}

impl Court {
    fn new(definitions: Vec<Arc<Definition>>, effects: HashMap<String, Vec<ShopLine>>) -> Self {
        Self {
            definitions,
            effects,
            carts: HashMap::new(),
            ends: HashMap::new(),
            signals: HashMap::new(),
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
        let records = records(kept);
        let sells = records.as_ref().is_ok_and(|records| sells(records));
        let end = End { client_id: kept.client_id, etat: &kept.etat, rollback: &kept.rollback, sells };
        let ledgers = ledgers::check(end, &effects, &self.carts[&kept.client_id]);
        let history = records.and_then(|records| self.history(kept, &records, &effects));
        for found in [ledgers.err(), history.err()].into_iter().flatten() {
            self.verdict.violations.push(described(&found, kept, &effects));
        }
        let end = format!("{} {} {}", kept.definition, kept.etat, kept.rollback);
        *self.verdict.ends.entry(end).or_default() += 1;
        self.ends.insert(saga, (kept.client_id, kept.magasin_id, kept.etat.clone()));
    }

    /// Checks that the history is in order, and legal from the first event to the last, and that it agrees
    /// with the row and with the services' ledgers.
    fn history(
        &mut self,
        kept: &StoredOrder,
        records: &[Record],
        effects: &[ShopLine],
    ) -> Result<(), String> {
        let definition = self.definitions.iter().find(|definition| *definition.name == *kept.definition);
        let definition = definition.ok_or_else(|| format!("nobody knows `{}`", kept.definition))?.clone();
        let (mut epoch, mut before) = (0, Timestamp::from_micros(0));
        let mut called = [false; OPERATIONS.len()];
        let mut etat = String::new();
        let mut rests: HashMap<usize, (Timestamp, bool)> = HashMap::new();
        for (position, record) in (1..).zip(records) {
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
                    let name = definition.steps.get(*step).map(|step| &*step.name);
                    if let Some(operation) = STEPS.iter().position(|step| Some(*step) == name) {
                        called[operation] = true;
                    }
                }
                Event::Waits { step, until } => drop(rests.insert(*step, (*until, *until > record.at))),
                Event::PauseEnded { step } => {
                    let never = (Timestamp::from_micros(i64::MAX), true);
                    let (until, is_a_wait) = rests.get(step).copied().unwrap_or(never);
                    let late = record.at.as_micros() - until.as_micros();
                    if late < 0 {
                        return Err(format!("event {position} ends a pause before its time, {until}"));
                    }
                    if is_a_wait {
                        self.verdict.pauses_late.add(late);
                    }
                }
                Event::Signalled { key: Some(key), .. } => {
                    let signal = (kept.saga.to_string(), key.to_string());
                    *self.signals.entry(signal).or_default() += 1;
                }
                Event::Blocked { .. } => {
                    self.blocked.insert((kept.saga.to_string(), etat.clone()));
                }
                _ => {}
            }
        }
        let saga = Saga::fold(SagaId::new(kept.saga), definition, records)
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

    /// A signal that a process has acknowledged is in its saga's history, and none is there twice.
    fn signals(&mut self, sent: &[SignalSent]) {
        for signal in sent {
            let times = self.signals.remove(&(signal.saga.clone(), signal.key.clone())).unwrap_or(0);
            if times > 1 || (signal.is_acknowledged && times == 0) {
                self.verdict.violations.push(format!("{signal:?} is in its history {times} times"));
            }
            self.verdict.signals += times;
        }
        for (signal, _) in self.signals.drain() {
            self.verdict.violations.push(format!("nobody has sent {signal:?}"));
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
                "already_completed" | "no_way_back" => etat == "CONFIRMEE",
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

/// The events of an order; none may be missing.
fn records(kept: &StoredOrder) -> Result<Vec<Record>, String> {
    let mut records: Vec<Record> = Vec::new();
    for (first_seq, events) in &kept.frames {
        if *first_seq != records.len() as i64 + 1 {
            return Err(format!("event {} is missing", records.len() + 1));
        }
        let more = saga_core::record_text::read(events.as_bytes())
            .map_err(|error| format!("frame {first_seq}: {error}"))?;
        records.extend(more);
    }
    Ok(records)
}

/// Whether the order records a sale: each does whose input does not say otherwise.
fn sells(records: &[Record]) -> bool {
    let Some(Event::Started { input, .. }) = records.first().map(|record| &record.event) else { return true };
    let input: serde_json::Value = serde_json::from_str(input.text()).unwrap_or_default();
    input["sells"] != false
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
mod tests;
