//! Faults on purpose: rules that make an endpoint slow, wrong or silent for some of its requests.
//!
//! A rule is one line of text:
//!
//! ```text
//! METHOD PATH [client=ID|*] [produit=ID|*] [saga=ID|*] ACTION [times=N] [probability=P [seed=S]]
//! ```
//!
//! In METHOD and in a segment of PATH, `*` matches anything. ACTION is exactly one of
//!
//! | action | the request | the caller sees |
//! |---|---|---|
//! | `status=N` | has no effect | that status, with a `detail` |
//! | `latency=MS` | is carried out after the delay, even if its caller has gone | a late answer |
//! | `drop-before` | has no effect | a closed connection without a byte of answer |
//! | `drop-after` | is carried out | the same |
//! | `latency-after=MS` | is carried out at once | a late answer |
//!
//! All rules that match a request apply, in order: delays add up, and the first `status` or `drop-before` ends the
//! evaluation. `times` counts the requests that the rule affected. `probability` uses a random generator that belongs
//! to the rule, so the same requests in the same order are affected again. Rules apply only to requests that the
//! service could read: an invalid body gets its 422.

use std::{
    fmt,
    str::FromStr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use http::Method;
use serde_json::{Value, json};

use crate::{Facon, Service, client, operation::Subject, panier, stock, ventes};

/// Longest delay of one rule, in milliseconds.
const LATENCY_MS_MAX: u64 = 600_000;
/// Most rules of a service at the same time.
const RULES_MAX: usize = 1_000;
/// The grammar, shown with every error about a rule's text.
const GRAMMAR: &str = "METHOD PATH [client=ID|*] [produit=ID|*] [saga=ID|*] \
    status=N|latency=MS|drop-before|drop-after|latency-after=MS [times=N] [probability=P [seed=S]]";

/// The effect of a rule on a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceFault {
    /// Answer with this status, 200 to 599, without any effect.
    Status(u16),
    /// Wait before carrying the request out.
    Latency(Duration),
    /// Close the connection without doing anything.
    DropBefore,
    /// Carry the request out, then close the connection without an answer.
    DropAfter,
    /// Carry the request out, then wait before answering.
    LatencyAfter(Duration),
}

/// Which requests a rule affects, how, and how often. Read with [`str::parse`]; printed in the same grammar.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultRule {
    /// `None`: any.
    method: Option<Method>,
    path: String,
    client: Option<i64>,
    produit: Option<i64>,
    saga: Option<String>,
    fault: ServiceFault,
    times: Option<u64>,
    probability: Option<f64>,
    seed: u64,
}

impl FaultRule {
    /// The fault of the requests that the rule hits.
    pub fn fault(&self) -> ServiceFault {
        self.fault
    }

    fn matches(&self, method: &Method, path: &str, subject: &Subject, saga_id: Option<&str>) -> bool {
        self.method.as_ref().is_none_or(|wanted| wanted == method)
            && same_path(&self.path, path)
            && self.client.is_none_or(|wanted| subject.client_id == Some(wanted))
            && self.produit.is_none_or(|wanted| subject.produits.contains(&wanted))
            && self
                .saga
                .as_deref()
                .is_none_or(|wanted| saga_id == Some(wanted) || subject.saga_id.as_deref() == Some(wanted))
    }
}

/// A fault rule that cannot be used, and what was expected instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("fault rule « {rule} »: {problem}; expected {expected}")]
pub struct FaultRuleError {
    rule: String,
    problem: String,
    expected: String,
}

impl FromStr for FaultRule {
    type Err = FaultRuleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).map_err(|problem| FaultRuleError {
            rule: text.to_owned(),
            problem,
            expected: GRAMMAR.to_owned(),
        })
    }
}

