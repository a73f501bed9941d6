//! A certificate's validity and the names of its subject.

use anyhow::{Context, anyhow};
use rustls::pki_types::CertificateDer;
use saga_core::Timestamp;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::time::Time;

use super::san::San;

/// Names of a client's certificate. A certificate with more is no identity: each request would search all of them.
const SANS_MAX: usize = 32;

/// A certificate, read.
#[derive(Debug)]
pub(super) struct ReadCertificate {
    pub(super) begins: Timestamp,
    pub(super) ends: Timestamp,
    /// Those of its names that can be identities.
    pub(super) sans: Vec<San>,
}

impl ReadCertificate {
    pub(super) fn read(der: &CertificateDer<'_>) -> anyhow::Result<Self> {
        let certificate =
            Certificate::from_der(der).map_err(|error| anyhow!("the certificate cannot be read: {error}"))?;
        let body = certificate.tbs_certificate;
        let names = body
            .get::<SubjectAltName>()
            .map_err(|error| anyhow!("the certificate's subjectAltName cannot be read: {error}"))?
            .map_or(Vec::new(), |(_, SubjectAltName(names))| names);
        let sans: Vec<San> = names.iter().filter_map(san).take(SANS_MAX + 1).collect();
        let sans = if sans.len() > SANS_MAX { Vec::new() } else { sans };
        Ok(Self { begins: at(body.validity.not_before)?, ends: at(body.validity.not_after)?, sans })
    }

    /// Whether it is valid at this time.
    pub(super) fn is_valid(&self, now: Timestamp) -> bool {
        // The end is a part of the validity (RFC 5280, 4.1.2.5), which counts in seconds.
        self.begins <= now && now.as_micros() < self.ends.as_micros().saturating_add(1_000_000)
    }
}

fn at(time: Time) -> anyhow::Result<Timestamp> {
    let micros = i64::try_from(time.to_unix_duration().as_micros())
        .context("the certificate's time is too far away")?;
    Ok(Timestamp::from_micros(micros))
}

fn san(name: &GeneralName) -> Option<San> {
    match name {
        GeneralName::DnsName(name) => San::dns(name.as_str()),
        GeneralName::UniformResourceIdentifier(uri) => San::uri(uri.as_str()),
        GeneralName::Rfc822Name(address) => San::email(address.as_str()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, SanType};

    fn made(change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        change(&mut params);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    #[test]
    fn the_names_that_can_be_identities_are_read_and_no_others() {
        let der = made(|params| {
            params.subject_alt_names = vec![
                SanType::DnsName("Shop.Internal".try_into().unwrap()),
                SanType::DnsName("*.internal".try_into().unwrap()),
                SanType::URI("spiffe://example.org/shop".try_into().unwrap()),
                SanType::IpAddress([127, 0, 0, 1].into()),
                SanType::Rfc822Name("shop@example.org".try_into().unwrap()),
            ];
        });
        let read = ReadCertificate::read(&der).unwrap();
        let names: Vec<String> = read.sans.iter().map(San::to_string).collect();
        assert_eq!(names, ["dns:shop.internal", "uri:spiffe://example.org/shop", "email:shop@example.org"]);
        assert!(ReadCertificate::read(&made(|_| {})).unwrap().sans.is_empty());
        assert!(ReadCertificate::read(&CertificateDer::from(b"no certificate".to_vec())).is_err());
    }

    #[test]
    fn a_certificate_with_too_many_names_is_no_identity() {
        let named = |names: usize| {
            let names = (0..names).map(|name| SanType::DnsName(format!("n{name}.org").try_into().unwrap()));
            let der = made(|params| params.subject_alt_names = names.collect());
            ReadCertificate::read(&der).unwrap().sans.len()
        };
        assert_eq!((named(SANS_MAX), named(SANS_MAX + 1)), (SANS_MAX, 0));
    }

    #[test]
    fn a_certificate_is_valid_from_its_first_second_to_its_last() {
        let der = made(|params| {
            params.not_before = rcgen::date_time_ymd(2026, 1, 1);
            params.not_after = rcgen::date_time_ymd(2026, 2, 1);
        });
        let read = ReadCertificate::read(&der).unwrap();
        let valid = |text: &str| read.is_valid(Timestamp::from_rfc3339(text).unwrap());
        assert_eq!(
            [
                "2025-12-31T23:59:59Z",
                "2026-01-01T00:00:00Z",
                "2026-02-01T00:00:00.9Z",
                "2026-02-01T00:00:01Z"
            ]
            .map(valid),
            [false, true, true, false]
        );
    }
}
