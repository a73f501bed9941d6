//! System calls, by the layer that made them: from strace's lines, which tell each call's file or peer.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use saga_endurance::client::PATIENCE;
use tokio::time::{Instant, sleep};

use crate::figures::{Counts, Layer, Measure};

/// Calls that give bytes to a file or a socket.
const WRITES: [&str; 6] = ["write", "writev", "pwrite64", "pwritev", "sendto", "sendmsg"];
/// Calls that wait for the disk.
const FLUSHES: [&str; 2] = ["fsync", "fdatasync"];
/// One order in so many has to be one with the fewest entries, or the figures mean nothing.
const USUAL_IN: usize = 20;

/// A program that runs the orchestrator under strace.
pub(crate) fn traced_program(folder: &Path, lines: &Path) -> PathBuf {
    let found = Command::new("strace").arg("-V").stdout(Stdio::null()).status();
    assert!(found.is_ok(), "there is no strace: scripts/setup installs it");
    let program = folder.join("traced");
    // The orchestrator stays our child, so that signals go to it, and none is traced where only children may be. No text of a call is
    // wanted, but names of files and addresses of peers.
    let script = format!(
        "#!/bin/sh\nexec strace -D -f -ttt -yy -q -s 0 -e signal=none -o {} {} \"$@\"\n",
        lines.display(),
        env!("CARGO_BIN_EXE_orchestrateur")
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    program
}

/// Waits until strace has written its last line: the process has ended.
pub(crate) async fn complete(lines: &Path) -> String {
    let begun = Instant::now();
    loop {
        let text = std::fs::read(lines).unwrap();
        let text = String::from_utf8_lossy(&text).into_owned();
        if text.lines().last().is_some_and(|line| line.contains("+++ ")) {
            return text;
        }
        assert!(begun.elapsed() < PATIENCE, "strace does not end within {PATIENCE:?}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Files and peers, by which a call's layer is known.
pub(crate) struct Places {
    /// The address for callers.
    pub(crate) listen: SocketAddr,
    /// The participants' ports.
    pub(crate) participants: Vec<u16>,
    /// The database's port, if it is a server.
    pub(crate) database: Option<u16>,
    /// The folder of the database's file, if it is one.
    pub(crate) folder: PathBuf,
}

/// A call, and which of its kind it is.
type Place = (Layer, String);

impl Places {
    fn place(&self, name: &str, arguments: &str) -> Place {
        if let Some((local, peer)) = ports(arguments) {
            if local == self.listen.port() {
                return (Layer::Server, format!("{name} caller"));
            }
            if let Some(at) = self.participants.iter().position(|port| *port == peer) {
                return (Layer::Calls, format!("{name} participant {at}"));
            }
            if self.database == Some(peer) {
                return (Layer::Journal, format!("{name} database"));
            }
        }
        if let Some((_, file)) = arguments.split_once(&*self.folder.to_string_lossy()) {
            let end = file.find(['"', '>']).unwrap_or(file.len());
            return (Layer::Journal, format!("{name} {}", file[..end].trim_start_matches('/')));
        }
        (Layer::Runtime, name.to_owned())
    }
}

/// The ports of `12<TCP:[127.0.0.1:8023->127.0.0.1:5555]>`.
fn ports(arguments: &str) -> Option<(u16, u16)> {
    let (local, peer) = arguments.split_once("<TCP:[")?.1.split_once("]>")?.0.split_once("->")?;
    let port = |address: &str| address.rsplit_once(':')?.1.parse().ok();
    Some((port(local)?, port(peer)?))
}

/// The calls of one order, of orders that began at these times, one after the other; the last time is the end.
///
/// Only orders with the fewest flushes, or writes to the database, count: the others had an entry more because the machine was slow, or
/// a checkpoint, or the process's own work fell in their time.
pub(crate) fn of_one(lines: &str, places: &Places, begun: &[f64]) -> Counts {
    let mut orders: Vec<BTreeMap<Place, (u64, u64)>> = vec![BTreeMap::new(); begun.len() - 1];
    // Calls that other threads' lines interrupt: the order and the place of each thread's.
    let mut interrupted: BTreeMap<&str, Option<(usize, Place)>> = BTreeMap::new();
    for line in lines.lines() {
        let Some((thread, at, text)) = parts(line) else { continue };
        let call = if text.starts_with("<... ") {
            interrupted.remove(thread).flatten()
        } else if let Some((name, arguments)) = text.split_once('(') {
            let after = begun.partition_point(|start| *start <= at);
            let order = after.checked_sub(1).filter(|order| *order < orders.len());
            order.map(|order| {
                let place = places.place(name, arguments);
                orders[order].entry(place.clone()).or_default().0 += 1;
                (order, place)
            })
        } else {
            continue;
        };
        if text.ends_with("<unfinished ...>") {
            interrupted.insert(thread, call);
        } else if let Some((order, place)) = call
            && let Some(bytes) = text.rsplit_once(" = ").and_then(|(_, result)| result.parse::<u64>().ok())
        {
            orders[order].entry(place).or_default().1 += bytes;
        }
    }
    let entries = |order: &BTreeMap<Place, (u64, u64)>| -> u64 {
        let of_journal = order.iter().filter(|((layer, place), _)| {
            let name = call_name(place);
            *layer == Layer::Journal
                && (FLUSHES.contains(&name) || places.database.is_some() && WRITES.contains(&name))
        });
        of_journal.map(|(_, (calls, _))| calls).sum()
    };
    let fewest = orders.iter().map(entries).min().unwrap();
    let usual: Vec<_> = orders.iter().filter(|order| entries(order) == fewest).collect();
    assert!(
        usual.len() * USUAL_IN >= orders.len(),
        "only {} of {} orders are usual ones",
        usual.len(),
        orders.len()
    );
    summary(&usual)
}

fn summary(orders: &[&BTreeMap<Place, (u64, u64)>]) -> Counts {
    let mut sums: BTreeMap<&Place, (u64, u64)> = BTreeMap::new();
    for (place, (calls, bytes)) in orders.iter().flat_map(|order| order.iter()) {
        let sum = sums.entry(place).or_default();
        sum.0 += calls;
        sum.1 += bytes;
    }
    let mut counts = Counts::default();
    for ((layer, place), (calls, bytes)) in sums {
        let [calls, bytes] = [calls, bytes].map(|count| count as f64 / orders.len() as f64);
        counts.add(Measure::SystemCalls, *layer, calls);
        if *layer != Layer::Runtime && WRITES.contains(&call_name(place)) {
            counts.add(Measure::BytesWritten, *layer, bytes);
        }
        if FLUSHES.contains(&call_name(place)) {
            counts.add(Measure::Flushes, *layer, calls);
        }
        counts.details.push(format!("{layer}: {place}: {calls:.2} calls, results of {bytes:.0}"));
    }
    counts
}

fn call_name(place: &str) -> &str {
    place.split(' ').next().unwrap_or_default()
}

/// The thread, the time and the text of a line.
fn parts(line: &str) -> Option<(&str, f64, &str)> {
    let (thread, rest) = line.split_once(' ')?;
    let (at, text) = rest.trim_start().split_once(' ')?;
    Some((thread, at.parse().ok()?, text))
}

/// Lines whose layers are known.
pub(crate) fn layers_of_lines() {
    let places = Places {
        listen: SocketAddr::from(([127, 0, 0, 1], 8023)),
        participants: vec![5001, 5002],
        database: None,
        folder: PathBuf::from("/data"),
    };
    let lines = "\
        7  99.0 fsync(3</data/o.db-wal>) = 0\n\
        7  100.0 recvfrom(9<TCP:[127.0.0.1:8023->127.0.0.1:4444]>, \"\"..., 8192, 0, NULL, NULL) = 300\n\
        7  100.1 sendto(10<TCP:[127.0.0.1:4445->127.0.0.1:5002]>, \"\"..., 200, MSG_NOSIGNAL, NULL, 0 <unfinished ...>\n\
        8  100.2 pwrite64(3</data/o.db-wal>, \"\"..., 4096, 0) = 4096\n\
        7  100.3 <... sendto resumed>) = 200\n\
        8  100.4 fsync(3</data/o.db-wal>) = 0\n\
        8  100.5 statx(AT_FDCWD, \"/data/o.db\", AT_STATX_SYNC_AS_STAT, STATX_ALL, 0x7ffd) = 0\n\
        8  100.6 futex(0x7f, FUTEX_WAKE_PRIVATE, 1) = 1\n\
        8  100.7 --- SIGTERM {si_signo=SIGTERM} ---\n\
        8  101.0 fsync(3</data/o.db-wal>) = 0\n\
        8  101.1 fsync(3</data/o.db-wal>) = 0\n\
        8  102.0 fsync(3</data/o.db-wal>) = 0\n\
        8  102.1 +++ exited with 0 +++\n";
    // The second order has an entry more and does not count, nor do calls before the first and after the end.
    let counts = of_one(lines, &places, &[100.0, 101.0, 102.0]);
    let figure = |measure, layer| counts.figures.get(&(measure, layer)).copied();
    assert_eq!(figure(Measure::SystemCalls, Layer::Server), Some(1.0));
    assert_eq!(figure(Measure::SystemCalls, Layer::Calls), Some(1.0));
    assert_eq!(figure(Measure::BytesWritten, Layer::Calls), Some(200.0));
    assert_eq!(figure(Measure::SystemCalls, Layer::Journal), Some(3.0));
    assert_eq!(figure(Measure::BytesWritten, Layer::Journal), Some(4096.0));
    assert_eq!(figure(Measure::Flushes, Layer::Journal), Some(1.0));
    assert_eq!(figure(Measure::SystemCalls, Layer::Runtime), Some(1.0));
}
