//! Clients: their requests, and the answers that they get.
#![expect(clippy::unwrap_used, reason = "what a test cannot do without, it panics without")]

use std::sync::Mutex;
use std::time::Duration;

use saga_testkit::dice::Dice;
use serde_json::{Value, json};

use crate::client::{NoResponse, PATIENCE, ProcessEndpoint, Response, send_within};
use crate::errand::Errand;

/// One order that a client wants. `number` is its shop, so that the order can be found even if the answer is lost.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The shop.
    pub number: i64,
    /// The client.
    pub client_id: i64,
    /// The `Idempotency-Key`.
    pub key: Option<String>,
    /// How the client requests it.
    pub manner: Manner,
    /// What its saga does, if that is an errand; `None`: it is the shop's checkout.
    pub errand: Option<Errand>,
    /// How long an answer may take; after that it is [`CallerResult::Silent`].
    pub patience: Duration,
}

/// How a client places an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Waits for the end.
    Wait,
    /// Does not wait.
    Async,
    /// Does not wait, and cancels at once.
    Cancel,
}

/// The answer that a client got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallerResult {
    /// 200.
    Final {
        /// The order's saga.
        saga: String,
        /// `etat_final`.
        etat: String,
        /// Whether an operator is needed.
        blocked: bool,
    },
    /// 202.
    Accepted {
        /// The order's saga.
        saga: String,
    },
    /// 202 to a cancellation.
    WillBeCancelled {
        /// The order's saga.
        saga: String,
    },
    /// 409 to a cancellation.
    NotCancelled {
        /// The order's saga.
        saga: String,
        /// The reason.
        code: String,
    },
    /// A 503 that says that nothing was done, or a refused connection.
    NothingDone,
    /// A 503 for an unknown outcome.
    InDoubt {
        /// The order's saga.
        saga: String,
    },
    /// The connection broke off.
    Lost,
    /// There was no answer in time.
    Silent,
    /// The outcome of a cancellation is unknown.
    CancelLost,
}

/// All answers that clients got.
#[derive(Default)]
pub struct Book(Mutex<Vec<(Wish, CallerResult)>>);

impl Book {
    /// Records one answer.
    pub fn note(&self, wish: &Wish, result: CallerResult) {
        self.0.lock().unwrap().push((wish.clone(), result));
    }

    /// All recorded answers.
    pub fn entries(&self) -> Vec<(Wish, CallerResult)> {
        self.0.lock().unwrap().clone()
    }
}

impl Wish {
    /// An ordinary order.
    pub fn plain(number: i64, client_id: i64) -> Self {
        Self { number, client_id, key: None, manner: Manner::Wait, errand: None, patience: PATIENCE }
    }

    /// A mixture: clients 1, 2 and 3 among others, a third with a key, some that do not wait, some that cancel.
    pub fn mixed(number: i64, dice: &Dice) -> Self {
        let client_id = dice.between(1, 12) as i64;
        let key = dice.one_in(3).then(|| format!("wish-{number}"));
        let manner = match dice.between(0, 10) {
            0 => Manner::Async,
            1 => Manner::Cancel,
            _ => Manner::Wait,
        };
        Self { number, client_id, key, manner, errand: None, patience: PATIENCE }
    }

    /// The request's body.
    pub fn body(&self) -> Value {
        match &self.errand {
            None => json!({ "client_id": self.client_id, "magasin_id": self.number }),
            Some(errand) => errand.input(self.client_id, self.number),
        }
    }

    fn face(&self) -> Face {
        if self.errand.is_some() { Face::Sagas } else { Face::Commande }
    }

    /// Where the order's state is shown.
    pub(crate) fn shown_at(&self, saga: &str) -> String {
        match self.face() {
            Face::Commande => format!("/api/commande/{saga}"),
            Face::Sagas => format!("/api/sagas/{saga}"),
        }
    }

    /// The order as its face shows it.
    pub(crate) fn shown(&self, body: &Value) -> Shown {
        self.face().shown(body)
    }

    /// Places the order once, cancels it if the order's manner says so, and records the answer.
    pub async fn ask(&self, to: impl Into<ProcessEndpoint>, book: &Book) -> CallerResult {
        let to = to.into();
        let mut headers = Vec::new();
        if let Some(key) = &self.key {
            headers.push(("idempotency-key", key.as_str()));
        }
        if self.manner != Manner::Wait {
            headers.push(("prefer", "respond-async"));
        }
        let path = match self.face() {
            Face::Commande => "/api/commande/checkout",
            Face::Sagas => "/api/sagas/errand",
        };
        let answer = send_within(self.patience, to.clone(), "POST", path, &headers, Some(&self.body())).await;
        let result = self.caller_result(answer);
        book.note(self, result.clone());
        match &result {
            CallerResult::Accepted { saga } if self.manner == Manner::Cancel => {
                self.cancel(to, book, saga).await;
            }
            _ => {}
        }
        result
    }

