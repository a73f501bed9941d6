//! One ordeal: processes, shop and callers; a time with faults; a time without faults; and the judgement.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use anyhow::{Context, ensure};
use boutique::Facon;
use saga_testkit::dice::Dice;
use serde_json::json;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout};

use crate::between::{Between, Intermediary};
use crate::callers::Callers;
use crate::client::send;
use crate::database::{self, OrderStore};
use crate::doors::{CallerIdentity, Doors};
use crate::errand::ERRAND;
use crate::fault::Fault;
use crate::fleet::{ProcessPlace, Processes};
use crate::follower::Follower;
use crate::judge::judge;
use crate::load::CallerResult;
use crate::proxy::Proxy;
use crate::release::{Release, Rolling};
use crate::report::Report;

use crate::serve::Setup;
use crate::servers::{DatabaseServers, StandbyKind};
use crate::shop::Shop;
use crate::store::{self, StoreEngine};
use crate::trouble::{FaultTargets, address};

/// How long a process continues its orders after SIGTERM, in seconds: less than the slowest service takes, so that
/// some orders are handed over.
const DRAIN_S: u32 = 2;

/// How long the follower of events may be behind in the end.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(30);

/// The settings of an ordeal.
#[derive(Debug, Clone)]
pub struct Ordeal {
    /// The store of the orders.
    pub store: StoreEngine,
    /// A standby of PostgreSQL, which failovers need.
    pub standby: Option<StandbyKind>,
    /// The program that lies between the processes and PostgreSQL.
    pub between: Option<Between>,
    /// The release before, whose processes and those of this release take each other's places; `None`: there is one release.
    pub rolling: Option<Rolling>,
    /// Processes that share it; one with SQLite.
    pub replicas: usize,
    /// How long faults happen.
    pub length: Length,
    /// The seed of all random numbers.
    pub seed: u64,
    /// The faults that may happen. A fault that is listed twice happens twice as often.
    pub faults: Vec<Fault>,
    /// The time between two faults.
    pub every: Duration,
    /// Callers, each of which waits for one order at a time.
    pub callers: usize,
    /// How many of a hundred sagas are errands: graphs with signals and pauses. The others are the shop's checkout.
    pub errands_percent: u64,
    /// Whether callers need keys or tokens, over TLS: then the faults that change those may happen.
    pub is_guarded: bool,
    /// After the last fault, every order must be over within this time.
    pub tail: Duration,
}

/// How long faults happen.
#[derive(Debug, Clone, Copy)]
pub enum Length {
    /// For so long.
    Time(Duration),
    /// Until there are so many orders.
    Orders(u64),
    /// Until there were so many faults.
    Faults(u64),
}

