//! Trouble: random faults at intervals, each of which ends after a while. Faults overlap.
//!
//! Each fault locks the thing that it breaks (a process's place, PostgreSQL, the shop); a thing that is locked is not
//! chosen again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use boutique::Service;
use saga_testkit::dice::Dice;
use saga_testkit::postgres::Cluster;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use uuid::Uuid;

use crate::between::Between;
use crate::database::{self, OrderStore};
use crate::doors_changes::DoorsChange;
use crate::fault::Fault;
use crate::fleet::{ProcessPlace, Processes, StartedProcess};
use crate::measures::{Durations, Micros, now};
use crate::proxy::{Delays, Proxy, Way};
use crate::serve::ServeProcess;
use crate::servers::DatabaseServers;
use crate::shop::Shop;

/// The interval of progress messages.
const WORD_EVERY: Duration = Duration::from_secs(60);
/// How long a process may take, after it continues, to notice that it lost its lease.
const LOSS_NOTICED_WITHIN: Duration = Duration::from_secs(8);

/// How often a balancer's connections are made anew while two servers take writes.
const BALANCED_ANEW_AFTER: Duration = Duration::from_millis(500);

/// How long a failover may take until something is written: longer than any lease, retry or deadline of the processes.
const NO_PROGRESS_US: Micros = 60_000_000;

/// Everything that faults can break.
pub(crate) struct FaultTargets {
    pub(crate) fleet: Arc<Processes>,
    servers: Option<Arc<DatabaseServers>>,
    between: Option<Between>,
    /// The addresses that lead to the primary, beside those of the processes.
    ways: Vec<Arc<Proxy>>,
    pub(crate) database: OrderStore,
    pub(crate) shop: Arc<tokio::sync::Mutex<Shop>>,
    /// Locked while PostgreSQL is down.
    server: Arc<tokio::sync::Mutex<()>>,
    diary: Mutex<Diary>,
}

/// A record of the faults and their times.
#[derive(Debug, Default, Clone)]
pub(crate) struct Diary {
    /// How often each fault happened.
    pub(crate) faults: BTreeMap<Fault, usize>,
    /// Owners that stopped owning their orders.
    pub(crate) departures: Vec<Departure>,
    /// The times when the store was down or slow for some process.
    pub(crate) disturbances: Vec<(Micros, Micros)>,
    /// How long each failover took, from the former primary's end to the first event at its successor.
    pub(crate) failovers: Durations,
    /// How often a former primary came back as if nothing had been.
    pub(crate) comebacks: usize,
    /// Complete upgrades and downgrades of all processes.
    pub(crate) waves: (usize, usize),
    /// Violations by processes, such as ending by themselves.
    pub(crate) violations: Vec<String>,
}

/// An owner that was killed, stopped or paused.
#[derive(Debug, Clone)]
pub(crate) struct Departure {
    pub(crate) fault: Fault,
    pub(crate) at: Micros,
    /// Its unfinished orders at that time.
    pub(crate) owned: Vec<Uuid>,
    /// When it was started again, or continued.
    pub(crate) back: Micros,
    /// For an owner that was paused: whether it logged that its lease was lost.
    pub(crate) said_so: bool,
}

impl FaultTargets {
    pub(crate) fn new(
        fleet: Arc<Processes>,
        servers: Option<Arc<DatabaseServers>>,
        (between, ways): (Option<Between>, Vec<Arc<Proxy>>),
        database: OrderStore,
        shop: Arc<tokio::sync::Mutex<Shop>>,
    ) -> Self {
        let (server, diary) = Default::default();
        Self { fleet, servers, between, ways, database, shop, server, diary }
    }

