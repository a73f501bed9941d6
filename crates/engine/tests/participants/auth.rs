//! How calls prove who makes them: secrets that change, tokens that are asked for, renewed and refused, and token endpoints that
//! give none.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use saga_core::Outcome;
use saga_core::reply::Reply;
use saga_engine::participants::{AccessTrouble, Participants};
use tokio::time::{Instant, sleep, timeout};

use crate::desk::{Desk, answer, header};
use crate::support::Caller;

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);
const SECRET: &str = "s3cret-of-the-client";

/// A file with a secret, in a folder of its own.
struct SecretFile(tempfile::TempDir);

impl SecretFile {
    fn new(content: &str) -> Self {
        let file = Self(tempfile::tempdir().unwrap());
        file.write(content);
        file
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("secret")
    }

    fn write(&self, content: &str) {
        std::fs::write(self.path(), content).unwrap();
    }
}

fn bearer(file: &Path) -> String {
    format!("auth: {{ bearer: '${{file:{}}}' }}", file.display())
}

fn oauth2(endpoint: &Desk, file: &Path, more: &str) -> String {
    format!(
        "auth: {{ oauth2: {{ token_url: '{}/token?tenant=7', client_id: shop, client_secret: '${{file:{}}}'{more} }} }}",
        endpoint.url(),
        file.display()
    )
}