impl Ordeal {
    /// Runs the ordeal. An error means that it could not be carried out; violations are in the report.
    pub async fn run(&self) -> anyhow::Result<Report> {
        let dice = Dice::new(self.seed);
        let shop = Shop::open(Facon::Moderne).await;
        let sqlite = tempfile::tempdir().context("make a folder")?;
        ensure!(
            matches!(self.store, StoreEngine::Postgres) || (self.standby.is_none() && self.between.is_none()),
            "only PostgreSQL has a standby, a pooler or a balancer"
        );
        let (servers, database) = match self.store {
            StoreEngine::Sqlite => {
                ensure!(self.replicas == 1, "one process has an SQLite file, not {}", self.replicas);
                (None, OrderStore::Sqlite(store::file(sqlite.path())))
            }
            StoreEngine::Postgres => {
                let kind = self.standby;
                let start = move || DatabaseServers::start(kind);
                let servers = spawn_blocking(start).await.context("start PostgreSQL")?;
                let url = servers.primary().url();
                (Some(Arc::new(servers)), OrderStore::Postgres(url))
            }
        };
        // The judge's own way to the server, and the pooler's: a failover turns them.
        let mut ways = Vec::new();
        let mut intermediary = None;
        let (database, for_processes) = match (&servers, database) {
            (Some(servers), OrderStore::Postgres(url)) => {
                let server = address(&servers.primary());
                let way = async || Proxy::start(server).await.map(Arc::new).context("start a proxy");
                let judges = way().await?;
                let judged = database::through(&url, judges.address()).1;
                ways.push(judges);
                let mut next = server;
                if let Some(between) = self.between {
                    let leads_to = match between {
                        Between::Pooler => {
                            let way = way().await?;
                            let port = way.address().port();
                            ways.push(way);
                            vec![port]
                        }
                        Between::Balancer => servers.ports(),
                    };
                    let started = spawn_blocking(move || Intermediary::start(between, &leads_to)).await?;
                    next = started.address();
                    intermediary = Some(started);
                }
                (OrderStore::Postgres(judged), Some((url, next)))
            }
            (_, database) => (database, None),
        };
        let doors = if self.is_guarded { Some(Arc::new(Doors::make().await?)) } else { None };
        let mut places = Vec::new();
        for number in 1..=self.replicas {
            let (proxy, url) = match (&database, &for_processes) {
                (OrderStore::Postgres(_), Some((url, next))) => {
                    let proxy = Proxy::start(*next).await.context("start a proxy")?;
                    let url = database::through(url, proxy.address()).1;
                    (Some(proxy), url)
                }
                (OrderStore::Sqlite(path), _) => (None, format!("sqlite://{}", path.display())),
                (OrderStore::Postgres(url), None) => (None, url.clone()),
            };
            let mut setup = Setup::of(&shop, url);
            setup.argument(&format!("--drain-s={DRAIN_S}"));
            setup.definition(ERRAND).argument("--commande-saga=checkout");
            if let Some(doors) = &doors {
                doors.set_up(&mut setup);
            }
            let place = ProcessPlace::new(setup, &format!("replica-{number}"), proxy);
            let mut machine = place.machine.lock().await;
            if let Some(rolling) = &self.rolling {
                machine.run_release(Release::Before, rolling.program(Release::Before));
            }
            place.start(&mut machine).await;
            drop(machine);
            places.push(Arc::new(place));
        }
        let fleet = Arc::new(Processes { places, doors });
        let shop = Arc::new(Mutex::new(shop));
        let trouble = Arc::new(FaultTargets::new(
            fleet.clone(),
            servers,
            (self.between, ways),
            database.clone(),
            shop.clone(),
        ));
        let callers = Arc::new(Callers::new(fleet.clone(), self.seed, self.errands_percent));

        let begun = Instant::now();
        let mut calling = callers.start(self.callers, &dice);
        let follower = Arc::new(Follower::default());
        #[expect(clippy::disallowed_methods, reason = "follows for as long as the ordeal lasts")]
        let following = tokio::spawn(follower.clone().follow(fleet.clone(), dice.split()));
        let (length, asked, troubled) = (self.length, callers.clone(), trouble.clone());
        let enough = &move || match length {
            Length::Faults(faults) => troubled.count() >= faults,
            Length::Time(time) => begun.elapsed() >= time,
            Length::Orders(orders) => asked.next.load(Ordering::Relaxed) as u64 > orders,
        };
        let (of_faults, of_releases) = (dice.split(), dice.split());
        let waves = async {
            match &self.rolling {
                Some(rolling) => trouble.roll(rolling, self.every, &of_releases, enough).await,
                None => Ok(()),
            }
        };
        let (_, rolled) =
            tokio::join!(trouble.clone().make(&self.faults, self.every, &of_faults, enough), waves);
        rolled.context("make the journal a newer one")?;
        callers.enough.store(true, Ordering::Relaxed);
        trouble.mend().await;
        let seconds = begun.elapsed().as_secs_f64();

        let quiet = Instant::now();
        let mut violations = Vec::new();
        let mut resumed = 0;
        let over = timeout(self.tail, async {
            while let Some(caller) = calling.join_next().await {
                if let Err(error) = caller {
                    violations.push(format!("a caller got an unexpected answer: {error}"));
                }
            }
            while !matches!(database.unfinished().await, Ok(0)) {
                sleep(Duration::from_millis(100)).await;
            }
        });
        // Callers wait for parked orders, too.
        let operator = async {
            loop {
                resumed += resume_parked(&fleet).await;
                sleep(Duration::from_millis(500)).await;
            }
        };
        let over = tokio::select! {
            over = over => over,
            () = operator => Ok(()),
        };
        match over {
            Ok(()) => {}
            Err(_) => violations.push(format!(
                "without faults for {:?}, {} orders are not over",
                self.tail,
                database.unfinished().await?
            )),
        }
        calling.abort_all();
        let tail_seconds = quiet.elapsed().as_secs_f64();
        let (mut connections_cut, mut refused) = (0, 0);
        for place in &fleet.places {
            connections_cut += place.proxy.as_ref().map_or(0, Proxy::cuts);
            violations.extend(self.check_process(place).await);
            if let Some(serve) = &place.machine.lock().await.serve {
                refused += serve.try_metric("journal_databases_refused_total").await.unwrap_or(0);
            }
        }

        let told = callers.book.entries();
        let signals = callers.signals.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let verdict = judge(&database, &*shop.lock().await, &told, &signals).await?;
        violations.extend(follower.caught_up(&verdict.positions, CAUGHT_UP_WITHIN).await);
        following.abort();
        drop(intermediary);
        let diary = trouble.diary();
        violations.extend(diary.violations.iter().chain(&verdict.violations).cloned());
        violations
            .append(&mut callers.contradictions.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
        if !told.iter().any(|(_, told)| matches!(told, CallerResult::Final { .. })) {
            violations.push("no order ever came to its end".to_owned());
        }
        let mut report = Report {
            seed: self.seed,
            replicas: self.replicas,
            store: match self.store {
                StoreEngine::Sqlite => "SQLite",
                StoreEngine::Postgres => "PostgreSQL",
            },
            seconds,
            tail_seconds,
            orders: verdict.ends.values().sum(),
            ends: verdict.ends.clone(),
            answers: verdict.answers.clone(),
            faults: diary.faults.clone(),
            connections_cut,
            take_overs: 0,
            resumed,
            signals: 0,
            events_told: follower.events(),
            pauses_late: Default::default(),
            latencies: Default::default(),
            restarts: Default::default(),
            zombies: (0, 0),
            failovers: diary.failovers.clone(),
            comebacks: diary.comebacks,
            waves: diary.waves,
            refused,
            violations,
        };
        report.measure(&diary, &verdict);
        Ok(report)
    }

    /// Checks a process at the end: it must be ready and idle, and must not have panicked.
    async fn check_process(&self, place: &ProcessPlace) -> Vec<String> {
        let machine = place.machine.lock().await;
        let mut wrong = Vec::new();
        if let Some(serve) = &machine.serve {
            match send(serve.supervised_at, "GET", "/readyz", &[], None).await {
                Ok(answer) if answer.status == 200 && answer.json()["sagas_active"] == 0 => {}
                other => wrong.push(format!("{} is not ready and idle: {other:?}", machine.name)),
            }
        }
        for line in machine.logs().lines().filter(|line| line.contains("panicked")) {
            wrong.push(format!("{}: {line}", machine.name));
        }
        wrong
    }
}

/// Resumes, as an operator, the orders that are parked because three processes in a row ended while the order was at
/// one call. With a kill every few seconds, that happens to orders without a defect. Orders that are blocked for
/// another reason stay blocked, which is a violation. Returns the number of resumed orders.
async fn resume_parked(fleet: &Processes) -> usize {
    let mut places = fleet.places.iter();
    let Some(process) = places.find_map(|place| fleet.endpoint(place, &CallerIdentity::Key)) else {
        return 0;
    };
    let list = match send(process.clone(), "GET", "/api/sagas?rollback=blocked&limit=100", &[], None).await {
        Ok(answer) if answer.status == 200 => answer.json(),
        // A process that has just started: the next round tries again.
        _ => return 0,
    };
    let mut resumed = 0;
    for saga in list.as_array().into_iter().flatten() {
        let (Some(id), "task_failed") =
            (saga["id"].as_str(), saga["blocked"]["stuck"].as_str().unwrap_or_default())
        else {
            continue;
        };
        let body = json!({ "by": "endurance", "reason": "its processes were killed, it is well itself" });
        let path = format!("/api/sagas/{id}/resume");
        let wait = [("prefer", "respond-async")];
        if let Ok(answer) = send(process.clone(), "POST", &path, &wait, Some(&body)).await
            && answer.status < 300
        {
            resumed += 1;
        }
    }
    resumed
}
