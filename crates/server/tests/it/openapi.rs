//! The OpenAPI document, held against the contract, the routes and the answers; and the page that shows it.

use std::collections::BTreeSet;

use saga_testkit::definition::change;
use saga_testkit::schema;
use serde_json::{Value, json};

use crate::harness::World;
use crate::http::{Call, Reply};
use crate::routes::{ENDLESS, ROUTES, document};

/// The operations that callers know: each one's path, method and name.
const CONTRACT: [(&str, &str, &str); 27] = [
    ("/", "get", "home"),
    ("/.well-known/jwks.json", "get", "signing_keys"),
    ("/api/audit", "get", "audit"),
    ("/api/callbacks/{token}", "post", "callback"),
    ("/api/commande/checkout", "post", "checkout"),
    ("/api/commande/{id}", "get", "commande"),
    ("/api/commande/{id}/annuler", "post", "annuler"),
    ("/api/commande/{id}/historique", "get", "historique"),
    ("/api/commande/{id}/reprendre", "post", "reprendre"),
    ("/api/commande/{id}/resoudre", "post", "resoudre"),
    ("/api/commandes", "get", "commandes"),
    ("/api/participants", "get", "participants"),
    ("/api/definitions", "get", "definitions"),
    ("/api/definitions/{saga}", "get", "definition"),
    ("/api/sagas", "get", "sagas"),
    ("/api/sagas/{saga}", "get", "saga"),
    ("/api/sagas/{saga}", "post", "start"),
    ("/api/sagas/{saga}/cancel", "post", "cancel"),
    ("/api/sagas/{saga}/history", "get", "history"),
    ("/api/sagas/{saga}/resolve", "post", "resolve"),
    ("/api/sagas/{saga}/resume", "post", "resume"),
    ("/api/sagas/{saga}/signals/{name}", "post", "signal"),
    ("/api/events", "get", "events"),
    ("/livez", "get", "livez"),
    ("/metrics", "get", "metrics"),
    ("/openapi.json", "get", "openapi"),
    ("/readyz", "get", "readyz"),
];

/// Every operation: path, method, and what the document says of it.
fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().iter().map(move |(method, it)| (&**path, &**method, it))
        })
        .collect()
}

/// The examples of a media type, a parameter or a header: one, or several by name.
fn examples(holder: &Value) -> Vec<&Value> {
    let several = holder["examples"].as_object().into_iter().flatten();
    several.map(|(_, example)| &example["value"]).chain(holder.get("example")).collect()
}

/// A response, which may be one of the document's common ones.
fn response<'a>(document: &'a Value, named: &'a Value) -> &'a Value {
    match named["$ref"].as_str() {
        Some(place) => document.pointer(place.strip_prefix('#').unwrap()).unwrap(),
        None => named,
    }
}

/// Holds an answer against what the document says of this operation and status.
#[track_caller]
fn conforms(document: &Value, path: &str, method: &str, reply: &Reply) {
    let place = format!("{method} {path} {}", reply.status);
    let documented = &document["paths"][path][method]["responses"][reply.status.to_string()];
    let documented = response(document, documented);
    assert!(documented.is_object(), "{place} is not documented: {reply:?}");
    let media = reply.header("content-type").unwrap().split(';').next().unwrap();
    let content = &documented["content"][media];
    assert!(content.is_object(), "{place}: {media} is not documented");
    let value = if media.ends_with("json") { reply.json() } else { Value::from(&*reply.text) };
    schema::check(document, &content["schema"], &value).unwrap_or_else(|wrong| panic!("{place}: {wrong}"));
    for (name, header) in documented["headers"].as_object().into_iter().flatten() {
        if let Some(text) = reply.header(&name.to_ascii_lowercase()) {
            let value = text.parse::<i64>().map_or_else(|_| text.into(), Value::from);
            schema::check(document, &header["schema"], &value)
                .unwrap_or_else(|wrong| panic!("{place}: {wrong}"));
        }
    }
}

#[test]
fn paths_methods_and_names_are_as_agreed() {
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."), "{}", document["openapi"]);
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let documented: BTreeSet<_> = operations(&document)
        .into_iter()
        .map(|(path, method, operation)| (path, method, operation["operationId"].as_str().unwrap()))
        .collect();
    assert_eq!(documented, BTreeSet::from(CONTRACT));
}

