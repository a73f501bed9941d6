use super::super::SigningKey;
use super::*;

/// RFC 9421, B.1.4.
const RFC_KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
                       MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\n\
                       -----END PRIVATE KEY-----\n";

/// RFC 9421, B.2.6: the components, the parameters, the text and its signature.
#[test]
fn the_text_and_the_signature_are_those_of_the_rfc() {
    let mut lines = SignatureLines::default();
    lines.add("date", &["Tue, 20 Apr 2021 02:07:55 GMT"]);
    lines.add("@method", &["POST"]);
    lines.add("@path", &["/foo"]);
    lines.add("@authority", &["example.com"]);
    lines.add("content-type", &["application/json"]);
    lines.add("content-length", &["18"]);
    let base = lines.signed_with(";created=1618884473;keyid=\"test-key-ed25519\"").unwrap();
    assert_eq!(
        base.text,
        "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\
         \"@method\": POST\n\
         \"@path\": /foo\n\
         \"@authority\": example.com\n\
         \"content-type\": application/json\n\
         \"content-length\": 18\n\
         \"@signature-params\": (\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \
         \"content-length\");created=1618884473;keyid=\"test-key-ed25519\""
    );
    let signature = SigningKey::from_pem(RFC_KEY).unwrap().sign(&base.text);
    assert_eq!(
        STANDARD.encode(signature),
        "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="
    );
}

