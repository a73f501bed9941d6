//! What a token says, and what is found about it.

use saga_testkit::tokens::{hmac_signed, unsigned};

use super::*;
use crate::api::access::role::Role;

async fn verdict(issuer: &TokenIssuer, token: &str) -> Result<Arc<TokenHolder>, NotHeld> {
    issuer.holder(token.as_bytes(), now()).await
}

fn bad(why: &'static str) -> Result<Arc<TokenHolder>, NotHeld> {
    Err(NotHeld::Bad(why))
}

fn header(algorithm: &str, id: &str) -> Value {
    json!({ "alg": algorithm, "kid": id, "typ": "at+jwt" })
}

/// So that a token of an unknown key is told at once: the keys were asked for a moment ago.
async fn just_asked(issuer: &TokenIssuer) {
    *issuer.keys.asked.lock().unwrap() = Some(tokio::time::Instant::now());
}

#[tokio::test]
async fn every_allowed_algorithm_signs_by_its_own_kind_of_key_alone() {
    let keys = [TokenKey::rsa("r"), TokenKey::p256("p"), TokenKey::p384("q"), TokenKey::ed25519("e")];
    let issuer = holding(settings(), set(&keys.each_ref())).await;
    let kinds: [&[&str]; 4] =
        [&["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"], &["ES256"], &["ES384"], &["EdDSA"]];
    for (key, own) in keys.iter().zip(kinds) {
        for algorithm in kinds.concat() {
            let told = verdict(&issuer, &key.signed(&header(algorithm, key.id()), &claims())).await;
            let is_good = told.as_ref().is_ok_and(|holder| &*holder.name == "oidc:shop");
            assert_eq!(is_good, own.contains(&algorithm), "{} {algorithm}: {told:?}", key.id());
            if !is_good {
                assert_eq!(told, bad("wrong_signature"));
            }
        }
    }
}

#[tokio::test]
async fn neither_none_nor_an_hmac_by_a_public_key_is_a_signature() {
    let keys = [TokenKey::rsa("r"), TokenKey::ed25519("e")];
    let issuer = holding(settings(), set(&keys.each_ref())).await;
    for key in &keys {
        for algorithm in ["HS256", "HS384", "HS512"] {
            for secret in [key.public_bytes(), key.published().to_string().into_bytes(), Vec::new()] {
                let token = hmac_signed(&header(algorithm, key.id()), &claims(), &secret);
                assert_eq!(verdict(&issuer, &token).await, bad("algorithm"));
            }
        }
        for algorithm in ["none", "None", "NONE", "", "rs256", "RS256 ", "RS1", "ES256K"] {
            let token = unsigned(&header(algorithm, key.id()), &claims());
            assert_eq!(verdict(&issuer, &token).await, bad("algorithm"), "{algorithm}");
        }
        // The right algorithm, and the signature of another.
        let forged = hmac_signed(&header(key.algorithm(), key.id()), &claims(), &key.public_bytes());
        assert_eq!(verdict(&issuer, &forged).await, bad("wrong_signature"));
        assert_eq!(
            verdict(&issuer, &unsigned(&header(key.algorithm(), key.id()), &claims())).await,
            bad("wrong_signature")
        );
    }
    // A set that has secrets has no keys.
    let secret = json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "s", "alg": "HS256" });
    assert_eq!(of_published(vec![secret, keys[0].published()]).len(), 1);
}

#[tokio::test]
async fn keys_that_a_token_brings_along_mean_nothing() {
    let (known, own) = (TokenKey::p256("k"), TokenKey::p256("k"));
    let issuer = holding(settings(), set(&[&known])).await;
    let mut header = header("ES256", "k");
    header["jwk"] = own.published();
    header["jku"] = "https://evil.example.com/keys".into();
    header["x5u"] = "https://evil.example.com/certificate".into();
    header["x5c"] = json!(["AAAA"]);
    assert_eq!(verdict(&issuer, &own.signed(&header, &claims())).await, bad("wrong_signature"));
    assert!(verdict(&issuer, &known.signed(&header, &claims())).await.is_ok());
}