/// A method that a handler takes and does not document would be found in no document, so the router is asked.
#[tokio::test(flavor = "multi_thread")]
async fn every_route_takes_its_methods_and_no_others() {
    let world = World::open().await;
    for (path, methods) in ROUTES.iter() {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            let reply = world
                .send(&Call::new(
                    method,
                    &ending(path).replace("{id}", "x").replace("{saga}", "x").replace("{name}", "y"),
                ))
                .await;
            let taken = methods.contains(&method.to_ascii_lowercase());
            assert_eq!(reply.status != 405, taken, "{method} {path}: {reply:?}");
        }
    }
}

/// A route whose answer has no end, with a parameter that is wrong.
fn ending(path: &str) -> String {
    if path == ENDLESS { format!("{path}?after=x") } else { path.to_owned() }
}

#[test]
fn every_operation_names_itself_and_shows_examples_that_fit_their_schemas() {
    let document = document();
    let mut names = BTreeSet::new();
    let fits = |place: &str, holder: &Value| {
        let examples = examples(holder);
        assert!(!examples.is_empty(), "{place}: no example");
        for example in examples {
            schema::check(&document, &holder["schema"], example)
                .unwrap_or_else(|wrong| panic!("{place}: the example does not fit: {wrong}"));
        }
    };
    for (path, method, operation) in operations(&document) {
        let place = format!("{method} {path}");
        assert!(names.insert(operation["operationId"].as_str().unwrap()), "{place}: its name is taken");
        assert!(operation["summary"].is_string() && operation["tags"].is_array(), "{place}");
        let declared: BTreeSet<&str> = operation["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        let in_path: BTreeSet<&str> =
            path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        assert_eq!(declared, in_path, "{place}");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            fits(&format!("{place}: {}", parameter["name"]), parameter);
        }
        for (media, content) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
            fits(&format!("{place}: body: {media}"), content);
        }
        for (status, named) in operation["responses"].as_object().unwrap() {
            let (place, response) = (format!("{place}: {status}"), response(&document, named));
            assert!(response["description"].is_string(), "{place}");
            for (media, content) in response["content"].as_object().into_iter().flatten() {
                fits(&format!("{place}: {media}"), content);
                // The state of health is no error of the request.
                let is_problem = media == "application/problem+json";
                assert_eq!(
                    is_problem,
                    status.as_str() >= "400" && (!["/livez", "/readyz"].contains(&path) || status != "503"),
                    "{place}"
                );
                if is_problem {
                    assert_eq!(examples(content)[0]["status"].to_string(), **status, "{place}");
                }
            }
            for (name, header) in response["headers"].as_object().into_iter().flatten() {
                fits(&format!("{place}: {name}"), header);
            }
            if status == "503" {
                assert!(response["headers"]["Retry-After"].is_object(), "{place}: no Retry-After");
            }
        }
        for status in ["400", "403", "405", "421"] {
            assert!(operation["responses"][status].is_object(), "{place}: no {status}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn real_answers_are_as_the_document_says() {
    let document = document();
    let world = World::open().await;
    let checkout = "/api/commande/checkout";
    let ordered = async |call: Call, status: u16| {
        let reply = world.send(&call).await;
        assert_eq!(reply.status, status, "{reply:?}");
        conforms(&document, checkout, "post", &reply);
        reply
    };
    for client in 1..=4 {
        ordered(Call::checkout(client), 200).await;
    }
    ordered(Call::checkout(5).prefer("respond-async"), 202).await;
    ordered(Call::checkout(6).key("k"), 200).await;
    ordered(Call::checkout(7).key("k"), 422).await;
    let as_json = |body: &str| Call::post(checkout).header("content-type", "application/json").body(body);
    ordered(as_json("{}"), 422).await;
    ordered(as_json("{"), 400).await;
    ordered(Call::post(checkout).body("{}").header("content-type", "text/plain"), 415).await;
    ordered(as_json(&" ".repeat(70_000)), 413).await;
    conforms(&document, checkout, "post", &world.send(&Call::new("PUT", checkout)).await);

    // A saga that only an operator can bring on: whether its payment ran is unknown, and it must not be repeated.
    let careful = change(orchestrateur::definitions::CHECKOUT).remove("participants.client.safety").text();
    let file = world.data.path().join("careful.yaml");
    std::fs::write(&file, careful).unwrap();
    let data = tempfile::tempdir().unwrap();
    let flags = ["--definition", file.to_str().unwrap(), "--active-sagas-max", "1"];
    let strict = crate::harness::Server::start(&world.shop, data.path(), &flags).await;
    world.shop.fault("POST /api/clients/*/payer client=8 status=500");
    let blocked = strict.send(&Call::checkout(8)).await;
    assert_eq!(blocked.expect(200)["rollback"], "BLOQUE");
    conforms(&document, checkout, "post", &blocked);
    let id = blocked.json()["saga_id"].as_str().unwrap().to_owned();
    conforms(&document, "/api/commande/{id}", "get", &strict.get(&format!("/api/commande/{id}")).await);
    conforms(&document, "/api/commandes", "get", &strict.get("/api/commandes?rollback=BLOQUE").await);

    let by_ana = json!({ "par": "Ana" });
    let found =
        |constat: &str| json!({ "etape": "paiement", "constat": constat, "raison": "r", "par": "Ana" });
    let (reprendre, resoudre) = ("/api/commande/{id}/reprendre", "/api/commande/{id}/resoudre");
    let ask = async |path: &str, call: &dyn Fn(Call) -> Call, status: u16| {
        let reply = strict.send(&call(Call::post(&path.replace("{id}", &id)))).await;
        assert_eq!(reply.status, status, "{path}: {reply:?}");
        conforms(&document, path, "post", &reply);
    };
    for path in [reprendre, resoudre] {
        ask(path, &|call| call.json(&json!({})), 422).await;
    }
    for path in [reprendre, resoudre, "/api/commande/{id}/annuler"] {
        let as_json = |call: Call, body: &str| call.header("content-type", "application/json").body(body);
        ask(path, &|call| as_json(call, "{"), 400).await;
        ask(path, &|call| call.body("{}").header("content-type", "text/plain"), 415).await;
        ask(path, &|call| as_json(call, &" ".repeat(70_000)), 413).await;
    }
    ask(reprendre, &|call| call.json(&by_ana), 409).await;
    world.shop.fault("POST /api/clients/*/rembourser client=8 latency=1500");
    ask(resoudre, &|call| call.json(&found("EXECUTEE")).prefer("wait=0"), 202).await;
    ask(reprendre, &|call| call.json(&by_ana).prefer("respond-async"), 202).await;
    ask(reprendre, &|call| call.json(&by_ana), 200).await;
    ask(resoudre, &|call| call.json(&found("EXECUTEE")), 409).await;
    let path = format!("/api/commande/{id}");
    conforms(&document, "/api/commande/{id}", "get", &strict.get(&path).await);
    let history = strict.get(&format!("{path}/historique?detail=etapes")).await;
    conforms(&document, "/api/commande/{id}/historique", "get", &history);
    assert!(history.text.contains("\"bloque\"") && history.text.contains("\"resolu\""), "{history:?}");

    world.shop.fault("POST /api/clients/*/payer client=9 latency=1500");
    let running = world.begin(9).await;
    world.reaches(&running, "STOCK_RESERVE").await;
    let listed = world.get("/api/commandes?limit=3").await;
    assert!(listed.header("link").is_some());
    conforms(&document, "/api/commandes", "get", &listed);
    conforms(&document, "/api/commandes", "get", &world.get("/api/commandes?x=1").await);
    for row in world.get("/api/commandes").await.json().as_array().unwrap() {
        let path = format!("/api/commande/{}", row["id"].as_str().unwrap());
        conforms(&document, "/api/commande/{id}", "get", &world.get(&path).await);
        for query in ["", "?detail=etapes", "?detail=x"] {
            let reply = world.get(&format!("{path}/historique{query}")).await;
            conforms(&document, "/api/commande/{id}/historique", "get", &reply);
        }
    }
    for (path, method) in [
        ("/api/commande/{id}", "get"),
        ("/api/commande/{id}/historique", "get"),
        ("/api/commande/{id}/annuler", "post"),
        (reprendre, "post"),
        (resoudre, "post"),
    ] {
        let call = Call::new(&method.to_ascii_uppercase(), &path.replace("{id}", "unknown"));
        let call = match path {
            _ if path == reprendre => call.json(&by_ana),
            _ if path == resoudre => call.json(&found("ANNULEE")),
            _ => call,
        };
        conforms(&document, path, method, &world.send(&call).await);
    }
    let cancel = |saga: &str| Call::post(&format!("/api/commande/{saga}/annuler"));
    for call in
        [cancel(&running).prefer("wait=0"), cancel(&running), cancel(&world.order(4, "CONFIRMEE").await)]
    {
        conforms(&document, "/api/commande/{id}/annuler", "post", &world.send(&call).await);
    }
    for path in ["/", "/api/participants", "/livez", "/readyz", "/metrics", "/openapi.json"] {
        conforms(&document, path, "get", &world.get(path).await);
    }
    for (path, methods) in ROUTES.iter() {
        for method in methods {
            let call = Call::new(&method.to_ascii_uppercase(), &path.replace("{id}", &running));
            for (call, status) in [
                (call.clone().header("host", "second"), 400),
                (call.clone().header("sec-fetch-site", "cross-site"), 403),
                (call.clone().host("evil.example"), 421),
            ] {
                let reply = world.send(&call).await;
                assert_eq!(reply.status, status, "{method} {path}: {reply:?}");
                conforms(&document, path, method, &reply);
            }
        }
    }
    let open = Call::get("/metrics").header("accept", "application/openmetrics-text");
    conforms(&document, "/metrics", "get", &world.send(&open).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_served_as_it_is() {
    let world = World::open().await;
    let reply = world.get("/openapi.json").await;
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let mut served = reply.expect(200);
    // The input of each loaded definition is a schema of its own.
    let schema = served["components"]["schemas"].as_object_mut().unwrap().remove("checkout.input").unwrap();
    assert_eq!(schema["required"], serde_json::json!(["client_id", "magasin_id"]));
    let start = |document: &mut Value| {
        let body = "/paths/~1api~1sagas~1{saga}/post/requestBody/content/application~1json";
        document.pointer_mut(body).unwrap().take()
    };
    // No keys are configured here, so each operation can do without one.
    for item in served["paths"].as_object_mut().unwrap().values_mut() {
        for operation in item.as_object_mut().unwrap().values_mut() {
            let security = operation["security"].as_array_mut().unwrap();
            assert_eq!(security[0], serde_json::json!({}));
            if security.len() > 1 {
                security.remove(0);
            }
        }
    }
    let mut static_document = document();
    let (body, _) = (start(&mut served), start(&mut static_document));
    assert_eq!(body["schema"]["anyOf"][0]["$ref"], "#/components/schemas/checkout.input");
    assert_eq!(body["examples"]["checkout"]["value"], serde_json::json!({ "client_id": 1, "magasin_id": 2 }));
    assert_eq!(served, static_document);
}

/// The text between two quotes after `attribute`.
fn linked<'a>(html: &'a str, attribute: &str) -> Vec<&'a str> {
    html.split(attribute).skip(1).filter_map(|rest| rest.split('"').nth(1)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_docs_need_nothing_from_elsewhere() {
    let world = World::open().await;
    let reply = world.get("/docs").await;
    assert_eq!((reply.status, reply.header("location")), (303, Some("/docs/")));
    let page = world.get("/docs/").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html")));
    let parts: Vec<&str> =
        linked(&page.text, "src=").into_iter().chain(linked(&page.text, "href=")).collect();
    assert!(parts.contains(&"./swagger-ui-bundle.js") && parts.contains(&"./swagger-ui.css"), "{parts:?}");
    for part in parts {
        assert!(!part.contains("//"), "{part} is elsewhere");
        let asset = world.get(&format!("/docs/{}", part.trim_start_matches("./"))).await;
        assert_eq!(asset.status, 200, "{part}");
        assert!(!asset.text.is_empty(), "{part}");
        if part.ends_with(".css") {
            assert!(!asset.text.contains("@import") && !asset.text.contains("url(http"), "{part}");
        }
    }
    // A client that does not take them compressed, as here, gets them as they are.
    for (accepted, coding) in [
        ("gzip, br", Some("gzip")),
        ("br;q=1, GZIP;q=0.5", Some("gzip")),
        ("gzip;q=0, *", None),
        ("identity", None),
    ] {
        let call = Call::get("/docs/swagger-ui.css").header("accept-encoding", accepted);
        let file = world.send(&call).await;
        assert_eq!((file.status, file.header("content-encoding")), (200, coding), "{accepted}");
        assert_eq!(file.header("vary"), Some("accept-encoding"));
        assert_eq!(file.text.contains(".swagger-ui"), coding.is_none(), "{accepted}");
        if coding.is_none() {
            assert_eq!(file.header("content-length"), Some(&*file.text.len().to_string()), "{accepted}");
        }
    }
    let start = world.get("/docs/swagger-initializer.js").await.text;
    assert!(!start.contains("http:") && !start.contains("https:"), "{start}");
    assert!(start.contains("\"url\": \"/openapi.json\""), "{start}");
    // Left alone, Swagger UI has the document checked by a service on the Internet.
    assert!(start.contains("\"validatorUrl\": \"none\""), "{start}");
    assert_eq!(document()["servers"], json!([{ "url": "/" }]));
}
