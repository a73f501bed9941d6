//! The expected value of each key of a definition: a description, an example, and its place.

/// A key in its notation.
pub(super) fn example(key: &str) -> &'static str {
    match key {
        "saga" => "saga: checkout",
        "input" => "input: { customer_id: integer }",
        "schema" => "schema: { type: object, properties: { amount: { type: number } } }",
        "labels" => "labels: { customer: .input.customer_id }",
        "states" => "states: { started: STARTED, completed: CONFIRMED, cancelled: CANCELLED }",
        "started" => "started: STARTED",
        "completed" => "completed: CONFIRMED",
        "cancelled" => "cancelled: CANCELLED",
        "deadline" => "deadline: 60s",
        "participants" => "participants: { stock: { url: \"http://stock:8000\" } }",
        "steps" => "steps: [{ step: stock, participant: stock, action: { get: /path } }]",
        "url" => "url: \"http://stock:8000\"",
        "safety" => "safety: idempotent",
        "timeout" => "timeout: 5s",
        "connect_timeout" => "connect_timeout: 1s",
        "calls_max" => "calls_max: 256",
        "answer_bytes_max" => "answer_bytes_max: 1048576",
        "horizon" => "horizon: 24h",
        "headers" => "headers: { Authorization: \"${API_KEY}\" }",
        "auth" => "auth: { bearer: \"${file:/run/secrets/stock-token}\" }",
        "bearer" => "bearer: \"${file:/run/secrets/stock-token}\"",
        "basic" => "basic: { user: shop, password: \"${file:/run/secrets/stock-password}\" }",
        "user" => "user: shop",
        "password" => "password: \"${file:/run/secrets/stock-password}\"",
        "oauth2" => {
            "oauth2: { token_url: \"https://login.example.com/token\", client_id: shop, client_secret: \"${file:/run/secrets/client-secret}\" }"
        }
        "token_url" => "token_url: \"https://login.example.com/token\"",
        "client_id" => "client_id: shop",
        "client_secret" => "client_secret: \"${file:/run/secrets/client-secret}\"",
        "client_auth" => "client_auth: client_secret_post",
        "scope" => "scope: stock.write",
        "audience" => "audience: \"https://stock.example.com\"",
        "tls" => "tls: { ca: /etc/orchestrateur/stock-ca.pem }",
        "ca" => "ca: /etc/orchestrateur/stock-ca.pem",
        "cert" => "cert: /etc/orchestrateur/client.pem",
        "key" => "key: /etc/orchestrateur/client.key",
        "server_name" => "server_name: stock.internal",
        "effects" => "effects: { get: /effects, list: .body }",
        "list" => "list: .body",
        "next" => "next: .body[-1].id",
        "breaker" => "breaker: { failures_percent: 50 }",
        "window" => "window: 10s",
        "calls_min" => "calls_min: 20",
        "failures_percent" => "failures_percent: 50",
        "open" => "open: 1s",
        "open_max" => "open_max: 30s",
        "step" => "step: stock",
        "participant" => "participant: stock",
        "action" => "action: { post: /path }",
        "compensation" => "compensation: { delete: /path }",
        "probe" => "probe: { get: /path }",
        "success" => "success: STOCK_RESERVED",
        "failure" => "failure: STOCK_REFUSED",
        "retry" => "retry: { attempts: 5 }",
        "persist" => "persist: { attempts: 8 }",
        "attempts" => "attempts: 5",
        "base" => "base: 100ms",
        "cap" => "cap: 2s",
        "get" => "get: /path",
        "post" => "post: /path",
        "put" => "put: /path",
        "patch" => "patch: /path",
        "delete" => "delete: /path",
        "body" => "body: { amount: .cart.amount }",
        "form" => "form: { amount: .input.amount }",
        "text" => "text: .input.note",
        "content_type" => "content_type: text/csv",
        "output" => "output: { id: .body.id }",
        "unknown" => "unknown: .status == 500",
        "ok" => "ok: .status == 200",
        "refused" => "refused: .status == 409",
        "absent" => "absent: .status == 404",
        "not_sent" => "not_sent: .status == 503",
        "after" => "after: 30s",
        "when" => "when: .input.amount > 0",
        "signal" => "signal: { name: approved, within: 2d }",
        "name" => "name: approved",
        "within" => "within: 2d",
        "pause" => "pause: 14d",
        "pending" => "pending: .status == 202",
        "poll" => "poll: { get: /jobs/7, every: 5s }",
        "every" => "every: 5s",
        "await" => "await: { signal: paid, within: 2d }",
        "optional" => "optional: true",
        "pivot" => "pivot: true",
        "sign" => "sign: true",
        _ => "key: value",
    }
}

/// The description of a key's value, if it is one word or text.
pub(super) fn kind(key: &str) -> &'static str {
    match key {
        "deadline" | "timeout" | "connect_timeout" | "horizon" | "window" | "open" | "open_max" | "base"
        | "cap" | "after" | "within" | "every" => "a duration",
        "calls_max" | "answer_bytes_max" | "calls_min" | "failures_percent" | "attempts" => "a whole number",
        "unknown" | "pending" | "ok" | "refused" | "absent" | "not_sent" | "body" | "form" | "text"
        | "output" | "when" | "list" | "next" => "an expression",
        "pause" => "a duration or an expression",
        "optional" | "pivot" | "sign" => "true or false",
        "get" | "post" | "put" | "patch" | "delete" => "a path",
        "name" | "saga" | "step" | "participant" | "success" | "failure" | "started" | "completed"
        | "cancelled" => "a name",
        "ca" | "cert" | "key" => "the path of a file",
        _ => "a text",
    }
}