    /// Cancels without waiting.
    pub async fn cancel(&self, to: impl Into<ProcessEndpoint>, book: &Book, saga: &str) -> CallerResult {
        let what = match self.face() {
            Face::Commande => "annuler",
            Face::Sagas => "cancel",
        };
        let path = format!("{}/{what}", self.shown_at(saga));
        let headers = [("prefer", "respond-async")];
        let answer = send_within(self.patience, to, "POST", &path, &headers, None).await;
        let result = match answer {
            Ok(answer) if answer.status == 409 => {
                let code = answer.json()["code"].as_str().unwrap().to_owned();
                CallerResult::NotCancelled { saga: saga.to_owned(), code }
            }
            answer => match self.caller_result(answer) {
                CallerResult::Accepted { saga } => CallerResult::WillBeCancelled { saga },
                CallerResult::NothingDone
                | CallerResult::InDoubt { .. }
                | CallerResult::Lost
                | CallerResult::Silent => CallerResult::CancelLost,
                other => other,
            },
        };
        book.note(self, result.clone());
        result
    }
}

/// The face of the API that an order is asked for through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Face {
    Commande,
    Sagas,
}

/// An order as either face shows it, in the words of the shop's.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) saga: String,
    pub(crate) etat: String,
    pub(crate) is_blocked: bool,
    /// Whether its state is final.
    pub(crate) is_over: bool,
}

impl Face {
    fn shown(self, body: &Value) -> Shown {
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let (saga, etat, rollback, failure) = match self {
            Self::Commande => {
                // The answer to a checkout names two of them in another way than the order itself.
                let either =
                    |one: &str, other: &str| if body[one].is_null() { text(other) } else { text(one) };
                (
                    either("saga_id", "id"),
                    either("etat_final", "etat_actuel"),
                    text("rollback"),
                    &body["echec"],
                )
            }
            Self::Sagas => (text("id"), text("state"), text("rollback"), &body["failure"]),
        };
        let is_over = match &*rollback {
            "TERMINE" | "done" => true,
            // The English face shows no failure of a saga that was stopped.
            "AUCUN" | "none" => matches!(&*etat, "CONFIRMEE" | "ANNULEE") || !failure.is_null(),
            _ => false,
        };
        Shown { saga, etat, is_blocked: matches!(&*rollback, "BLOQUE" | "blocked"), is_over }
    }
}

impl Wish {
    fn caller_result(&self, answer: Result<Response, NoResponse>) -> CallerResult {
        caller_result(answer, self.face())
    }
}

fn caller_result(answer: Result<Response, NoResponse>, face: Face) -> CallerResult {
    let answer = match answer {
        Ok(answer) => answer,
        Err(NoResponse::NotReached) => return CallerResult::NothingDone,
        Err(NoResponse::Lost(_)) => return CallerResult::Lost,
        Err(NoResponse::Silent) => return CallerResult::Silent,
    };
    let body = answer.json();
    let text = |name: &str| body[name].as_str().unwrap_or_else(|| panic!("no {name}: {answer:?}")).to_owned();
    match answer.status {
        200 => {
            let Shown { saga, etat, is_blocked: blocked, .. } = face.shown(&body);
            assert!(!saga.is_empty() && !etat.is_empty(), "{answer:?}");
            CallerResult::Final { saga, etat, blocked }
        }
        202 => {
            let saga = face.shown(&body).saga;
            let place = match face {
                Face::Commande => "commande",
                Face::Sagas => "sagas",
            };
            assert_eq!(answer.header("location"), Some(&*format!("/api/{place}/{saga}")));
            CallerResult::Accepted { saga }
        }
        503 => {
            assert_eq!(answer.header("content-type"), Some("application/problem+json"));
            assert!(answer.header("retry-after").is_some(), "503 without Retry-After: {answer:?}");
            match &*text("code") {
                // The second and the third: for a cancellation of an order that another process owns.
                "in_doubt" | "asked_elsewhere" | "commands_waiting" | "not_shown" => {
                    CallerResult::InDoubt { saga: text("saga_id") }
                }
                "journal_unavailable"
                | "stopping"
                | "active_sagas_max"
                | "active_bytes_max"
                | "caller_share_percent"
                | "issuer_unreachable" => {
                    assert!(text("detail").contains("nothing was done"), "{answer:?}");
                    CallerResult::NothingDone
                }
                other => panic!("503 with the code {other}"),
            }
        }
        _ => panic!("an unexpected answer: {answer:?}"),
    }
}