fn parse(text: &str) -> Result<FaultRule, String> {
    let mut words = text.split_whitespace();
    let method = match words.next().ok_or("it is empty")? {
        "*" => None,
        word @ ("GET" | "POST" | "PUT" | "PATCH" | "DELETE") => Some(word.parse().map_err(|_| "bad method")?),
        other => return Err(format!("« {other} » is no method (GET, POST, DELETE or *)")),
    };
    let path = words.next().ok_or("the path is missing")?;
    if !path.starts_with('/') {
        return Err(format!("« {path} » is no path: it must start with /"));
    }
    let mut rule = FaultRule {
        method,
        path: path.to_owned(),
        client: None,
        produit: None,
        saga: None,
        fault: ServiceFault::DropBefore,
        times: None,
        probability: None,
        seed: 0,
    };
    let mut fault = None;
    for word in words {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let anything = value == "*";
        let action = match name {
            "client" if anything => None,
            "client" => set(&mut rule.client, number(name, value)?),
            "produit" if anything => None,
            "produit" => set(&mut rule.produit, number(name, value)?),
            "saga" if anything => None,
            "saga" if value.is_empty() => return Err("saga= needs an id".to_owned()),
            "saga" => set(&mut rule.saga, value.to_owned()),
            "times" => set(&mut rule.times, number(name, value)?),
            "probability" => {
                let chance: f64 = number(name, value)?;
                if !(0.0..=1.0).contains(&chance) {
                    return Err(format!("probability={value} is not between 0 and 1"));
                }
                set(&mut rule.probability, chance)
            }
            "seed" => {
                rule.seed = number(name, value)?;
                None
            }
            "status" => match number(name, value)? {
                status @ 200..=599 => Some(ServiceFault::Status(status)),
                other => return Err(format!("status={other} is not between 200 and 599")),
            },
            "latency" => Some(ServiceFault::Latency(delay(name, value)?)),
            "latency-after" => Some(ServiceFault::LatencyAfter(delay(name, value)?)),
            "drop-before" if word == name => Some(ServiceFault::DropBefore),
            "drop-after" if word == name => Some(ServiceFault::DropAfter),
            _ => return Err(format!("« {word} » is unknown")),
        };
        if let Some(action) = action
            && fault.replace(action).is_some()
        {
            return Err("it has two actions; write two rules".to_owned());
        }
    }
    rule.fault = fault.ok_or("it has no action")?;
    Ok(rule)
}

/// Sets a field of the rule; gives no action.
fn set<T>(field: &mut Option<T>, value: T) -> Option<ServiceFault> {
    *field = Some(value);
    None
}

fn number<T: FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{name}={value} is no such number"))
}

fn delay(name: &str, value: &str) -> Result<Duration, String> {
    match number(name, value)? {
        ms if ms <= LATENCY_MS_MAX => Ok(Duration::from_millis(ms)),
        ms => Err(format!("{name}={ms} is more than {LATENCY_MS_MAX} ms")),
    }
}

impl fmt::Display for FaultRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method.as_ref().map_or("*", Method::as_str), self.path)?;
        if let Some(client) = self.client {
            write!(f, " client={client}")?;
        }
        if let Some(produit) = self.produit {
            write!(f, " produit={produit}")?;
        }
        if let Some(saga) = &self.saga {
            write!(f, " saga={saga}")?;
        }
        match self.fault {
            ServiceFault::Status(status) => write!(f, " status={status}")?,
            ServiceFault::Latency(delay) => write!(f, " latency={}", delay.as_millis())?,
            ServiceFault::DropBefore => f.write_str(" drop-before")?,
            ServiceFault::DropAfter => f.write_str(" drop-after")?,
            ServiceFault::LatencyAfter(delay) => write!(f, " latency-after={}", delay.as_millis())?,
        }
        if let Some(times) = self.times {
            write!(f, " times={times}")?;
        }
        if let Some(probability) = self.probability {
            write!(f, " probability={probability} seed={}", self.seed)?;
        }
        Ok(())
    }
}