    pub(crate) fn diary(&self) -> Diary {
        self.diary.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many faults have begun.
    pub(crate) fn count(&self) -> u64 {
        self.diary().faults.values().sum::<usize>() as u64
    }

    pub(crate) fn note(&self, note: impl FnOnce(&mut Diary)) {
        note(&mut self.diary.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Causes faults until `enough`; returns when all of them have ended.
    pub(crate) async fn make(
        self: Arc<Self>,
        faults: &[Fault],
        every: Duration,
        dice: &Dice,
        enough: impl Fn() -> bool,
    ) {
        let mut under_way = JoinSet::new();
        let mut next = Instant::now() + every;
        let mut next_word = Instant::now() + WORD_EVERY;
        while !enough() {
            if Instant::now() >= next_word {
                next_word += WORD_EVERY;
                let faults = self.diary().faults.values().sum::<usize>();
                eprintln!("{faults} faults so far, {} orders under way", self.under_way().await);
            }
            sleep(Duration::from_millis(100)).await;
            self.look_for_the_dead().await;
            if Instant::now() >= next && !faults.is_empty() {
                next += every;
                self.draw(faults, dice, &mut under_way);
            }
            while let Some(ended) = under_way.try_join_next() {
                ended.expect("faults are undone");
            }
        }
        while let Some(ended) = under_way.join_next().await {
            ended.expect("faults are undone");
        }
    }

    /// The number of orders that are not over, if the store can be queried.
    async fn under_way(&self) -> String {
        self.database.unfinished().await.map_or_else(|_| "?".to_owned(), |orders| orders.to_string())
    }

    /// No process may end by itself.
    async fn look_for_the_dead(&self) {
        for place in &self.fleet.places {
            let Ok(mut machine) = place.machine.try_lock() else { continue };
            if let Some(status) = machine.serve.as_mut().and_then(|serve| serve.ended()) {
                let log = machine.serve.as_ref().map(|serve| serve.log()).unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(5).collect();
                self.note(|diary| {
                    diary.violations.push(format!("{} ended by itself: {status}\n{tail:#?}", machine.name));
                });
                place.kill(&mut machine);
                place.start(&mut machine).await;
            }
        }
    }

    /// Begins one fault, if the thing that it breaks is not locked.
    fn draw(self: &Arc<Self>, faults: &[Fault], dice: &Dice, under_way: &mut JoinSet<()>) {
        // Every fault has its own random generator, so that the duration of one fault does not change the others.
        let (dice, places) = (dice.split(), self.fleet.places.len() as u64);
        for _ in 0..20 {
            let fault = dice.one(faults);
            let index = dice.between(0, places) as usize;
            let begun = match fault {
                Fault::Kill | Fault::Replace | Fault::Pause | Fault::Shutdown => {
                    let place = self.fleet.places[index].clone();
                    let Ok(machine) = place.machine.clone().try_lock_owned() else { continue };
                    let this = self.clone();
                    let dice = dice.split();
                    under_way.spawn(async move { this.hit(fault, &place, machine, &dice).await })
                }
                // They come in waves.
                Fault::Upgrade | Fault::Downgrade => continue,
                Fault::DatabaseKill | Fault::DatabaseStop => {
                    let Some(servers) = self.servers.clone() else { continue };
                    let Ok(server) = self.server.clone().try_lock_owned() else { continue };
                    let (this, dice) = (self.clone(), dice.split());
                    under_way.spawn(async move {
                        this.without_a_server(fault, servers, &dice).await;
                        drop(server);
                    })
                }
                Fault::Failover => {
                    let Some(servers) = self.servers.clone().filter(|servers| servers.has_standby()) else {
                        continue;
                    };
                    let Ok(server) = self.server.clone().try_lock_owned() else { continue };
                    let (this, dice) = (self.clone(), dice.split());
                    under_way.spawn(async move {
                        this.fail_over(servers, &dice).await;
                        drop(server);
                    })
                }
                Fault::Cut
                | Fault::CutAnswer
                | Fault::CutRequest
                | Fault::Stall
                | Fault::Latency
                | Fault::Loss => {
                    let place = self.fleet.places[index].clone();
                    if place.proxy.is_none() {
                        continue;
                    }
                    let (this, dice) = (self.clone(), dice.split());
                    under_way.spawn(async move { this.break_connections(fault, &place, &dice).await })
                }
                Fault::Keys | Fault::Certificate | Fault::Issuer => {
                    let Some(doors) = self.fleet.doors.clone() else { continue };
                    let Some(change) = DoorsChange::begin(fault, doors) else { continue };
                    let (this, dice) = (self.clone(), dice.split());
                    under_way.spawn(async move {
                        if let Err(error) = change.carry_out(&this.fleet, &dice).await {
                            this.note(|diary| diary.violations.push(format!("{fault}: {error:#}")));
                        }
                    })
                }
                Fault::Refusing | Fault::Slow | Fault::AnswersLost | Fault::Reset | Fault::Down => {
                    let Ok(shop) = self.shop.clone().try_lock_owned() else { continue };
                    let dice = dice.split();
                    under_way.spawn(async move { annoy(fault, shop, &dice).await })
                }
            };
            drop(begun);
            self.note(|diary| *diary.faults.entry(fault).or_default() += 1);
            return;
        }
    }

    /// Takes an owner away, and brings it back.
    async fn hit(
        &self,
        fault: Fault,
        place: &ProcessPlace,
        mut machine: tokio::sync::OwnedMutexGuard<StartedProcess>,
        dice: &Dice,
    ) {
        let name = machine.name.clone();
        let Some(serve) = &machine.serve else { return };
        let mut departure = Departure { fault, at: now(), owned: Vec::new(), back: 0, said_so: false };
        match fault {
            Fault::Pause => {
                let leases_lost = timeout(LOSS_NOTICED_WITHIN, serve.leases_lost()).await;
                let leases_lost = leases_lost.map_or(0, |counted| counted.unwrap_or(0));
                serve.signal("STOP");
                departure.owned = self.database.owned_by(&name).await;
                sleep(Duration::from_millis(dice.between(1_000, 30_000))).await;
                serve.signal("CONT");
                departure.back = now();
                departure.said_so = has_lost_another_lease(serve, leases_lost).await;
            }
            Fault::Shutdown => {
                departure.owned = self.database.owned_by(&name).await;
                departure.at = now();
                serve.signal("TERM");
                place.exit(&mut machine).await;
                sleep(Duration::from_millis(dice.between(0, 3_000))).await;
                departure.back = place.start(&mut machine).await;
            }
            _ => {
                place.kill(&mut machine);
                departure.owned = self.database.owned_by(&name).await;
                if fault == Fault::Replace {
                    machine.rename();
                }
                sleep(Duration::from_millis(dice.between(0, 6_000))).await;
                departure.back = place.start(&mut machine).await;
            }
        }
        self.note(|diary| diary.departures.push(departure));
    }

    async fn without_a_server(&self, fault: Fault, servers: Arc<DatabaseServers>, dice: &Dice) {
        let cluster = servers.primary();
        let begun = now();
        let away = Duration::from_millis(dice.between(1_000, 10_000));
        let act = cluster.clone();
        let stopped =
            spawn_blocking(
                move || {
                    if fault == Fault::DatabaseKill { act.kill9() } else { act.stop_immediate() }
                },
            );
        stopped.await.expect("PostgreSQL can be stopped");
        sleep(away).await;
        spawn_blocking(move || cluster.start_again()).await.expect("PostgreSQL can be started");
        self.note(|diary| diary.disturbances.push((begun, now())));
    }

    /// The primary is killed, and its standby takes its place.
    async fn fail_over(&self, servers: Arc<DatabaseServers>, dice: &Dice) {
        let begun = now();
        let act = servers.clone();
        spawn_blocking(move || act.fail_over()).await.expect("the standby can be promoted");
        let primary = servers.primary();
        // No process is led there yet.
        let before = database::last_commit(&primary.url()).await;
        self.lead_everybody_to(address(&primary));
        loop {
            match (&before, database::last_commit(&primary.url()).await) {
                (Ok(before), Ok(last)) if last > *before => break,
                (Ok(_), _) if now() - begun < NO_PROGRESS_US => sleep(Duration::from_millis(10)).await,
                (before, last) => {
                    self.note(|diary| {
                        diary.violations.push(format!("no progress after a failover: {before:?}, {last:?}"));
                    });
                    break;
                }
            }
        }
        let took = now() - begun;
        let comes_back = dice.one_in(2) && self.lead_some_astray(&servers, dice).await;
        let act = servers.clone();
        spawn_blocking(move || act.rebuild()).await.expect("the former primary can be made a standby");
        self.note(|diary| {
            diary.failovers.add(took);
            diary.comebacks += usize::from(comes_back);
            diary.disturbances.push((begun, now()));
        });
    }

    /// The former primary comes back and takes writes, and processes that have seen its successor are led to it for a while. Tells whether it
    /// did.
    async fn lead_some_astray(&self, servers: &Arc<DatabaseServers>, dice: &Dice) -> bool {
        let places = &self.fleet.places;
        let index = dice.between(0, places.len() as u64) as usize;
        // A balancer may lead every process astray.
        let led = if self.between == Some(Between::Balancer) { &places[..] } else { &places[index..=index] };
        // A process that was started meanwhile, and that saw nothing else, could not know.
        let held: Vec<_> =
            led.iter().filter_map(|place| place.machine.clone().try_lock_owned().ok()).collect();
        if held.len() < led.len() || held.iter().any(|machine| machine.serve.is_none()) {
            return false;
        }
        let act = servers.clone();
        let former =
            spawn_blocking(move || act.bring_former_back()).await.expect("a killed server can be started");
        let proxies: Vec<&Proxy> = led.iter().filter_map(|place| place.proxy.as_ref()).collect();
        let until = Instant::now() + Duration::from_millis(dice.between(1_000, 5_000));
        if self.between == Some(Between::Balancer) {
            // The balancer finds the former primary by its checks, and leads its share of new connections there.
            while Instant::now() < until {
                sleep(BALANCED_ANEW_AFTER).await;
                proxies.iter().for_each(|proxy| proxy.cut());
            }
            return true;
        }
        for proxy in proxies {
            let usual = proxy.server();
            proxy.turn_to(address(&former));
            proxy.cut();
            sleep_until(until).await;
            proxy.turn_to(usual);
            proxy.cut();
        }
        true
    }

    fn lead_everybody_to(&self, server: std::net::SocketAddr) {
        // What lies between is led there by a way of its own, or finds out by itself.
        let places = if self.between.is_none() { &self.fleet.places[..] } else { &[] };
        let of_places = places.iter().filter_map(|place| place.proxy.as_ref());
        for way in self.ways.iter().map(|way| &**way).chain(of_places) {
            way.turn_to(server);
            way.cut();
        }
    }

    async fn break_connections(&self, fault: Fault, place: &ProcessPlace, dice: &Dice) {
        let Some(proxy) = &place.proxy else { return };
        let begun = now();
        match fault {
            Fault::Stall => {
                proxy.stall(true);
                sleep(Duration::from_millis(dice.between(500, 8_000))).await;
                proxy.stall(false);
            }
            Fault::Latency => {
                let each = Duration::from_millis(dice.between(5, 200));
                hold_up(proxy, Delays::Always(each), dice).await;
            }
            Fault::Loss => hold_up(proxy, Delays::Lost { percent: dice.between(1, 20) as u8 }, dice).await,
            Fault::CutAnswer => cut_in_the_middle(proxy, Way::Answer, dice).await,
            Fault::CutRequest => cut_in_the_middle(proxy, Way::Request, dice).await,
            _ => proxy.cut(),
        }
        self.note(|diary| diary.disturbances.push((begun, now())));
    }

    /// Undoes whatever may still be broken, after all faults have ended.
    pub(crate) async fn mend(&self) {
        self.shop.lock().await.mend();
        for place in &self.fleet.places {
            if let Some(proxy) = &place.proxy {
                proxy.forget();
                proxy.stall(false);
                proxy.delay(Delays::None);
            }
        }
    }
}

/// Where a server listens.
pub(crate) fn address(server: &Cluster) -> std::net::SocketAddr {
    std::net::SocketAddr::from(([127, 0, 0, 1], server.port()))
}

/// Everything comes late for a while.
async fn hold_up(proxy: &Proxy, delays: Delays, dice: &Dice) {
    proxy.delay(delays);
    sleep(Duration::from_millis(dice.between(2_000, 10_000))).await;
    proxy.delay(Delays::None);
}

/// Makes some cuts after a few bytes each, so that one of them hits an important answer.
async fn cut_in_the_middle(proxy: &Proxy, way: Way, dice: &Dice) {
    for _ in 0..dice.between(1, 6) {
        proxy.cut_after(way, dice.between(1, 20_000) as u32);
        sleep(Duration::from_millis(dice.between(100, 800))).await;
    }
    proxy.forget();
}

/// Whether a process soon counts that it lost its lease more often than `before`.
async fn has_lost_another_lease(serve: &ServeProcess, before: u64) -> bool {
    let looking = async {
        while serve.leases_lost().await.unwrap_or(0) <= before {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(LOSS_NOTICED_WITHIN, looking).await.is_ok()
}

/// Makes services fail, slow, or silent.
async fn annoy(fault: Fault, mut shop: tokio::sync::OwnedMutexGuard<Shop>, dice: &Dice) {
    const PATHS: [&str; 7] = [
        "GET /api/paniers/client/*",
        "POST /api/stock/reserver",
        "POST /api/stock/liberer",
        "POST /api/clients/*/payer",
        "POST /api/clients/*/rembourser",
        "POST /api/ventes",
        "DELETE /api/ventes/commande/*",
    ];
    let long = Duration::from_millis(dice.between(1_000, 10_000));
    if fault == Fault::Down {
        let service = dice.one(Service::ALL);
        shop.close(service).await;
        sleep(long).await;
        shop.reopen(service).await;
        return;
    }
    for path in PATHS {
        let what = match fault {
            Fault::Refusing => "status=503 probability=0.5".to_owned(),
            Fault::Slow if dice.one_in(2) => format!("latency={} probability=0.5", dice.between(50, 3_000)),
            Fault::Slow => format!("latency-after={} probability=0.5", dice.between(50, 3_000)),
            Fault::AnswersLost => "drop-after probability=0.3".to_owned(),
            _ => "drop-before probability=0.3".to_owned(),
        };
        shop.fault(&format!("{path} {what} seed={}", dice.between(0, 1 << 30)));
    }
    sleep(long).await;
    shop.mend();
}
