//! A collector of spans: takes OTLP over HTTP as a real one does, and decodes it by OpenTelemetry's own types. It can misbehave,
//! too.

#![expect(clippy::disallowed_methods, reason = "a real process is waited for, in real time")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

/// How long spans are waited for.
const SPANS_AWAITED: Duration = Duration::from_secs(60);

/// What the collector does with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CollectorManner {
    /// Takes it.
    Takes,
    /// Answers with this status, and a header line or none.
    Answers(u16, &'static str),
    /// Never answers.
    Silent,
    /// Answers without end.
    Endless,
    /// Closes the connection at once.
    Closes,
    /// Answers with bytes that are no HTTP.
    Babbles,
}

/// A span as it has come.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptSpan {
    /// The name of the process: `service.name`.
    pub service: String,
    /// As lower-case hex digits.
    pub trace: String,
    /// As lower-case hex digits.
    pub id: String,
    /// As lower-case hex digits; empty: it has none.
    pub parent: String,
    /// The message itself.
    pub span: Span,
}

impl KeptSpan {
    /// The attribute's value as a text.
    pub fn attribute(&self, key: &str) -> Option<String> {
        text_of(&self.span.attributes, key)
    }
}

/// A collector that listens on a free port for as long as the program runs.
pub struct Collector {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    manner: Mutex<CollectorManner>,
    spans: Mutex<Vec<KeptSpan>>,
    /// The heads of the requests.
    heads: Mutex<Vec<String>>,
}

impl Collector {
    /// A collector that takes everything.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("the listener's address");
        let shared = Arc::new(Shared {
            manner: Mutex::new(CollectorManner::Takes),
            spans: Mutex::default(),
            heads: Mutex::default(),
        });
        let serving = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = serving.clone();
                thread::spawn(move || {
                    // The caller may go away at any time.
                    let _ = serve(&shared, stream);
                });
            }
        });
        Self { address, shared }
    }

    /// The value of `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on, it does this with requests.
    pub fn behave(&self, manner: CollectorManner) {
        *lock(&self.shared.manner) = manner;
    }

    /// The spans that have come, each once: it panics if one has come twice, and not the same.
    pub fn spans(&self) -> Vec<KeptSpan> {
        let mut once: Vec<KeptSpan> = Vec::new();
        for span in lock(&self.shared.spans).iter() {
            match once.iter().find(|known| (&known.trace, &known.id) == (&span.trace, &span.id)) {
                None => once.push(span.clone()),
                Some(known) => assert_eq!(known.span, span.span, "one span, told twice"),
            }
        }
        once
    }

    /// The heads of the requests that have come.
    pub fn heads(&self) -> Vec<String> {
        lock(&self.shared.heads).clone()
    }

    /// The spans, once there are such as are wanted; it panics when they do not come.
    pub fn wait_for(&self, what: &str, is_there: impl Fn(&[KeptSpan]) -> bool) -> Vec<KeptSpan> {
        let begun = Instant::now();
        loop {
            let spans = self.spans();
            if is_there(&spans) {
                return spans;
            }
            let names: Vec<_> = spans.iter().map(|span| &span.span.name).collect();
            assert!(begun.elapsed() < SPANS_AWAITED, "{what} has not come; there are {names:?}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(shared: &Shared, stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok()).flatten()
        });
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body)?;
        if head.to_ascii_lowercase().contains("\r\ncontent-encoding: gzip\r\n") {
            let packed = std::mem::take(&mut body);
            GzDecoder::new(&packed[..]).read_to_end(&mut body)?;
        }
        lock(&shared.heads).push(head);
        let manner = lock(&shared.manner).clone();
        match manner {
            CollectorManner::Takes => {
                keep(shared, &body);
                stream.write_all(
                    b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n",
                )?;
            }
            CollectorManner::Answers(status, line) => {
                write!(
                    stream,
                    "HTTP/1.1 {status} X\r\n{line}{}content-length: 0\r\n\r\n",
                    if line.is_empty() { "" } else { "\r\n" }
                )?;
            }
            CollectorManner::Silent => {
                // Until the caller hangs up.
                let _ = reader.read(&mut [0]);
                return Ok(());
            }
            CollectorManner::Endless => {
                stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
                loop {
                    stream.write_all(b"400\r\n")?;
                    stream.write_all(&[b'x'; 1_024])?;
                    stream.write_all(b"\r\n")?;
                }
            }
            CollectorManner::Closes => return Ok(()),
            CollectorManner::Babbles => return stream.write_all(b"\x00\xff no answer at all\r\n\r\n"),
        }
    }
}

fn keep(shared: &Shared, body: &[u8]) {
    let request = ExportTraceServiceRequest::decode(body).expect("a request of OTLP");
    for resource in request.resource_spans {
        let attributes = resource.resource.map(|resource| resource.attributes).unwrap_or_default();
        let service = text_of(&attributes, "service.name").unwrap_or_default();
        let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
        lock(&shared.spans).extend(spans.map(|span| KeptSpan {
            service: service.clone(),
            trace: hex(&span.trace_id),
            id: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
            span,
        }));
    }
}

fn text_of(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    Some(match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::BoolValue(is) => is.to_string(),
        Value::DoubleValue(number) => number.to_string(),
        other => format!("{other:?}"),
    })
}

/// Bytes as lower-case hex digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