/// Compares segment by segment; `*` and `{name}` match any segment.
fn same_path(pattern: &str, path: &str) -> bool {
    let any = |segment: &str| segment == "*" || segment.starts_with('{');
    let (pattern, path): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
    pattern.len() == path.len()
        && pattern.iter().zip(&path).all(|(left, right)| left == right || any(left) || any(right))
}

/// The endpoints of a service.
pub(crate) fn routes(service: Service, facon: Facon) -> &'static [(&'static str, &'static str)] {
    match service {
        Service::Panier => panier::routes(facon),
        Service::Stock => stock::routes(),
        Service::Client => client::routes(),
        Service::Ventes => ventes::routes(facon),
    }
}

/// The methods that this service has for `path`, which is a request's path or a rule's.
pub(crate) fn methods_of(service: Service, facon: Facon, path: &str) -> Vec<&'static str> {
    let all = routes(service, facon).iter();
    all.filter(|(_, route)| same_path(route, path)).map(|(method, _)| *method).collect()
}

/// Whether the rule could affect a request of this service, in either façon.
pub(crate) fn concerns(rule: &FaultRule, service: Service) -> bool {
    [Facon::Moderne, Facon::Ancienne].into_iter().any(|facon| {
        let methods = methods_of(service, facon, &rule.path);
        methods.iter().any(|&method| rule.method.as_ref().is_none_or(|wanted| wanted.as_str() == method))
    })
}

/// Refuses a rule that matches no endpoint of any service: it is a typing error.
pub(crate) fn check_endpoint(rule: &FaultRule) -> Result<(), FaultRuleError> {
    check_endpoint_among(rule, Service::ALL)
}

/// The same, for the rules of one service.
pub(crate) fn check_endpoint_among(rule: &FaultRule, services: &[Service]) -> Result<(), FaultRuleError> {
    if services.iter().any(|&service| concerns(rule, service)) {
        return Ok(());
    }
    let mut endpoints: Vec<String> = services
        .iter()
        .flat_map(|&service| [Facon::Moderne, Facon::Ancienne].map(|facon| routes(service, facon)))
        .flatten()
        .map(|(method, path)| format!("{method} {path}"))
        .collect();
    endpoints.sort_unstable();
    endpoints.dedup();
    Err(FaultRuleError {
        rule: rule.to_string(),
        problem: "no endpoint has this method and path".to_owned(),
        expected: format!("one of: {}", endpoints.join(", ")),
    })
}

/// The service's treatment of one request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct FaultPlan {
    pub(crate) delay_before: Duration,
    pub(crate) instead: Option<Instead>,
    pub(crate) delay_after: Duration,
    pub(crate) drop_answer: bool,
}

/// The service's substitute for carrying a request out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Instead {
    Answer(u16),
    Drop,
}

/// The rules of one service at run time.
#[derive(Debug)]
pub(crate) struct FaultBook {
    service: Service,
    armed: Mutex<Armed>,
}

#[derive(Debug, Default)]
struct Armed {
    last_id: u64,
    rules: Vec<ArmedRule>,
}

#[derive(Debug)]
struct ArmedRule {
    id: u64,
    rule: FaultRule,
    hits: u64,
    random: Xoshiro256PlusPlus,
}

impl FaultBook {
    pub(crate) fn new(service: Service) -> Self {
        Self { service, armed: Mutex::default() }
    }

