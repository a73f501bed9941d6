//! PgBouncer between a program and a PostgreSQL server: in transaction mode, with two connections to the server.

use crate::guarded::{self, GuardedServer};
use crate::postgres::{ROLE, free_port};

/// A running PgBouncer. Dropping it ends it.
#[derive(Debug)]
pub struct Pooler {
    port: u16,
    _server: GuardedServer,
}

impl Pooler {
    /// Starts one for the server at this port of this machine.
    pub fn start(server: u16) -> Self {
        let directory = guarded::folder("pgbouncer");
        let port = free_port();
        let place = directory.path().display();
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={server}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = trust\nauth_file = {place}/users\npool_mode = transaction\ndefault_pool_size = 2\n\
             max_client_conn = 500\nserver_login_retry = 1\n"
        );
        let file = directory.path().join("pgbouncer.ini");
        std::fs::write(&file, settings).expect("write the settings");
        std::fs::write(directory.path().join("users"), format!("\"{ROLE}\" \"\"\n"))
            .expect("write the users");
        let file = file.to_str().expect("the folder's name is a text").to_owned();
        let program = std::env::var("PGBOUNCER").unwrap_or_else(|_| "/usr/sbin/pgbouncer".to_owned());
        let server = GuardedServer::start(directory, port, &program, &[&file]);
        Self { port, _server: server }
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }
}
