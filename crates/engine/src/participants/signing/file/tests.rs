use super::*;

/// RFC 9421, B.1.4. Its thumbprint is known from drafts that use the same key.
const RFC_KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
                       MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\n\
                       -----END PRIVATE KEY-----\n";
const RFC_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
                          MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=\n\
                          -----END PUBLIC KEY-----\n";
const RFC_THUMBPRINT: &str = "poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U";

fn drawn(keys: usize) -> SigningKeys {
    let mut keys = (0..keys).map(|_| SigningKey::draw().unwrap());
    SigningKeys::new(keys.next().unwrap(), keys.collect())
}

fn ids(keys: &SigningKeys) -> Vec<String> {
    keys.iter().map(|key| key.id().to_owned()).collect()
}

#[test]
fn a_key_has_the_id_and_the_public_half_of_the_rfcs() {
    let keys = SigningKeys::parse(RFC_KEY).unwrap();
    assert_eq!(keys.current().id(), RFC_THUMBPRINT);
    assert_eq!(keys.current().public_pem().unwrap(), RFC_PUBLIC);
    assert_eq!(keys.current().public(), "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs");
    assert_eq!(*keys.to_pem().unwrap(), RFC_KEY, "as OpenSSL writes it");
}

#[test]
fn no_key_is_in_what_is_printed_of_it() {
    let keys = SigningKeys::parse(RFC_KEY).unwrap();
    assert_eq!(
        format!("{keys:?}"),
        format!("SigningKeys {{ current: SigningKey({RFC_THUMBPRINT}), announced: [] }}")
    );
}

#[test]
fn a_file_has_comments_and_several_keys_of_which_the_first_signs() {
    let other = drawn(1);
    let text = format!("the key of 2026\n{RFC_KEY}\r\n# and the next one\n{}", *other.to_pem().unwrap());
    let keys = SigningKeys::parse(&text.replace('\n', "\r\n")).unwrap();
    assert_eq!(ids(&keys), [RFC_THUMBPRINT, other.current().id()]);
    assert_eq!(ids(&SigningKeys::parse(&keys.to_pem().unwrap()).unwrap()), ids(&keys));
}

#[test]
fn keys_are_announced_then_sign_then_go() {
    let mut keys = drawn(1);
    let first = keys.current().id().to_owned();
    let next = SigningKey::draw().unwrap();
    let second = next.id().to_owned();
    keys.announce(next).unwrap();
    assert_eq!(ids(&keys), [first.clone(), second.clone()]);
    assert!(keys.remove(&first).unwrap_err().contains("is the one that signs"));
    assert!(
        keys.switch_to("x")
            .unwrap_err()
            .contains(&format!("there is no announced key `x`; announced: {second}"))
    );
    keys.switch_to(&second).unwrap();
    assert_eq!(ids(&keys), [second.clone(), first.clone()]);
    keys.remove(&first).unwrap();
    assert_eq!(ids(&keys), [second]);
    for _ in 1..SIGNING_KEYS_MAX {
        keys.announce(SigningKey::draw().unwrap()).unwrap();
    }
    assert!(keys.announce(SigningKey::draw().unwrap()).unwrap_err().contains("SIGNING_KEYS_MAX, 8"));
}

#[test]
fn a_file_that_cannot_be_used_is_told_without_its_content() {
    let secret = RFC_KEY.lines().nth(1).unwrap();
    let block =
        |label: &str, content: &str| format!("-----BEGIN {label}-----\n{content}\n-----END {label}-----\n");
    let nine = format!("{}{RFC_KEY}", *drawn(SIGNING_KEYS_MAX).to_pem().unwrap());
    for (text, why) in [
        (String::new(), "there is no key in it"),
        ("-----BEGIN".to_owned(), "there is no key in it"),
        (block("PUBLIC KEY", secret), "block 1 is `PUBLIC KEY`; the private key is needed"),
        (block("ENCRYPTED PRIVATE KEY", secret), "must not need a password"),
        (block("EC PRIVATE KEY", secret), "a key of Ed25519 in PKCS #8 is needed"),
        (block("PRIVATE KEY", "bm8ga2V5"), "block 1: it is no private key of Ed25519"),
        (block("PRIVATE KEY", &secret[1..]), "block 1: it is no private key of Ed25519"),
        (RFC_KEY[..90].to_owned(), "block 1 has no line `-----END PRIVATE KEY-----`"),
        (format!("{RFC_KEY}{RFC_KEY}"), "is here twice"),
        (format!("{RFC_KEY}{}", block("CERTIFICATE", "x")), "block 2 is `CERTIFICATE`"),
        (nine, "more than SIGNING_KEYS_MAX"),
    ] {
        let told = SigningKeys::parse(&text).unwrap_err();
        assert!(told.contains(why), "{why}: {told}");
        assert!(!told.contains(&secret[20..40]), "{told}");
    }
}

#[test]
fn a_key_of_another_kind_is_refused() {
    // What `openssl genpkey -algorithm x25519` writes: the same form, with another algorithm.
    let x25519 = RFC_KEY.replace("MC4CAQAwBQYDK2VwBCIEI", "MC4CAQAwBQYDK2VuBCIEI");
    assert!(SigningKeys::parse(&x25519).unwrap_err().contains("it is no private key of Ed25519"));
}

#[test]
fn only_a_regular_file_of_a_bounded_size_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.pem");
    let told = || SigningKeys::read(&file).unwrap_err().to_string();
    assert!(told().contains("No such file"), "{}", told());
    std::fs::write(&file, format!("{RFC_KEY}{}", " ".repeat(SIGNING_FILE_BYTES_MAX))).unwrap();
    assert!(told().contains("SIGNING_FILE_BYTES_MAX, 16384 bytes"), "{}", told());
    std::fs::write(&file, [0xff, 0xfe]).unwrap();
    assert!(told().contains("it is not a text in PEM"), "{}", told());
    std::fs::write(&file, RFC_KEY).unwrap();
    assert_eq!(SigningKeys::read(&file).unwrap().current().id(), RFC_THUMBPRINT);
    assert!(SigningKeys::read(folder.path()).unwrap_err().to_string().contains("not a regular file"));
}