/// A participant that takes this value of `Authorization` alone.
async fn taking(taken: &Arc<Mutex<String>>) -> Desk {
    let taken = taken.clone();
    Desk::open(move |request| {
        let given = header(request, "authorization").unwrap_or_default();
        match *taken.lock().unwrap() == given {
            true => answer(200, r#"{"id":1}"#),
            false => answer(401, &format!(r#"{{"detail":"{given} is not accepted"}}"#)),
        }
    })
    .await
}

/// A token endpoint that gives `token-1`, `token-2` and so on.
async fn giving(expires_in: &str) -> (Desk, Arc<AtomicUsize>) {
    let given = Arc::new(AtomicUsize::new(0));
    let (counted, expires_in) = (given.clone(), expires_in.to_owned());
    let desk = Desk::open(move |_| {
        let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
        answer(
            200,
            &format!(r#"{{"access_token":"access-token-{number}","token_type":"Bearer"{expires_in}}}"#),
        )
    })
    .await;
    (desk, given)
}

fn trouble(caller: &Caller) -> Option<AccessTrouble> {
    caller.participants.access_trouble(&caller.definition.participants[0])
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

fn status(reply: &Reply) -> u16 {
    match reply {
        Reply::Answered(answer) => answer.status,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_changes_is_used_without_a_restart() {
    let file = SecretFile::new("the-first-token\n");
    let participant = Desk::open(|_| answer(200, "{}")).await;
    let caller = Caller::proving(&participant.url(), "none", &bearer(&file.path()), "");
    assert_eq!(status(&caller.call().await), 200);
    assert_eq!(header(&participant.seen()[0], "authorization"), Some("Bearer the-first-token"));
    file.write("the-second-token");
    until("the new one is used", async || {
        caller.call().await;
        let last = participant.seen().pop().unwrap();
        header(&last, "authorization") == Some("Bearer the-second-token")
    })
    .await;
    // A mistake in the file: the one from before is used, and the trouble is shown.
    file.write("a b");
    until("the mistake is seen", async || {
        assert_eq!(status(&caller.call().await), 200);
        trouble(&caller).is_some()
    })
    .await;
    let trouble = trouble(&caller).unwrap();
    assert!(!trouble.holds_calls && trouble.reason.contains("a token cannot have"), "{trouble:?}");
}

/// Also where the participant promises nothing: a 401 is the word that the call did not run.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_gets_401_is_made_again_with_the_secret_that_is_there_now() {
    let file = SecretFile::new("the-first-token");
    let taken = Arc::new(Mutex::new("Bearer the-first-token".to_owned()));
    let participant = taking(&taken).await;
    let caller = Caller::proving(&participant.url(), "none", &bearer(&file.path()), "");
    assert_eq!(status(&caller.call().await), 200);
    "Bearer the-second-token".clone_into(&mut taken.lock().unwrap());
    file.write("the-second-token");
    assert_eq!(status(&caller.call().await), 200);
    let seen = participant.seen();
    let keys: Vec<_> = seen.iter().map(|request| header(request, "idempotency-key")).collect();
    assert!(seen.len() <= 3 && keys.iter().all(|key| *key == keys[0]), "{seen:?}");
    // The same secret as before: nothing is made again, and the answer's words do not have it.
    *taken.lock().unwrap() = String::new();
    let verdict = caller.judged().await;
    assert_eq!((verdict.outcome, verdict.not_accepted, verdict.status), (Outcome::NotSent, true, Some(401)));
    assert!(verdict.reason.as_deref().unwrap().ends_with("Bearer *** is not accepted"), "{verdict:?}");
    assert_eq!(participant.seen().len(), seen.len() + 1);
}

/// An author who says that 401 may come after an effect is believed.
#[tokio::test(flavor = "multi_thread")]
async fn a_401_that_may_have_had_an_effect_is_not_made_again() {
    let secret = SecretFile::new(SECRET);
    let (endpoint, _) = giving("").await;
    let participant = taking(&Arc::default()).await;
    let auth = oauth2(&endpoint, &secret.path(), "");
    let caller = Caller::proving(&participant.url(), "none", &auth, ", unknown: .status == 401");
    assert_eq!(caller.judged().await.outcome, Outcome::Unknown);
    assert_eq!((participant.seen().len(), endpoint.seen().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_share_one_request_for_a_token() {
    let secret = SecretFile::new(SECRET);
    let (endpoint, given) = giving(r#","expires_in":3600"#).await;
    let participant = taking(&Arc::new(Mutex::new("Bearer access-token-1".into()))).await;
    let auth = oauth2(&endpoint, &secret.path(), ", scope: 'stock:write x', audience: 'https://stock'");
    let caller = Arc::new(Caller::proving(&participant.url(), "idempotent", &auth, ""));
    assert!(caller.participants.access(&caller.definition, 0).is_some(), "there is no token yet");
    let calls: Vec<_> = std::iter::repeat_with(|| {
        let caller = caller.clone();
        tokio::spawn(async move { status(&caller.call().await) })
    })
    .take(20)
    .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), 200);
    }
    assert!(caller.participants.access(&caller.definition, 0).is_none());
    assert_eq!(given.load(Ordering::SeqCst), 1);
    let asked = &endpoint.seen()[0];
    assert!(asked.starts_with("POST /token?tenant=7 HTTP/1.1\r\n"), "{asked}");
    // `shop:s3cret-of-the-client`, by `base64`.
    assert_eq!(header(asked, "authorization"), Some("Basic c2hvcDpzM2NyZXQtb2YtdGhlLWNsaWVudA=="));
    let form = "grant_type=client_credentials&scope=stock%3Awrite+x&audience=https%3A%2F%2Fstock";
    assert!(asked.ends_with(form), "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_refused_is_replaced_and_not_without_end() {
    let secret = SecretFile::new(SECRET);
    let (endpoint, given) = giving(r#","expires_in":3600"#).await;
    let taken = Arc::new(Mutex::new("Bearer access-token-2".to_owned()));
    let participant = taking(&taken).await;
    let caller = Caller::proving(&participant.url(), "none", &oauth2(&endpoint, &secret.path(), ""), "");
    assert_eq!(status(&caller.call().await), 200);
    assert_eq!((participant.seen().len(), given.load(Ordering::SeqCst)), (2, 2));
    // It takes none: each call is made once, and no further token is asked for.
    *taken.lock().unwrap() = String::new();
    for _ in 0..5 {
        let verdict = caller.judged().await;
        assert_eq!((verdict.outcome, verdict.not_accepted), (Outcome::NotSent, true));
        assert!(!verdict.reason.as_deref().unwrap().contains("access-token"), "{verdict:?}");
    }
    assert_eq!((participant.seen().len(), given.load(Ordering::SeqCst)), (7, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_renewed_before_its_end_and_no_call_waits() {
    let secret = SecretFile::new(SECRET);
    let (endpoint, given) = giving(r#","expires_in":2"#).await;
    let participant = Desk::open(|_| answer(200, "{}")).await;
    let caller =
        Caller::proving(&participant.url(), "idempotent", &oauth2(&endpoint, &secret.path(), ""), "");
    assert_eq!(status(&caller.call().await), 200);
    until("the third token is used", async || {
        assert!(caller.participants.access(&caller.definition, 0).is_none(), "a call would wait");
        assert_eq!(status(&caller.call().await), 200);
        let last = participant.seen().pop().unwrap();
        header(&last, "authorization") == Some("Bearer access-token-3")
    })
    .await;
    assert_eq!(given.load(Ordering::SeqCst), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_endpoint_that_gives_none_makes_calls_wait_and_says_why() {
    let token = |rest: &str| answer(200, &format!(r#"{{"access_token":"hunter2hunter2"{rest}}}"#));
    let huge = format!(r#","token_type":"Bearer","x":"{}""#, "x".repeat(100_000));
    let mut cases: Vec<(Vec<u8>, &str)> = vec![
        (answer(503, "hunter2hunter2"), "answered 503"),
        (
            answer(401, r#"{"error":"invalid_client","error_description":"s3cret-of-the-client"}"#),
            "invalid_client",
        ),
        (
            b"HTTP/1.1 302 x\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n".to_vec(),
            "redirects are not followed",
        ),
        (answer(200, "<html>hunter2hunter2"), "not a JSON object"),
        (token(""), "not a JSON object"),
        (token(r#","token_type":"mac""#), "another type than Bearer"),
        (token(r#","token_type":"Bearer","expires_in":-1"#), "`expires_in`"),
        (answer(200, r#"{"access_token":"hunter2\r\nx: y","token_type":"Bearer"}"#), "a line break"),
        (token(&huge), "larger than answer_bytes_max (65536 bytes)"),
        (b"nonsense\r\n\r\n".to_vec(), "the token endpoint: no answer"),
        // Never an answer.
        (Vec::new(), "no answer within 5s"),
    ];
    let mut checks = Vec::new();
    for (bad, words) in cases.drain(..) {
        checks.push(async move {
            let secret = SecretFile::new(SECRET);
            let is_well = Arc::new(std::sync::atomic::AtomicBool::new(false));
            let well = is_well.clone();
            let endpoint = Desk::open(move |_| match well.load(Ordering::SeqCst) {
                true => answer(200, r#"{"access_token":"hunter2hunter2","token_type":"Bearer"}"#),
                false => bad.clone(),
            })
            .await;
            let participant = Desk::open(|_| answer(200, "{}")).await;
            let caller =
                Caller::proving(&participant.url(), "none", &oauth2(&endpoint, &secret.path(), ""), "");
            let access = caller.participants.access(&caller.definition, 0).expect("it waits");
            until(words, async || trouble(&caller).is_some()).await;
            let told = trouble(&caller).unwrap();
            assert!(told.holds_calls && told.reason.contains(words), "{words}: {told:?}");
            assert!(!told.reason.contains("hunter2") && !told.reason.contains(SECRET), "{told:?}");
            // A call that is made all the same is not sent.
            let reply = caller.call().await;
            assert!(
                matches!(&reply, Reply::NotSent { reason } if reason.contains(words)),
                "{words}: {reply:?}"
            );
            assert!(participant.seen().is_empty());
            is_well.store(true, Ordering::SeqCst);
            timeout(PATIENCE, access).await.expect("the token comes");
            assert_eq!(status(&caller.call().await), 200);
            assert_eq!(trouble(&caller), None);
        });
    }
    futures_util::future::join_all(checks).await;
}
