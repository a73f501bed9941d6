use super::*;

fn wrong(address: &str) -> String {
    DatabaseAddress::parse(address).err().unwrap_or_else(|| panic!("{address} is taken"))
}

fn good(parameters: &str) -> DatabaseAddress {
    let address = format!("postgres://u@h/d?{parameters}");
    DatabaseAddress::parse(&address).unwrap_or_else(|wrong| panic!("{parameters}: {wrong}"))
}

/// Every parameter of libpq 18, and of those before it.
const OF_LIBPQ: &str = "host hostaddr port dbname user password passfile require_auth channel_binding connect_timeout \
    client_encoding options application_name fallback_application_name keepalives keepalives_idle keepalives_interval \
    keepalives_count tcp_user_timeout replication gssencmode sslmode requiressl sslnegotiation sslcompression sslcert \
    sslkey sslkeylogfile sslpassword sslcertmode sslrootcert sslcrl sslcrldir sslsni requirepeer \
    ssl_min_protocol_version ssl_max_protocol_version min_protocol_version max_protocol_version krbsrvname gsslib \
    gssdelegation scram_client_key scram_server_key service servicefile target_session_attrs load_balance_hosts \
    oauth_issuer oauth_client_id oauth_client_secret oauth_scope";

#[test]
fn every_parameter_of_libpq_is_known_by_its_name() {
    for name in OF_LIBPQ.split_whitespace() {
        // No parameter with a list of values takes this one; parameters for any text take it.
        if let Err(wrong) = DatabaseAddress::parse(&format!("postgres://u@h/d?{name}=,")) {
            let is_known = !["not known", "is not a parameter"].iter().any(|words| wrong.contains(words));
            assert!(is_known, "{name}: {wrong}");
        }
    }
}

#[test]
fn hosts_and_ports_go_together_as_in_libpq() {
    for (address, place) in [
        ("postgres://u@a,b:2,[::1]:3/d", "a:5432,b:2,::1:3/d"),
        ("postgres://u@a,b/d?port=7", "a:7,b:7/d"),
        ("host=/run/pg,b port=1,2 user=u", "/run/pg:1,b:2/u"),
        ("hostaddr=127.0.0.1 user=u", "127.0.0.1:5432/u"),
        ("host=h hostaddr=127.0.0.1 user=u", "h:5432/u"),
    ] {
        assert_eq!(
            DatabaseAddress::parse(address).map(|address| address.place()),
            Ok(place.to_owned()),
            "{address}"
        );
    }
    for (address, words) in [
        ("postgres:///d", "names no host"),
        ("postgres://h:99999/d", "port of host number 1"),
        ("postgres://a,b:0/d", "port of host number 2"),
        ("postgres://a,,b/d", "host number 2 is empty"),
        ("host=a,b,c port=1,2", "3 hosts, but 2 ports"),
        ("host=a,b hostaddr=127.0.0.1", "2 hosts, but 1 hostaddr"),
        ("hostaddr=h", "is no IP address"),
    ] {
        assert!(wrong(address).contains(words), "{address}: {}", wrong(address));
    }
}

#[test]
fn what_is_said_of_tls_is_one_wish() {
    let mode = |parameters: &str| good(parameters).tls.mode;
    assert_eq!(mode(""), TlsMode::Prefer);
    for (text, expected) in [
        ("disable", TlsMode::Disable),
        ("allow", TlsMode::Allow),
        ("prefer", TlsMode::Prefer),
        ("require", TlsMode::Require),
    ] {
        assert_eq!(mode(&format!("sslmode={text}")), expected);
    }
    assert_eq!(mode("ssl=true"), TlsMode::Require);
    assert_eq!(mode("sslrootcert=system"), TlsMode::VerifyFull);
    let full =
        good("sslmode=verify-full&sslrootcert=/ca.pem&sslcert=/c.pem&sslkey=/k.pem&sslcrl=/l.pem&sslsni=0")
            .tls;
    assert_eq!(
        (full.mode, full.roots, full.sni),
        (TlsMode::VerifyFull, Roots::File("/ca.pem".into()), false)
    );
    assert_eq!((full.identity, full.crl), (Some(("/c.pem".into(), "/k.pem".into())), Some("/l.pem".into())));
    assert_eq!(good("sslcert=/c&sslkey=/k&sslcertmode=disable").tls.identity, None);
    assert!(good("sslmode=verify-full&sslnegotiation=direct").tls.is_direct);
    for (parameters, instead) in [
        ("sslmode=verify_full", "`verify-full`"),
        ("sslmode=verify-ca", "sslrootcert=FILE"),
        ("sslmode=require&sslrootcert=system", "sslmode=verify-full"),
        ("sslrootcert=/ca.pem", "sslmode=verify-full"),
        ("sslmode=disable&sslrootcert=/ca.pem", "sslmode=verify-full"),
        ("sslcrl=/l.pem", "sslmode=verify-full"),
        ("sslcert=/c.pem", "sslkey=FILE"),
        ("sslkey=/k.pem", "sslcert=FILE"),
        ("sslmode=disable&sslcert=/c&sslkey=/k", "sslmode=verify-full"),
        ("sslnegotiation=direct", "sslmode=verify-full"),
        ("sslpassword=p", "openssl pkey"),
        ("sslcertmode=require", "sslcertmode=allow"),
        ("sslcompression=1", "sslcompression=0"),
        ("sslcrldir=/l", "sslcrl=FILE"),
        ("requiressl=1", "sslmode=require"),
        ("ssl_max_protocol_version=TLSv1.1", "TLSv1.2"),
        ("ssl_min_protocol_version=TLSv1.3&ssl_max_protocol_version=TLSv1.2", "is above"),
    ] {
        let wrong = wrong(&format!("postgres://u@h/d?{parameters}"));
        assert!(wrong.contains(instead), "{parameters}: {wrong}");
    }
}

