//! HAProxy between a program and several PostgreSQL servers: connections go to those that take writes, as its checks find out.

use std::fmt::Write as _;

use crate::guarded::{self, GuardedServer};
use crate::postgres::{ROLE, free_port};

/// Which version of PostgreSQL's protocol is spoken: 3.0.
const PROTOCOL: u32 = 3 << 16;
/// What the checks ask each server.
const QUESTION: &str = "SELECT pg_is_in_recovery()";
/// The row of the answer "f": its tag and length, one column, of one byte.
const TAKES_WRITES: [u8; 12] = [b'D', 0, 0, 0, 11, 0, 1, 0, 0, 0, 1, b'f'];

/// A running HAProxy. Dropping it ends it.
#[derive(Debug)]
pub struct Balancer {
    port: u16,
    _server: GuardedServer,
}

impl Balancer {
    /// Starts one for the servers at these ports of this machine. Where several take writes, each gets its share of the connections.
    pub fn start(servers: &[u16]) -> Self {
        let directory = guarded::folder("haproxy");
        let port = free_port();
        let settings = directory.path().join("haproxy.cfg");
        std::fs::write(&settings, written(port, servers)).expect("write the settings");
        let settings = settings.to_str().expect("the folder's name is a text");
        let program = std::env::var("HAPROXY").unwrap_or_else(|_| "/usr/sbin/haproxy".to_owned());
        let server = GuardedServer::start(directory, port, &program, &["-db", "-f", settings]);
        Self { port, _server: server }
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }
}

fn written(port: u16, servers: &[u16]) -> String {
    let (startup, question) = (hex(&startup()), hex(&question()));
    let mut settings = format!(
        "global\n    maxconn 1000\n\
         defaults\n    mode tcp\n    timeout connect 2s\n    timeout client 1h\n    timeout server 1h\n    timeout check 1s\n\
         listen postgres\n    bind 127.0.0.1:{port}\n    balance roundrobin\n    option tcp-check\n    tcp-check connect\n    \
         tcp-check send-binary {startup}\n    tcp-check send-binary {question}\n    tcp-check expect binary {}\n    \
         default-server check inter 200ms fall 2 rise 1 on-marked-down shutdown-sessions\n",
        hex(&TAKES_WRITES)
    );
    for (number, server) in servers.iter().enumerate() {
        writeln!(settings, "    server postgres-{number} 127.0.0.1:{server}").expect("a text takes all");
    }
    settings
}

/// The first message of a connection: <https://www.postgresql.org/docs/15/protocol-message-formats.html>, "StartupMessage".
fn startup() -> Vec<u8> {
    let parameters = format!("user\0{ROLE}\0database\0postgres\0\0");
    let mut message = (8 + parameters.len() as u32).to_be_bytes().to_vec();
    message.extend(PROTOCOL.to_be_bytes());
    message.extend(parameters.as_bytes());
    message
}

/// The same, "Query".
fn question() -> Vec<u8> {
    let mut message = vec![b'Q'];
    message.extend((4 + QUESTION.len() as u32 + 1).to_be_bytes());
    message.extend(QUESTION.as_bytes());
    message.push(0);
    message
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
