//! A small TCP proxy between a process and its database that breaks connections.
//!
//! Cutting an answer after some bytes simulates a commit whose answer is lost: the server has it on disk, and the
//! client cannot know.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use saga_testkit::dice::Dice;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Bytes carried at once.
const CHUNK: usize = 16 * 1024;
/// No cut is pending.
const UNLIMITED: i64 = i64::MAX;

/// Forwards every connection to the server that it is turned to, until a test breaks them. Dropping it cuts all connections.
pub struct Proxy {
    address: SocketAddr,
    control: Arc<ProxyControl>,
    accepting: JoinHandle<()>,
}

/// The two directions of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    Request,
    /// From the server to the client.
    Answer,
}

/// How late each piece comes that is carried, in either direction. Those behind it wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delays {
    /// At once.
    None,
    /// So late.
    Always(Duration),
    /// So many of a hundred are lost, and come when the sender has sent them again: after 200 ms (`RETRANSMITTED_AFTER`), or, where they were lost
    /// again, twice as long after that, and so on.
    Lost {
        /// How many of a hundred.
        percent: u8,
    },
}

/// How often one piece may be lost.
const LOSSES_MAX: u32 = 6;
/// TCP's shortest wait before it sends something again, on Linux (`TCP_RTO_MIN`).
const RETRANSMITTED_AFTER: Duration = Duration::from_millis(200);

struct ProxyControl {
    /// Where new connections go.
    server: watch::Sender<SocketAddr>,
    /// Incremented to cut all connections.
    generation: watch::Sender<u64>,
    stalled: watch::Sender<bool>,
    delays: watch::Sender<Delays>,
    /// Bytes that may still pass before a cut, in each direction.
    left: [AtomicI64; 2],
    cuts: AtomicU64,
    /// How often a direction of a connection was begun.
    pumps: AtomicU64,
}

impl Delays {
    fn of_one(self, dice: &Dice) -> Duration {
        match self {
            Self::None => Duration::ZERO,
            Self::Always(each) => each,
            Self::Lost { percent } => {
                let times = (0..LOSSES_MAX).take_while(|_| dice.between(0, 100) < u64::from(percent)).count();
                RETRANSMITTED_AFTER * ((1 << times) - 1)
            }
        }
    }
}

impl Proxy {
    /// Listens on a free port of this machine, for `server`.
    pub async fn start(server: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let control = Arc::new(ProxyControl {
            server: watch::channel(server).0,
            generation: watch::channel(0).0,
            stalled: watch::channel(false).0,
            delays: watch::channel(Delays::None).0,
            left: [UNLIMITED, UNLIMITED].map(AtomicI64::new),
            cuts: AtomicU64::new(0),
            pumps: AtomicU64::new(0),
        });
        #[expect(clippy::disallowed_methods, reason = "one accept loop for each proxy")]
        let accepting = tokio::spawn(accept(listener, control.clone()));
        Ok(Self { address, control, accepting })
    }

    /// The address on which it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Forwards new connections to another server, as a load balancer does; those that are open stay where they are.
    pub fn turn_to(&self, server: SocketAddr) {
        self.control.server.send_replace(server);
    }

    /// Where new connections go.
    pub fn server(&self) -> SocketAddr {
        *self.control.server.borrow()
    }

    /// Cuts all connections now.
    pub fn cut(&self) {
        self.control.generation.send_modify(|generation| *generation += 1);
    }

    /// Cuts the connection that carries the last of the next `bytes` bytes in this direction; once.
    pub fn cut_after(&self, way: Way, bytes: u32) {
        self.control.left[way as usize].store(i64::from(bytes).max(1), Ordering::Relaxed);
    }

    /// Cancels a cut that has not happened yet.
    pub fn forget(&self) {
        self.control.left.iter().for_each(|left| left.store(UNLIMITED, Ordering::Relaxed));
    }

    /// Forwards nothing while `stalled` is set; connections stay open.
    pub fn stall(&self, stalled: bool) {
        self.control.stalled.send_replace(stalled);
    }

    /// Has all that is carried from now on come as late as this says.
    pub fn delay(&self, delays: Delays) {
        self.control.delays.send_replace(delays);
    }

    /// How many connections were cut while they were in use.
    pub fn cuts(&self) -> u64 {
        self.control.cuts.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, control: Arc<ProxyControl>) {
    while let Ok((client, _)) = listener.accept().await {
        let (control, server) = (control.clone(), *control.server.borrow());
        #[expect(clippy::disallowed_methods, reason = "one task for each connection, which ends with it")]
        tokio::spawn(async move { carry(client, server, &control).await });
    }
}

async fn carry(client: TcpStream, server: SocketAddr, control: &ProxyControl) {
    let mut cut = control.generation.subscribe();
    // If the server does not listen, the client sees its connection closed.
    let Ok(server) = TcpStream::connect(server).await else { return };
    for stream in [&client, &server] {
        let _ = stream.set_nodelay(true);
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // The first branch to end closes both sockets; bytes under way are lost.
    tokio::select! {
        _ = cut.changed() => { control.cuts.fetch_add(1, Ordering::Relaxed); }
        () = pump(from_client, to_server, control, Way::Request) => {}
        () = pump(from_server, to_client, control, Way::Answer) => {}
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, control: &ProxyControl, way: Way) {
    let mut stalled = control.stalled.subscribe();
    // The ordeal's seed does not decide which pieces are lost: bytes come in other pieces in each run anyway.
    let dice = Dice::new(control.pumps.fetch_add(1, Ordering::Relaxed));
    let mut chunk = vec![0; CHUNK];
    while let Ok(read) = from.read(&mut chunk).await
        && read > 0
    {
        let (allowed, cut) = control.take(way, read);
        let delays = *control.delays.borrow();
        if delays != Delays::None {
            sleep(delays.of_one(&dice)).await;
        }
        if stalled.wait_for(|stalled| !stalled).await.is_err()
            || to.write_all(&chunk[..allowed]).await.is_err()
            || cut
        {
            return;
        }
    }
}

impl ProxyControl {
    /// How many of `bytes` may pass, and whether that reaches the cut.
    fn take(&self, way: Way, bytes: usize) -> (usize, bool) {
        let left = &self.left[way as usize];
        let mut known = left.load(Ordering::Relaxed);
        while known != UNLIMITED {
            let allowed = known.min(bytes as i64);
            let next = if allowed == known { UNLIMITED } else { known - allowed };
            match left.compare_exchange(known, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => {
                    self.cuts.fetch_add(u64::from(next == UNLIMITED), Ordering::Relaxed);
                    return (allowed as usize, next == UNLIMITED);
                }
                Err(other) => known = other,
            }
        }
        (bytes, false)
    }
}
