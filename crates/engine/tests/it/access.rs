//! Orders whose participant's token endpoint is away wait for it, and lose nothing by that.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use saga_core::Definition;
use saga_core::definition::Format;
use saga_engine::participants::HttpParticipants;
use tokio::time::{Instant, sleep};

use crate::support::{PATIENT, Place, Secrets, Shop, order};

/// Answers requests on threads of its own, one for each connection.
fn serve(answering: impl Fn(&str) -> String + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answering = Arc::new(answering);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answering = answering.clone();
            std::thread::spawn(move || talk(stream, &*answering));
        }
    });
    address
}

fn talk(mut stream: TcpStream, answering: &dyn Fn(&str) -> String) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        reader.read_exact(&mut body).ok()?;
        stream.write_all(answering(&head).as_bytes()).ok()?;
    }
}

fn answer(status: u16, body: &str) -> String {
    format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_wait_for_a_token_without_using_up_their_attempts() {
    let (is_there, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(0)));
    let (there, counted) = (is_there.clone(), asked.clone());
    let endpoint = serve(move |_| {
        *counted.lock().unwrap() += 1;
        match there.load(Ordering::SeqCst) {
            true => answer(200, r#"{"access_token":"access-token","token_type":"Bearer","expires_in":3600}"#),
            false => answer(503, ""),
        }
    });
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = requests.clone();
    let participant = serve(move |head| {
        seen.lock().unwrap().push(head.to_owned());
        match head.contains("authorization: Bearer access-token\r\n") {
            true => answer(200, "{}"),
            false => answer(401, ""),
        }
    });
    // One attempt: an order that used it up in vain would fail.
    let source = format!(
        "saga: s\ninput: {{ client_id: integer, magasin_id: integer }}\nparticipants:\n  p:\n    url: 'http://{participant}'\n    \
         auth: {{ oauth2: {{ token_url: 'http://{endpoint}/', client_id: shop, client_secret: '${{SECRET}}' }} }}\nsteps:\n  \
         - step: a\n    participant: p\n    retry: {{ attempts: 1 }}\n    action: {{ post: /a }}\n    compensation: none\n"
    );
    let definition = Definition::read(&source, Format::CURRENT, &Secrets).unwrap();
    let shop = Shop::serving_through(definition, Arc::new(HttpParticipants::new().unwrap()));
    let orders: Vec<_> = (0..10)
        .map(|client| {
            let engine = shop.engine.clone();
            #[expect(clippy::disallowed_methods, reason = "callers, who wait side by side")]
            tokio::spawn(async move { engine.place(order(client, None, PATIENT)).await.unwrap() })
        })
        .collect();
    let begun = Instant::now();
    // The endpoint is asked again and again, by all orders together.
    while *asked.lock().unwrap() < 4 {
        assert!(begun.elapsed() < Duration::from_secs(20), "the endpoint is asked again");
        sleep(Duration::from_millis(20)).await;
    }
    assert!(requests.lock().unwrap().is_empty());
    let shown = shop.engine.participants()[0].access.clone().expect("a trouble");
    assert!(shown.holds_calls && shown.reason.contains("answered 503"), "{shown:?}");
    is_there.store(true, Ordering::SeqCst);
    for order in orders {
        assert_eq!(&*order.await.unwrap().state, "COMPLETED");
    }
    assert_eq!(shop.engine.participants()[0].access, None);
    let requests = requests.lock().unwrap();
    assert_eq!(requests.len(), 10);
    assert!(requests.iter().all(|head| head.contains("saga-attempt: 1\r\n")), "{requests:?}");
}
