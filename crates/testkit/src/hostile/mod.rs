//! A participant that says anything: raw bytes over TCP, right or wrong, fast or slow, or nothing at all.
//!
//! One address, and a [`Mode`] that can be changed at any time: what it does to the next connection and the
//! next request. Threads and blocking sockets of its own, so that it does not depend on anything that it
//! tests.

mod bytes;
mod modes;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

pub use self::modes::{MODES, Mode, mode};

/// Nothing waits for longer: a thread that nobody wants any more ends.
const PATIENCE: Duration = Duration::from_secs(10);
/// A flood ends after so many bytes, in case that it is read for ever.
const FLOOD_BYTES_MAX: usize = 1 << 30;

/// What it does, one after the other.
#[derive(Debug, Clone)]
pub enum Part {
    /// Writes.
    Say(Vec<u8>),
    /// Writes this until the other side closes, or `FLOOD_BYTES_MAX` are written.
    Flood(Vec<u8>),
    /// Writes a byte at a time, with a pause after each.
    Trickle(Vec<u8>, Duration),
    /// Does nothing for a while.
    Pause(Duration),
    /// Closes its way to the caller, and leaves the other one open.
    HalfClose,
    /// Keeps the connection, says nothing, and reads nothing until the other side closes.
    Hold,
    /// Reads the next request on the same connection.
    Next,
    /// Closes with a reset: what it had said may be lost.
    Reset,
}

/// The participant. It stops when it is dropped.
pub struct Hostile {
    address: SocketAddr,
    control: Arc<Control>,
}

struct Control {
    mode: Mutex<&'static Mode>,
    requests: AtomicUsize,
    connections: AtomicUsize,
    is_over: AtomicBool,
}

impl Control {
    fn mode(&self) -> &'static Mode {
        *self.mode.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hostile {
    /// Listens on a free port of this machine; the first mode answers well.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on this machine");
        let address = listener.local_addr().expect("its own address");
        let control = Arc::new(Control {
            mode: Mutex::new(&MODES[0]),
            requests: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        });
        let accepting = control.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if accepting.is_over.load(Ordering::Relaxed) {
                    return;
                }
                accepting.connections.fetch_add(1, Ordering::Relaxed);
                let control = accepting.clone();
                // A caller that hangs up, at any point, is as good as any end.
                thread::spawn(move || _ = serve(stream, &control));
            }
        });
        Self { address, control }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it does from now on.
    pub fn play(&self, mode: &'static Mode) {
        *self.control.mode.lock().unwrap_or_else(PoisonError::into_inner) = mode;
    }

    /// Requests that it has read.
    pub fn requests(&self) -> usize {
        self.control.requests.load(Ordering::Relaxed)
    }

    /// Connections that it has accepted.
    pub fn connections(&self) -> usize {
        self.control.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.control.is_over.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(mut stream: TcpStream, control: &Control) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let accepted = control.mode();
    if accepted.speaks_first && !act(&mut stream, accepted)? {
        return Ok(());
    }
    while read_request(&mut stream)? {
        control.requests.fetch_add(1, Ordering::Relaxed);
        if !act(&mut stream, control.mode())? {
            return Ok(());
        }
    }
    Ok(())
}

/// Whether it goes on with the next request.
fn act(stream: &mut TcpStream, mode: &Mode) -> std::io::Result<bool> {
    for part in (mode.parts)() {
        match part {
            Part::Say(bytes) => stream.write_all(&bytes)?,
            Part::Flood(piece) => {
                let block = piece.repeat((16 * 1024 / piece.len()).max(1));
                for _ in 0..FLOOD_BYTES_MAX / block.len() {
                    stream.write_all(&block)?;
                }
            }
            Part::Trickle(bytes, pause) => {
                for byte in bytes {
                    stream.write_all(&[byte])?;
                    thread::sleep(pause);
                }
            }
            Part::Pause(pause) => thread::sleep(pause),
            Part::HalfClose => stream.shutdown(Shutdown::Write)?,
            Part::Hold => while stream.read(&mut [0; 1024])? > 0 {},
            Part::Next => return Ok(true),
            Part::Reset => {
                SockRef::from(&*stream).set_linger(Some(Duration::ZERO))?;
                return Ok(false);
            }
        }
    }
    Ok(false)
}

/// Reads a head and the body that its `Content-Length` announces. False: the caller has hung up.
fn read_request(stream: &mut TcpStream) -> std::io::Result<bool> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 {
            return Ok(false);
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body)?;
    Ok(true)
}