fn request(method: &str, uri: &str, headers: &[(&'static str, &str)]) -> http::Request<()> {
    let mut request = http::Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    request.body(()).unwrap()
}

fn signed(request: &http::Request<()>) -> Result<SignatureBase, Unsignable> {
    let made = Made { created: 1_700_000_000, key_id: "kid_-" };
    base((request.method(), request.uri()), request.headers(), &made)
}

const PARAMS: &str =
    ";created=1700000000;expires=1700000300;keyid=\"kid_-\";alg=\"ed25519\";tag=\"orchestrateur\"";

#[test]
fn a_call_s_components_stand_in_one_order_and_its_parameters_behind_them() {
    let mut request = request(
        "POST",
        "/api/stock/reserver?a=1&b=%20",
        &[
            ("content-type", " application/json\t"),
            ("saga-epoch", "2"),
            ("saga-attempt", "3"),
            ("saga-step", "stock"),
            ("saga-id", "7f0e"),
            ("idempotency-key", "\"7f0e:stock:action\""),
            ("x-other", "is not signed"),
        ],
    );
    prepare(request.headers_mut(), HeaderValue::from_static("stock:8000"), br#"{"hello": "world"}"#);
    let base = signed(&request).unwrap();
    // The digest is the one of RFC 9421, B.2.
    let expected = format!(
        "\"@method\": POST\n\
         \"@authority\": stock:8000\n\
         \"@path\": /api/stock/reserver\n\
         \"@query\": ?a=1&b=%20\n\
         \"idempotency-key\": \"7f0e:stock:action\"\n\
         \"saga-id\": 7f0e\n\
         \"saga-step\": stock\n\
         \"saga-attempt\": 3\n\
         \"saga-epoch\": 2\n\
         \"content-digest\": sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:\n\
         \"content-type\": application/json\n\
         \"@signature-params\": (\"@method\" \"@authority\" \"@path\" \"@query\" \"idempotency-key\" \"saga-id\" \"saga-step\" \
         \"saga-attempt\" \"saga-epoch\" \"content-digest\" \"content-type\"){PARAMS}"
    );
    assert_eq!(base.text, expected);
    add(request.headers_mut(), &base, &[0; 64]);
    let input = request.headers()["signature-input"].to_str().unwrap();
    let params = expected.rsplit_once("\"@signature-params\": ").unwrap().1;
    assert_eq!(input, format!("orchestrateur={params}"));
    let zeros = format!("orchestrateur=:{}A==:", "A".repeat(85));
    assert_eq!(request.headers()["signature"], zeros);
}

#[test]
fn a_message_without_a_body_has_the_digest_of_nothing_and_no_type() {
    let mut request = request("GET", "/", &[("saga-id", "7f0e")]);
    prepare(request.headers_mut(), HeaderValue::from_static("stock"), b"");
    let base = signed(&request).unwrap();
    // SHA-256 of no bytes: FIPS 180-4's e3b0c442...
    assert!(
        base.text.contains("\"content-digest\": sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:\n")
    );
    assert!(!base.text.contains("content-type"), "{}", base.text);
}

#[test]
fn hostile_values_neither_end_their_lines_nor_pretend_to_be_others() {
    for (uri, headers, line) in [
        // A query that is there and empty is as none: RFC 9421, 2.2.7.
        ("/a?", ("saga-step", "a"), "\"@query\": ?\n"),
        ("/a", ("saga-step", "a"), "\"@query\": ?\n"),
        ("/a?%0A%22@path%22:%20/b", ("saga-step", "a"), "\"@query\": ?%0A%22@path%22:%20/b\n"),
        ("/a%0a\"@method\":GET", ("saga-step", "a"), "\"@path\": /a%0a\"@method\":GET\n"),
        ("/%2e%2e/a%2Fb;x=1,2/..", ("saga-step", "a"), "\"@path\": /%2e%2e/a%2Fb;x=1,2/..\n"),
        ("http://other.example/a?b", ("saga-step", "a"), "\"@path\": /a\n"),
        ("/a", ("idempotency-key", r#""a\"b\\c;x=1,d""#), "\"idempotency-key\": \"a\\\"b\\\\c;x=1,d\"\n"),
        ("/a", ("saga-step", "\"@path\": /b"), "\"saga-step\": \"@path\": /b\n"),
        (
            "/a",
            ("content-type", "text/plain;\tcharset=\"a b\""),
            "\"content-type\": text/plain;\tcharset=\"a b\"\n",
        ),
        ("/a", ("content-type", ""), "\"content-type\": \n"),
    ] {
        let request = request("POST", uri, &[headers]);
        let base = signed(&request).unwrap().text;
        assert!(base.contains(line), "{uri} {headers:?}: {base}");
        // Four components of the request, one header, the parameters.
        assert_eq!(base.lines().count(), 6, "{base}");
    }
    for (uri, header) in [("/caf\u{e9}", ("saga-step", "a")), ("/a", ("content-type", "text/caf\u{e9}"))] {
        let request = request("POST", uri, &[header]);
        assert_eq!(signed(&request).err(), Some(Unsignable), "{uri} {header:?}");
    }
}

#[test]
fn the_authority_is_in_lower_case_and_without_the_scheme_s_own_port() {
    for (url, expected) in [
        ("http://stock:8000", "stock:8000"),
        ("http://stock:80/api", "stock"),
        ("https://stock:80", "stock:80"),
        ("https://Stock.Example.COM:443", "stock.example.com"),
        ("http://stock:443", "stock:443"),
        ("https://stock", "stock"),
        ("http://[::1]:8000", "[::1]:8000"),
        ("https://[2001:DB8::7]:443/x", "[2001:db8::7]"),
        ("http://127.0.0.1", "127.0.0.1"),
    ] {
        assert_eq!(authority(&url.parse().unwrap()), expected, "{url}");
    }
}

#[test]
#[ignore = "a measurement, for an optimized build: its figure stands in docs/security.md"]
#[expect(clippy::disallowed_methods, reason = "it measures real time")]
fn a_call_is_signed_within_microseconds() {
    const CALLS: u32 = 2_000;
    let key = SigningKey::draw().unwrap();
    let url: Uri = "http://client-service:8000".parse().unwrap();
    let headers = [
        ("idempotency-key", "\"0193a1b2-0000-7000-8000-000000000000:paiement:action\""),
        ("saga-id", "0193a1b2-0000-7000-8000-000000000000"),
        ("saga-step", "paiement"),
        ("saga-attempt", "1"),
        ("saga-epoch", "1"),
        ("content-type", "application/json"),
    ];
    for bytes in [0, 300, 4_096] {
        let body = vec![b'x'; bytes];
        let mut rounds: Vec<_> = (0..15)
            .map(|_| {
                let mut calls: Vec<_> =
                    (0..CALLS).map(|_| request("POST", "/api/clients/7/payer", &headers)).collect();
                let begun = std::time::Instant::now();
                for call in &mut calls {
                    prepare(call.headers_mut(), authority(&url), &body);
                    let made = Made { created: 1_700_000_000, key_id: key.id() };
                    let base = base((call.method(), call.uri()), call.headers(), &made).unwrap();
                    add(call.headers_mut(), &base, &key.sign(&base.text));
                }
                begun.elapsed() / CALLS
            })
            .collect();
        rounds.sort();
        println!("a body of {bytes} bytes: {:?} for a call", rounds[rounds.len() / 2]);
    }
}