    fn armed(&self) -> std::sync::MutexGuard<'_, Armed> {
        // A panic cannot leave the list half changed.
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, rule: FaultRule) -> u64 {
        let mut armed = self.armed();
        armed.last_id += 1;
        let id = armed.last_id;
        armed.rules.push(ArmedRule {
            id,
            random: Xoshiro256PlusPlus::seed_from_u64(rule.seed),
            rule,
            hits: 0,
        });
        id
    }

    /// Parses, checks and adds a rule from an HTTP request.
    pub(crate) fn add_text(&self, text: &str) -> Result<u64, FaultRuleError> {
        let rule: FaultRule = text.parse()?;
        check_endpoint_among(&rule, &[self.service])?;
        if self.armed().rules.len() >= RULES_MAX {
            return Err(FaultRuleError {
                rule: text.to_owned(),
                problem: "there are too many rules".to_owned(),
                expected: format!("at most {RULES_MAX} at a time"),
            });
        }
        Ok(self.add(rule))
    }

    pub(crate) fn clear(&self) {
        self.armed().rules.clear();
    }

    /// Removes a rule; returns whether it existed.
    pub(crate) fn remove(&self, id: u64) -> bool {
        let rules = &mut self.armed().rules;
        let before = rules.len();
        rules.retain(|armed| armed.id != id);
        rules.len() < before
    }

    pub(crate) fn list(&self) -> Value {
        let entry = |armed: &ArmedRule| json!({ "id": armed.id, "regle": armed.rule.to_string(), "touchees": armed.hits });
        self.armed().rules.iter().map(entry).collect()
    }

    /// Decides how the rules affect one request, and counts the requests that they affect.
    pub(crate) fn plan(
        &self,
        method: &Method,
        path: &str,
        subject: &Subject,
        saga_id: Option<&str>,
    ) -> FaultPlan {
        let mut plan = FaultPlan::default();
        for armed in &mut self.armed().rules {
            if plan.instead.is_some() {
                break;
            }
            if armed.rule.matches(method, path, subject, saga_id) && armed.hits() {
                match armed.rule.fault {
                    ServiceFault::Status(status) => plan.instead = Some(Instead::Answer(status)),
                    ServiceFault::DropBefore => plan.instead = Some(Instead::Drop),
                    ServiceFault::Latency(delay) => plan.delay_before += delay,
                    ServiceFault::LatencyAfter(delay) => plan.delay_after += delay,
                    ServiceFault::DropAfter => plan.drop_answer = true,
                }
            }
        }
        plan
    }
}

impl ArmedRule {
    /// Draws a random number if the rule needs one, and counts.
    fn hits(&mut self) -> bool {
        let worn_out = self.rule.times.is_some_and(|times| self.hits >= times);
        let hit = !worn_out && self.rule.probability.is_none_or(|chance| self.random.random_bool(chance));
        self.hits += u64::from(hit);
        hit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_prints_as_it_is_written() {
        for text in [
            "POST /api/ventes client=3 status=500",
            "POST /api/stock/reserver produit=2 drop-after times=1",
            "* /api/clients/*/payer saga=abc latency=50",
            "DELETE /api/ventes/commande/* latency-after=7 probability=0.25 seed=9",
        ] {
            assert_eq!(text.parse::<FaultRule>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_wrong_rule_says_what_was_expected() {
        for (text, problem) in [
            ("", "it is empty"),
            ("FETCH /x drop-after", "no method"),
            ("POST api drop-after", "no path"),
            ("POST /api/ventes", "no action"),
            ("POST /api/ventes status=500 drop-after", "two actions"),
            ("POST /api/ventes status=100", "200 and 599"),
            ("POST /api/ventes probability=2 drop-after", "between 0 and 1"),
            ("POST /api/ventes drop-after=1", "unknown"),
        ] {
            let error = text.parse::<FaultRule>().unwrap_err().to_string();
            assert!(error.contains(problem) && error.contains("expected METHOD PATH"), "{error}");
        }
        let nowhere: FaultRule = "POST /api/vente status=500".parse().unwrap();
        assert!(check_endpoint(&nowhere).unwrap_err().to_string().contains("one of: DELETE /api/ventes/"));
    }

    #[test]
    fn probability_draws_the_same_requests_again_for_the_same_seed() {
        let draw = |seed| {
            let book = FaultBook::new(Service::Stock);
            let rule = format!("POST /api/stock/reserver probability=0.3 seed={seed} drop-after");
            book.add(rule.parse().unwrap());
            let mut armed = book.armed();
            (0..1_000).filter(|_| armed.rules[0].hits()).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert!((200..400).contains(&draw(1).len()));
    }
}
