//! libpq's words about TLS, against a server with certificates of the test's own.

use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use saga_journal::{OpenError, postgres};
use saga_testkit::postgres::Cluster;

use crate::entries::{OWNER, start};
use crate::fixture::{join, keep};

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

struct Leaf {
    certificate: String,
    key: String,
    serial: rcgen::SerialNumber,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    fn leaf(&self, name: &str, serial: u64) -> Leaf {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let serial = rcgen::SerialNumber::from(serial);
        params.serial_number = Some(serial.clone());
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Leaf { certificate, key: key.serialize_pem(), serial }
    }

    fn revokes(&self, leaf: &Leaf) -> String {
        let params = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2020, 1, 1),
            next_update: rcgen::date_time_ymd(2040, 1, 1),
            crl_number: 1_u64.into(),
            issuing_distribution_point: None,
            revoked_certs: vec![rcgen::RevokedCertParams {
                serial_number: leaf.serial.clone(),
                revocation_time: rcgen::date_time_ymd(2020, 1, 1),
                reason_code: None,
                invalidity_date: None,
            }],
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

/// Files of the test's own, which no other user may read.
struct Files(tempfile::TempDir);

impl Files {
    fn keep(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }
}

/// Opens and writes, or says why not.
async fn using(url: &str) -> Result<(), String> {
    let store = postgres::open(url).await.map_err(|error| error.to_string())?;
    join(&store, OWNER).await;
    keep(&store, &[&start(1)]).await;
    Ok(())
}

#[tokio::test]
async fn certificates_are_checked_and_shown_as_libpq_documents() {
    let (authority, stranger) = (Authority::new("ours"), Authority::new("a stranger"));
    let server = authority.leaf("localhost", 7);
    // Every role needs a certificate; only `postgres` is let in by one alone.
    let rules = "hostssl all postgres all cert\n";
    let cluster = Cluster::start_with_files(
        "ssl = on\nssl_ca_file = 'ca.crt'",
        &[
            ("server.crt", &server.certificate),
            ("server.key", &server.key),
            ("ca.crt", &authority.certificate),
            ("pg_hba.conf", "host all postgres all trust\n"),
        ],
    );
    let url =
        |host: &str, parameters: &str| format!("{}?{parameters}", cluster.url().replace("127.0.0.1", host));
    let files = Files(tempfile::tempdir().unwrap());
    let ca = files.keep("ca.pem", &authority.certificate).display().to_string();
    let other = files.keep("other.pem", &stranger.certificate).display().to_string();
    let crl = files.keep("crl.pem", &authority.revokes(&server)).display().to_string();
    let clean = files.keep("clean.pem", &authority.revokes(&stranger.leaf("x", 99))).display().to_string();

    for (host, parameters) in [
        ("localhost", format!("sslmode=verify-full&sslrootcert={ca}")),
        ("localhost", format!("sslmode=verify-full&sslrootcert={ca}&ssl_min_protocol_version=TLSv1.3")),
        ("localhost", format!("sslmode=verify-full&sslrootcert={ca}&ssl_max_protocol_version=TLSv1.2")),
        ("localhost", format!("sslmode=verify-full&sslrootcert={ca}&sslcrl={clean}")),
        ("localhost", format!("sslmode=verify-full&sslrootcert={ca}&sslsni=0&channel_binding=prefer")),
        // By another name: the authority is enough.
        ("127.0.0.1", format!("sslmode=verify-ca&sslrootcert={ca}")),
        ("127.0.0.1", format!("sslmode=require&sslrootcert={ca}")),
        ("127.0.0.1", "sslmode=prefer".to_owned()),
        ("127.0.0.1", "sslmode=allow".to_owned()),
        ("127.0.0.1", "sslmode=disable".to_owned()),
    ] {
        let used = using(&url(host, &parameters)).await;
        assert_eq!(used, Ok(()), "{host} {parameters}");
    }
    for (host, parameters, words) in [
        ("127.0.0.1", format!("sslmode=verify-full&sslrootcert={ca}"), "sslmode=verify-ca"),
        ("localhost", format!("sslmode=verify-full&sslrootcert={other}"), "sslrootcert=FILE"),
        ("localhost", format!("sslmode=verify-ca&sslrootcert={other}"), "sslrootcert=FILE"),
        ("localhost", format!("sslmode=require&sslrootcert={other}"), "sslrootcert=FILE"),
        ("localhost", format!("sslmode=verify-full&sslrootcert={ca}&sslcrl={crl}"), "Revoked"),
        ("localhost", "sslmode=verify-full".to_owned(), "sslrootcert=FILE"),
        ("localhost", "sslmode=verify-full&sslrootcert=system".to_owned(), "sslrootcert=FILE"),
        ("localhost", "sslmode=require".to_owned(), "sslrootcert=FILE"),
        (
            "localhost",
            "sslmode=verify-full&sslrootcert=/nowhere.pem".to_owned(),
            "cannot read sslrootcert=/nowhere.pem",
        ),
    ] {
        let wrong = using(&url(host, &parameters)).await.unwrap_err();
        assert!(wrong.contains(words), "{host} {parameters}: {wrong}");
    }

    // From now on a certificate is what lets in.
    std::fs::write(cluster.data().join("pg_hba.conf"), rules).unwrap();
    cluster.stop_fast();
    cluster.start_again();
    let client = authority.leaf("postgres", 8);
    let foreign = stranger.leaf("postgres", 9);
    let certificate = files.keep("client.pem", &client.certificate).display().to_string();
    let key = files.keep("client.key", &client.key).display().to_string();
    let checked = format!("sslmode=verify-full&sslrootcert={ca}");
    let shown = format!("{checked}&sslcert={certificate}&sslkey={key}");
    assert_eq!(using(&url("localhost", &shown)).await, Ok(()));
    // Not beside a mode that looks at nothing either.
    assert_eq!(using(&url("localhost", &format!("sslcert={certificate}&sslkey={key}"))).await, Ok(()));
    // Plain connections are turned away, and then TLS is taken.
    assert_eq!(
        using(&url("localhost", &format!("sslmode=allow&sslcert={certificate}&sslkey={key}"))).await,
        Ok(())
    );
    let foreign_certificate = files.keep("foreign.pem", &foreign.certificate).display().to_string();
    let foreign_key = files.keep("foreign.key", &foreign.key).display().to_string();
    let loose = files.keep("loose.key", &client.key);
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&loose, std::fs::Permissions::from_mode(0o644)).unwrap();
    for parameters in [
        checked.clone(),
        format!("{shown}&sslcertmode=disable"),
        format!("{checked}&sslcert={foreign_certificate}&sslkey={foreign_key}"),
        format!("{checked}&sslcert={certificate}&sslkey={foreign_key}"),
        format!("{checked}&sslcert={certificate}&sslkey={}", loose.display()),
        format!("{checked}&sslcert={certificate}&sslkey=/nowhere.key"),
    ] {
        assert!(using(&url("localhost", &parameters)).await.is_err(), "{parameters}");
    }
}

/// OpenSSL's default, and Debian's: a certificate that has signed itself, as an authority.
#[tokio::test]
async fn a_certificate_that_has_signed_itself_is_taken_where_its_own_file_is_named() {
    let cluster = Cluster::start_with_tls();
    let certificate = cluster.data().join("server.crt");
    let files = Files(tempfile::tempdir().unwrap());
    let own = files.keep("own.pem", &std::fs::read_to_string(certificate).unwrap()).display().to_string();
    let url = |parameters: &str| format!("{}?{parameters}", cluster.url());
    for mode in ["verify-full", "verify-ca", "require"] {
        assert_eq!(using(&url(&format!("sslmode={mode}&sslrootcert={own}"))).await, Ok(()), "{mode}");
    }
    // Its only name is its address.
    let by_name = url(&format!("sslmode=verify-full&sslrootcert={own}")).replace("127.0.0.1", "localhost");
    assert!(using(&by_name).await.is_err());
    let error = postgres::open(&url("sslmode=verify-full")).await.err().unwrap();
    assert!(matches!(error, OpenError::Unreachable { .. }));
    assert!(error.to_string().contains("sslrootcert=FILE"), "{error}");
}
