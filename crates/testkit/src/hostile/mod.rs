//! A hostile participant: it sends raw bytes over TCP, right or wrong, fast or slow, or nothing at all.
//!
//! It has one address and a [`Mode`] that can be changed at any time, which defines its behaviour for the next
//! connection and the next request. It uses its own threads and blocking sockets, so that it does not depend on the
//! code under test.

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

/// The longest wait of any operation, so that a thread without a client ends.
const PATIENCE: Duration = Duration::from_secs(10);
/// A flood ends after this many bytes, in case the client never stops reading.
const FLOOD_BYTES_MAX: usize = 1 << 30;

/// One action of a mode; a mode is a list of them.
#[derive(Debug, Clone)]
pub enum Part {
    /// Writes these bytes.
    Say(Vec<u8>),
    /// Writes these bytes repeatedly until the client closes, or until `FLOOD_BYTES_MAX` are written.
    Flood(Vec<u8>),
    /// Writes a byte at a time, with a pause after each.
    Trickle(Vec<u8>, Duration),
    /// Pauses.
    Pause(Duration),
    /// Closes the direction to the client, and leaves the other one open.
    HalfClose,
    /// Keeps the connection open, and neither writes nor reads until the client closes.
    Hold,
    /// Reads the next request on the same connection.
    Next,
    /// Closes with a reset; bytes that were written before may be lost.
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
    /// Listens on a free port of this machine; the first mode gives a good answer.
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
                // A client may hang up at any point.
                thread::spawn(move || _ = serve(stream, &control));
            }
        });
        Self { address, control }
    }

    /// The address on which it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the mode.
    pub fn play(&self, mode: &'static Mode) {
        *self.control.mode.lock().unwrap_or_else(PoisonError::into_inner) = mode;
    }

    /// The number of requests that it has read.
    pub fn requests(&self) -> usize {
        self.control.requests.load(Ordering::Relaxed)
    }

    /// The number of connections that it has accepted.
    pub fn connections(&self) -> usize {
        self.control.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.control.is_over.store(true, Ordering::Relaxed);
        // Wakes the accepting thread.
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

/// Returns whether the next request follows on the same connection.
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

/// Reads a head and the body that its `Content-Length` announces. Returns false if the client has hung up.
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