#[tokio::test]
async fn a_token_that_is_not_as_expected_is_refused_and_the_log_hears_why() {
    let key = TokenKey::ed25519("k");
    let issuer = holding(settings(), set(&[&key])).await;
    let a_year = 31_536_000;
    for (claims, expected) in [
        (with("iss", "https://id.example.com/".into()), "wrong_issuer"),
        (with("iss", json!(["https://id.example.com"])), "wrong_issuer"),
        (with("iss", Value::Null), "wrong_issuer"),
        (with("aud", "other".into()), "wrong_audience"),
        (with("aud", "Orders".into()), "wrong_audience"),
        (with("aud", json!([])), "wrong_audience"),
        (with("aud", json!(["other", 7])), "wrong_audience"),
        (with("aud", json!({ "orders": true })), "wrong_audience"),
        (with("aud", Value::Null), "wrong_audience"),
        (with("exp", Value::Null), "no_expiry"),
        (with("exp", json!(NOW_S - 60)), "expired"),
        (with("exp", json!(0)), "expired"),
        (with("exp", json!(-1)), "malformed"),
        (with("exp", json!("soon")), "malformed"),
        (with("exp", json!(1e300)), "malformed"),
        (with("nbf", json!(NOW_S + 61)), "not_yet_valid"),
        (with("nbf", json!("now")), "malformed"),
        (with("iat", json!(NOW_S + 61)), "issued_in_the_future"),
        (with("iat", json!(NOW_S + a_year)), "issued_in_the_future"),
        (with("sub", json!(7)), "no_name"),
        (with("sub", "".into()), "no_name"),
        (with("sub", " shop".into()), "no_name"),
        (with("sub", "a\nb".into()), "no_name"),
        (with("sub", "a\u{202e}b".into()), "no_name"),
        (with("sub", "é".repeat(256).into()), "no_name"),
    ] {
        assert_eq!(verdict(&issuer, &key.token(&claims)).await, bad(expected), "{claims}");
    }
    for claims in [
        with("aud", json!(["other", "https://orders.example.com"])),
        // Within the clocks' difference.
        with("exp", json!(NOW_S - 59)),
        with("exp", json!(NOW_S as f64 + 0.5)),
        with("nbf", json!(NOW_S + 60)),
        with("iat", json!(NOW_S + 60)),
        with("iat", Value::Null),
        with("sub", "é".repeat(255).into()),
    ] {
        assert!(verdict(&issuer, &key.token(&claims)).await.is_ok(), "{claims}");
    }
}

#[tokio::test]
async fn headers_are_as_access_tokens_have_them_and_nothing_critical_is_passed_over() {
    let key = TokenKey::ed25519("k");
    let plain = OidcSettings { takes_plain: true, ..settings() };
    let (strict, plain) = (holding(settings(), set(&[&key])).await, holding(plain, set(&[&key])).await);
    for (kind, is_strict, is_plain) in [
        (json!("at+jwt"), true, true),
        (json!("AT+JWT"), true, true),
        (json!("application/at+jwt"), true, true),
        (json!("JWT"), false, true),
        (json!("jwt"), false, true),
        (Value::Null, false, true),
        (json!("logout+jwt"), false, false),
        (json!("dpop+jwt"), false, false),
    ] {
        let token = key.signed(&json!({ "alg": "EdDSA", "kid": "k", "typ": kind }), &claims());
        for (issuer, is_taken) in [(&strict, is_strict), (&plain, is_plain)] {
            let told = verdict(issuer, &token).await;
            assert_eq!(told.is_ok(), is_taken, "{kind}: {told:?}");
            assert!(is_taken || told == bad("wrong_type"));
        }
    }
    for critical in [json!(["exp"]), json!([]), Value::Null] {
        let mut header = header("EdDSA", "k");
        header["crit"] = critical;
        assert_eq!(verdict(&strict, &key.signed(&header, &claims())).await, bad("critical"));
    }
}

