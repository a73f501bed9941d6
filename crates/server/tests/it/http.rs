//! A client of one request a connection: well-behaved, or byte for byte as a test wants it.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Long enough for any answer on a loaded machine; only a failing test waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    method: String,
    path: String,
    host: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Call {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        let (method, path, host) = (method.to_owned(), path.to_owned(), "test".to_owned());
        Self { method, path, host, headers: Vec::new(), body: None }
    }

    pub(crate) fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    pub(crate) fn post(path: &str) -> Self {
        Self::new("POST", path)
    }

    /// `POST /api/commande/checkout` for a client, at shop 1.
    pub(crate) fn checkout(client: i64) -> Self {
        Self::post("/api/commande/checkout").json(&json!({ "client_id": client, "magasin_id": 1 }))
    }

    /// A form, as a page sends it.
    pub(crate) fn form(self, fields: &[(&str, &str)]) -> Self {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.header("content-type", "application/x-www-form-urlencoded").body(body)
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    pub(crate) fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    /// Asks for another host.
    pub(crate) fn host(self, host: &str) -> Self {
        Self { host: host.to_owned(), ..self }
    }

    pub(crate) fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    pub(crate) fn prefer(self, preference: &str) -> Self {
        self.header("prefer", preference)
    }

    /// As it goes over the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut head =
            format!("{} {} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.method, self.path, self.host);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = &self.body {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) text: String,
    text_bytes: usize,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All headers of a name.
    pub(crate) fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("no JSON: {error}: {self:?}"))
    }

    /// The body of an answer that must be `status`.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.json()
    }

    /// The problem in an answer that must be one; its members are checked.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        let problem = self.expect(status);
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["type"], format!("urn:orchestrateur:problem:{code}"), "{problem}");
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
        let passes_by_itself = matches!(status, 429 | 503) || code == "call_under_way";
        assert_eq!(self.header("retry-after").is_some(), passes_by_itself, "{self:?}");
        problem
    }

    /// The answers to several requests on one connection, as far as they are whole. Informational ones (1xx) are
    /// passed over.
    pub(crate) fn all(mut bytes: &[u8]) -> Vec<Self> {
        let mut replies = Vec::new();
        while let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = &bytes[end + 4..];
            // The answer to HEAD has a length and no body.
            let has_body = !rest.starts_with(b"HTTP/1.");
            let reply = Self::parse(if has_body { bytes } else { &bytes[..end + 4] });
            let length = reply.as_ref().map_or(0, |reply| reply.text_bytes);
            replies.extend(reply.filter(|reply| reply.status >= 200));
            bytes = &rest[length..];
        }
        replies
    }

    /// Reads the bytes that came until the connection closed. `None`: no whole answer.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).ok()?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let body = &bytes[end + 4..];
        let length = headers.iter().find(|(name, _)| name == "content-length")?.1.parse().ok()?;
        // The answer to HEAD has a length and no body.
        let body = if body.is_empty() { body } else { body.get(..length)? };
        let (text, text_bytes) = (String::from_utf8_lossy(body).into_owned(), body.len());
        Some(Self { status, headers, text, text_bytes })
    }
}

/// Sends `call` and reads the answer.
#[track_caller]
pub(crate) fn send(address: SocketAddr, call: &Call) -> impl Future<Output = Reply> + Send + use<> {
    let (bytes, shown) = (call.bytes(), format!("{} {}", call.method, call.path));
    async move {
        match raw(address, &bytes, Close::Never).await {
            Some(reply) => reply,
            None => panic!("{shown}: no answer"),
        }
    }
}

/// When a raw client closes its side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Close {
    /// Not before the answer is there.
    Never,
    /// When everything is sent.
    AfterSending,
    /// When everything is sent and something has come back, or nothing has for a while.
    AfterAWhile,
}

/// How long a client that may have sent half a request waits before it says that there is no more.
const A_WHILE: Duration = Duration::from_millis(100);

/// Sends bytes and reads the answer. `None`: the connection was closed without a whole one.
pub(crate) async fn raw(address: SocketAddr, bytes: &[u8], close: Close) -> Option<Reply> {
    Reply::parse(&raw_bytes(address, bytes, close).await)
}

/// Sends bytes and reads whatever comes until the connection is closed.
pub(crate) async fn raw_bytes(address: SocketAddr, bytes: &[u8], close: Close) -> Vec<u8> {
    let exchange = async {
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut read, mut write) = stream.into_split();
        let (heard, hears) = tokio::sync::oneshot::channel::<()>();
        let sending = async {
            // A server that has heard enough closes its end; what it answered can still be read.
            let _ = write.write_all(bytes).await;
            if close == Close::AfterAWhile {
                let _ = timeout(A_WHILE, hears).await;
            }
            if close != Close::Never {
                let _ = write.shutdown().await;
            }
        };
        let mut answer = Vec::new();
        let receiving = async {
            if read.read_buf(&mut answer).await.is_ok_and(|bytes| bytes > 0) {
                let _ = heard.send(());
                let _ = read.read_to_end(&mut answer).await;
            }
        };
        tokio::join!(sending, receiving);
        answer
    };
    match timeout(PATIENCE, exchange).await {
        Ok(answer) => answer,
        Err(_) => panic!("no end within {PATIENCE:?}: {}", String::from_utf8_lossy(bytes)),
    }
}