#[test]
fn times_have_libpq_s_units_and_a_limit() {
    let defaults = good("").config;
    assert_eq!(defaults.get_tcp_user_timeout(), Some(&bounds::TCP_USER_TIMEOUT));
    assert_eq!(defaults.get_keepalives_idle(), bounds::KEEPALIVE_IDLE);
    let set = good(
        "connect_timeout=7&tcp_user_timeout=1500&keepalives_idle=9&keepalives_interval=4&keepalives_count=2",
    );
    assert_eq!(set.connect_timeout, Duration::from_secs(7));
    assert_eq!(set.config.get_tcp_user_timeout(), Some(&Duration::from_millis(1_500)));
    assert_eq!(set.config.get_keepalives_idle(), Duration::from_secs(9));
    assert_eq!(set.config.get_keepalives_interval(), Some(Duration::from_secs(4)));
    assert_eq!(set.config.get_keepalives_retries(), Some(2));
    assert!(!good("keepalives=0").config.get_keepalives());
    assert_eq!(good("tcp_user_timeout=0&keepalives_count=0").config.get_tcp_user_timeout(), None);
    for parameters in
        ["connect_timeout=0", "connect_timeout=-1", "connect_timeout=61", "connect_timeout=soon"]
    {
        assert!(wrong(&format!("postgres://u@h/d?{parameters}")).contains("connect_timeout"), "{parameters}");
    }
}

#[test]
fn the_rest_goes_to_the_server_or_is_refused_with_what_works() {
    let config = good("application_name=a&options=-c%20search_path%3Dx&channel_binding=require").config;
    assert_eq!((config.get_application_name(), config.get_options()), (Some("a"), Some("-c search_path=x")));
    assert_eq!(config.get_channel_binding(), ChannelBinding::Require);
    assert_eq!(good("").config.get_application_name(), Some("orchestrateur"));
    assert_eq!(good("fallback_application_name=f").config.get_application_name(), Some("f"));
    for harmless in
        ["gssencmode=prefer", "client_encoding=UTF8", "load_balance_hosts=disable", "sslcompression=0"]
    {
        good(harmless);
    }
    for session in ["any", "read-write", "primary"] {
        good(&format!("target_session_attrs={session}"));
    }
    for (parameters, instead) in [
        ("target_session_attrs=read-only", "target_session_attrs=read-write"),
        ("target_session_attrs=prefer-standby", "target_session_attrs=read-write"),
        ("gssencmode=require", "gssencmode=disable"),
        ("load_balance_hosts=random", "load_balance_hosts=disable"),
        ("client_encoding=LATIN1", "leave it out"),
        ("service=prod", "write the service's settings into the address"),
        ("require_auth=scram-sha-256", "channel_binding=require"),
        ("channel_binding=always", "`require`"),
        ("keepalives=yes", "`0` or `1`"),
        ("sslmod=require", "write sslmode"),
        ("timeout=3", "write connect_timeout"),
        ("keepalives_retries=3", "write keepalives_count"),
        ("ssl_mode=require", "write sslmode"),
        ("frobnicate=1", "`frobnicate` is not a parameter"),
    ] {
        let wrong = wrong(&format!("postgres://u@h/d?{parameters}"));
        assert!(wrong.contains(instead), "{parameters}: {wrong}");
    }
}

#[test]
fn no_message_shows_a_piece_of_a_password() {
    for address in [
        "postgres://u:hunter2@h/d?sslmode=hunter2",
        "postgres://u@h/d?password=a&hunter2=b",
        "password=a hunter2=b host=h",
        "password=hunter 2 host=h",
        "postgres://u:hunter@2@h/d",
        "postgres://u:hunter?2@h/d",
        "postgres://u:hunter#2:3",
        "host=h port=hunter2",
        "host=h connect_timeout=hunter2",
        "host=h hostaddr=hunter2",
    ] {
        let wrong = wrong(address);
        assert!(!wrong.contains("hunter"), "{address}: {wrong}");
    }
}

#[test]
fn a_file_of_passwords_is_read_and_must_be_one_s_own() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pgpass");
    std::fs::write(&path, "other:*:*:*:no\nh:5432:d:u:secret\n").unwrap();
    let parameters = format!("passfile={}", path.display());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(wrong(&format!("postgres://u@h/d?{parameters}")).contains("chmod 600"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(good(&parameters).targets[0].password.as_deref(), Some("secret"));
    let nowhere = wrong(&format!("postgres://u@elsewhere/d?{parameters}"));
    assert!(nowhere.contains("has no line") && !nowhere.contains("secret"), "{nowhere}");
    assert!(wrong("postgres://u@h/d?passfile=/nowhere").contains("cannot read passfile=/nowhere"));
}