#[tokio::test]
async fn what_cannot_be_read_in_one_way_alone_is_no_token() {
    use base64::Engine as _;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
    let key = TokenKey::ed25519("k");
    let issuer = holding(settings(), set(&[&key])).await;
    let good = key.token(&claims());
    assert!(verdict(&issuer, &good).await.is_ok());
    let [head, body, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let twice = BASE64.encode(r#"{"alg":"none","alg":"EdDSA","typ":"at+jwt"}"#);
    let claims_twice = BASE64.encode(claims().to_string().replace("{", r#"{"sub":"admin","#));
    let deep = BASE64.encode(format!("{{\"a\":{}1{}}}", "[".repeat(300), "]".repeat(300)));
    for wrong in [
        format!("{twice}.{body}.{signature}"),
        format!("{head}.{claims_twice}.{signature}"),
        format!("{head}.{deep}.{signature}"),
        format!("{head}..{signature}"),
        format!("..{signature}"),
        "..".to_owned(),
        format!("{head}=.{body}.{signature}"),
        format!("{head}.{body}.{signature}."),
        format!("{head}.{body}"),
        format!("{}.{body}.{signature}", BASE64.encode("[]")),
        format!("{}.{body}.{signature}", BASE64.encode(r#"{"alg":7}"#)),
        format!("{head}.{}.{signature}", BASE64.encode([0xff, 0xfe])),
    ] {
        assert_eq!(verdict(&issuer, &wrong).await, bad("malformed"), "{wrong}");
    }
    let large = key.token(&with("more", "x".repeat(8_000).into()));
    assert_eq!(verdict(&issuer, &large).await, bad("too_large"));
    // One bit of anything that is signed, or of the signature.
    for (part, text) in [(0, head), (1, body), (2, signature)] {
        let mut bytes = BASE64.decode(text).unwrap();
        let last = bytes.len() / 2;
        bytes[last] ^= 1;
        let mut parts = [head.to_owned(), body.to_owned(), signature.to_owned()];
        parts[part] = BASE64.encode(bytes);
        assert!(verdict(&issuer, &parts.join(".")).await.is_err(), "{part}");
    }
    for presented in ["ork_00", "a.b", "a.b.c.d", "a.b.c d", "a.b.c=", "ä.b.c", ""] {
        assert!(!looks_like_one(presented.as_bytes()), "{presented}");
    }
    assert!(looks_like_one(good.as_bytes()));
}

#[tokio::test(start_paused = true)]
async fn a_kid_may_be_missing_or_stand_for_several_keys() {
    let [one, other, third] = ["same", "same", "third"].map(TokenKey::p256);
    let stranger = TokenKey::p256("same");
    let issuer = holding(settings(), set(&[&one, &other, &third])).await;
    just_asked(&issuer).await;
    let nameless = json!({ "alg": "ES256", "typ": "at+jwt" });
    for key in [&one, &other, &third] {
        assert!(verdict(&issuer, &key.token(&claims())).await.is_ok());
        assert!(verdict(&issuer, &key.signed(&nameless, &with("jti", "other".into()))).await.is_ok());
    }
    assert_eq!(verdict(&issuer, &stranger.token(&claims())).await, bad("wrong_signature"));
    assert_eq!(verdict(&issuer, &stranger.signed(&nameless, &claims())).await, bad("unknown_key"));
    let unknown = third.signed(&header("ES256", "fourth"), &claims());
    assert_eq!(verdict(&issuer, &unknown).await, bad("unknown_key"));
}

#[tokio::test]
async fn a_published_key_is_used_for_what_it_says_alone() {
    let key = TokenKey::rsa("k");
    let published = |name: &str, value: Value| {
        let mut published = key.published();
        published[name] = value;
        published
    };
    let pss_only = holding(settings(), of_published(vec![published("alg", "PS256".into())])).await;
    assert!(verdict(&pss_only, &key.signed(&header("PS256", "k"), &claims())).await.is_ok());
    assert_eq!(verdict(&pss_only, &key.token(&claims())).await, bad("wrong_signature"));
    let small = json!({ "kty": "RSA", "n": "w".repeat(171), "e": "AQAB", "kid": "k" });
    let padded = json!({ "kty": "RSA", "n": format!("{}{}", "A".repeat(200), "w".repeat(171)), "e": "AQAB" });
    for unused in [
        published("use", "enc".into()),
        published("key_ops", json!(["encrypt"])),
        published("alg", "RSA-OAEP".into()),
        published("alg", "HS256".into()),
        published("alg", "ES256".into()),
        published("kty", "EC".into()),
        published("n", "!".into()),
        published("n", 7.into()),
        published("e", Value::Null),
        small,
        padded,
        json!({ "kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA" }),
        json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" }),
        json!({ "kty": "OKP", "crv": "X25519", "x": "A".repeat(43) }),
        json!({ "kty": "OKP", "crv": "Ed25519", "x": "AA" }),
        json!("k"),
    ] {
        assert_eq!(of_published(vec![unused.clone()]).len(), 0, "{unused}");
    }
    // Zeros before the modulus, which some issuers write, are no part of it.
    let zeros = format!("AAAA{}", key.published()["n"].as_str().unwrap());
    let zeros = holding(settings(), of_published(vec![published("n", zeros.into())])).await;
    assert!(verdict(&zeros, &key.token(&claims())).await.is_ok());
    for wrong in ["", "{}", "[]", r#"{"keys":{}}"#] {
        assert!(KeySet::read(wrong.as_bytes()).is_err(), "{wrong}");
    }
    let many = json!({ "keys": vec![key.published(); 65] }).to_string();
    assert!(KeySet::read(many.as_bytes()).unwrap_err().contains("ISSUER_KEYS_MAX is 64"));
}

#[tokio::test]
async fn roles_and_names_come_from_the_claims_that_the_flags_name() {
    let key = TokenKey::ed25519("k");
    let with_rules = async |name: &str, roles: &str, words: &[&str]| {
        let words = words.iter().map(|word| word.parse().unwrap()).collect();
        let settings =
            OidcSettings { name: name.parse().unwrap(), roles: roles.parse().unwrap(), words, ..settings() };
        holding(settings, set(&[&key])).await
    };
    let roles =
        async |issuer: &TokenIssuer, claims: Value| verdict(issuer, &key.token(&claims)).await.unwrap().roles;
    let of = |roles: &[Role]| roles.iter().copied().collect::<crate::api::access::Roles>();
    use Role::{Admin, Operate, Read, Signal, Start};
    let own = with_rules("sub", "roles", &[]).await;
    for (claim, expected) in [
        (json!("start"), &[Start][..]),
        (json!("openid start  signal"), &[Start, Signal]),
        (json!(["read", "x", 7, ["admin"], "operate"]), &[Read, Operate]),
        (json!(["start signal"]), &[]),
        (json!("Admin ADMIN"), &[]),
        (json!({ "admin": true }), &[]),
        (json!(true), &[]),
        (Value::Null, &[]),
    ] {
        assert_eq!(roles(&own, with("roles", claim.clone())).await, of(expected), "{claim}");
    }
    let nested = with_rules("sub", "realm_access.roles", &[]).await;
    assert_eq!(roles(&nested, with("realm_access", json!({ "roles": ["admin"] }))).await, of(&[Admin]));
    assert_eq!(roles(&nested, with("realm_access.roles", json!(["admin"]))).await, of(&[]));
    assert_eq!(roles(&nested, with("realm_access", json!(["roles"]))).await, of(&[]));
    let url = with_rules("sub", "https://example.com/roles", &[]).await;
    assert_eq!(roles(&url, with("https://example.com/roles", json!(["admin"]))).await, of(&[Admin]));
    let mapped = with_rules("sub", "groups", &["/a=b=operate", "/shop=start", "/shop=signal"]).await;
    assert_eq!(
        roles(&mapped, with("groups", json!(["/shop", "admin", "/a=b"]))).await,
        of(&[Start, Signal, Operate])
    );

    let name = async |issuer: &TokenIssuer, claims: Value| {
        verdict(issuer, &key.token(&claims)).await.map(|holder| holder.name.to_string())
    };
    assert_eq!(name(&own, with("sub", Value::Null)).await.as_deref(), Ok("oidc:shop-client"));
    let email = with_rules("email", "roles", &[]).await;
    assert_eq!(
        name(&email, with("email", "a@example.com".into())).await.as_deref(),
        Ok("oidc:a@example.com")
    );
    // A claim that its bearer may choose is not stood in for.
    assert_eq!(name(&email, claims()).await, Err(NotHeld::Bad("no_name")));
    for wrong in ["", ".", "a.", "a..b", "a.b.c.d.e.f.g.h.i"] {
        assert!(wrong.parse::<ClaimPath>().is_err(), "{wrong}");
    }
    for wrong in ["", "a", "=admin", "a=", "a=root", "a=Admin"] {
        assert!(wrong.parse::<RoleWord>().is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn a_name_may_make_so_many_requests_a_second() {
    let limited = OidcSettings { requests_per_second: Some(2), ..settings() };
    let issuer = TokenIssuer::new(limited).unwrap();
    let (one, other): (Arc<str>, Arc<str>) = ("oidc:a".into(), "oidc:b".into());
    let take = |name: &Arc<str>| issuer.take(name, now()).is_ok();
    assert_eq!([take(&one), take(&one), take(&one), take(&other)], [true, true, false, true]);
    assert!(issuer.take(&one, at(1)).is_ok());
    assert_eq!(TokenIssuer::new(settings()).unwrap().take(&one, now()), Ok(None));
}
