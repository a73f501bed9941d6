//! An identity provider: it publishes the key that signs the callers' tokens, and is away at times.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use saga_testkit::tokens::TokenKey;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 64;

/// The issuer.
pub(crate) struct Issuer {
    address: SocketAddr,
    keys: Arc<Mutex<Vec<Value>>>,
    serving: Mutex<JoinHandle<()>>,
}

impl Issuer {
    pub(crate) async fn open(key: &TokenKey) -> anyhow::Result<Self> {
        let socket = reserved((Ipv4Addr::LOCALHOST, 0).into())?;
        let address = socket.local_addr()?;
        let keys = Arc::new(Mutex::new(vec![key.published()]));
        let serving = Mutex::new(serve(socket, address, keys.clone())?);
        Ok(Self { address, keys, serving })
    }

    /// Its name and address.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Publishes one more key; of those before, only the last one stays.
    pub(crate) fn publish(&self, key: &TokenKey) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let last = keys.pop();
        *keys = last.into_iter().chain([key.published()]).collect();
    }

    /// Connections to it are refused while this future runs.
    pub(crate) async fn away(&self, meanwhile: impl Future<Output = ()>) -> anyhow::Result<()> {
        self.serving().abort();
        // The port stays its own.
        let socket = loop {
            match reserved(self.address) {
                Ok(socket) => break socket,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        meanwhile.await;
        *self.serving() = serve(socket, self.address, self.keys.clone())?;
        Ok(())
    }

    fn serving(&self) -> std::sync::MutexGuard<'_, JoinHandle<()>> {
        self.serving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A port that refuses connections, and belongs to nobody else.
fn reserved(address: SocketAddr) -> anyhow::Result<TcpSocket> {
    let port = TcpSocket::new_v4()?;
    port.set_reuseaddr(true)?;
    port.bind(address).context("take the issuer's port")?;
    Ok(port)
}

fn serve(
    socket: TcpSocket,
    address: SocketAddr,
    keys: Arc<Mutex<Vec<Value>>>,
) -> anyhow::Result<JoinHandle<()>> {
    let listener = socket.listen(BACKLOG)?;
    #[expect(clippy::disallowed_methods, reason = "it is there for as long as the ordeal lasts")]
    Ok(tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let keys = keys.lock().unwrap_or_else(PoisonError::into_inner).clone();
            // A client that goes away, or never sends its request, concerns itself alone.
            let _ =
                tokio::time::timeout(std::time::Duration::from_secs(2), answer(stream, address, keys)).await;
        }
    }))
}

async fn answer(mut stream: TcpStream, address: SocketAddr, keys: Vec<Value>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let body = match head.starts_with(b"GET /keys ") {
        true => json!({ "keys": keys }),
        false => {
            json!({ "issuer": format!("http://{address}"), "jwks_uri": format!("http://{address}/keys") })
        }
    };
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}