/// Whether the value of a key that needs a mapping may have been meant as a secret: messages do not quote it.
pub(super) fn holds_secrets(key: &str) -> bool {
    matches!(key, "auth" | "basic" | "oauth2")
}

/// The place of a key, for keys that were found in another place.
pub(super) fn home(key: &str) -> Option<&'static str> {
    Some(match key {
        "saga" | "input" | "labels" | "states" | "deadline" | "participants" | "steps" => "the file",
        "schema" => "`input`",
        "started" | "completed" | "cancelled" => "`states`",
        "url" | "safety" | "timeout" | "connect_timeout" | "calls_max" | "answer_bytes_max" | "horizon"
        | "breaker" | "auth" | "tls" | "sign" | "effects" => "a participant",
        "list" | "next" => "a participant's `effects`",
        "bearer" | "basic" | "oauth2" => "a participant's `auth`",
        "user" | "password" => "`basic` of a participant's `auth`",
        "token_url" | "client_id" | "client_secret" | "client_auth" | "scope" | "audience" => {
            "`oauth2` of a participant's `auth`"
        }
        "ca" | "cert" | "key" | "server_name" => "a participant's `tls`",
        "headers" => "a participant, or any call",
        "window" | "calls_min" | "failures_percent" | "open" | "open_max" => "a participant's `breaker`",
        "step" | "participant" | "action" | "compensation" | "probe" | "success" | "failure" | "retry"
        | "persist" | "pause" | "optional" | "pivot" => "a step",
        "when" => "a step, or a step's `compensation`",
        "signal" => "a step, or an action's `await`",
        "name" => "a step's `signal`",
        "within" => "a step's `signal`, or an action's `poll` or `await`",
        "every" => "an action's `poll`",
        "pending" | "poll" | "await" => "a step's `action`",
        "attempts" | "base" | "cap" => "a step's `retry` or `persist`",
        "post" | "put" | "patch" | "delete" | "body" | "form" | "text" | "content_type" | "unknown" => {
            "a step's `action` or `compensation`"
        }
        "absent" => "a step's `compensation`",
        "output" => "the file, or a step's `action`, `compensation` or `probe`",
        "get" | "ok" | "refused" | "not_sent" => "a step's `action`, `compensation` or `probe`",
        "after" => "a step, or a step's `probe`",
        _ => return None,
    })
}

/// The key of this format for a key of another format.
pub(super) fn synonym(key: &str) -> Option<&'static str> {
    Some(match key.to_lowercase().replace(['-', ' '], "_").as_str() {
        "name" | "id" => "step",
        "uri" | "base_url" | "baseurl" | "host" | "address" | "endpoint" => "url",
        "service" => "participant",
        "services" => "participants",
        "compensate" | "undo" | "rollback" | "cancel" => "compensation",
        "call" | "do" | "request" => "action",
        "retries" | "retry_policy" => "retry",
        "max_attempts" | "count" | "times" => "attempts",
        "initial_interval" | "backoff" | "delay" => "base",
        "max_interval" | "max_delay" => "cap",
        "payload" | "json" | "data" => "body",
        "result" | "outputs" => "output",
        "inputs" | "parameters" => "input",
        "on_failure" | "on_error" => "failure",
        "on_success" => "success",
        "if" | "condition" | "unless" => "when",
        "sleep" | "wait" | "timer" => "pause",
        "event" | "message" | "wait_for" => "signal",
        "interval" => "every",
        "depends_on" | "needs" => "after",
        "concurrency" | "max_concurrency" => "calls_max",
        "idempotency" => "safety",
        "authentication" | "authorization" | "credentials" => "auth",
        "username" | "login" => "user",
        "client" | "oauth" | "client_credentials" => "oauth2",
        "certificate" | "cert_file" => "cert",
        "private_key" | "key_file" => "key",
        "ca_file" | "root_ca" | "authorities" | "trust" => "ca",
        "sni" | "servername" => "server_name",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All keys of the schema; the parser has the same.
    fn keys(schema: &serde_json::Value) -> Vec<String> {
        let below = match schema {
            serde_json::Value::Object(members) => members.values().flat_map(keys).collect(),
            serde_json::Value::Array(items) => items.iter().flat_map(keys).collect(),
            _ => Vec::new(),
        };
        let here = schema.get("properties").and_then(|here| here.as_object());
        here.into_iter().flat_map(|here| here.keys().cloned()).chain(below).collect()
    }

    #[test]
    fn every_key_has_an_example_and_a_home() {
        let schema = include_str!("../../../../../sagas/definition.schema.json");
        let keys = keys(&serde_json::from_str(schema).expect("JSON"));
        assert!(keys.len() > 40);
        for key in keys {
            assert!(example(&key).starts_with(&format!("{key}:")), "{key}");
            assert!(home(&key).is_some(), "{key}");
            // `name` is a key of signals, and meant to be `step` in a step.
            assert!(synonym(&key).is_none() || key == "name", "{key} is a key itself");
        }
    }
}
