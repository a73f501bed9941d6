//! The flags about tokens of an identity provider.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use clap::{Args, ValueEnum};

use crate::api::access::oidc::{ClaimPath, IssuerUrl, OidcSettings, RoleWord};

/// The issuer whose tokens are taken, and how they are read.
#[derive(Debug, Args)]
pub(super) struct OidcFlags {
    /// The issuer of access tokens (an OpenID Connect provider) that count beside keys, such as https://id.example.com/realms/shop.
    /// Its keys are fetched, and fetched again while the process runs.
    #[arg(long, value_name = "URL", env = "ORCHESTRATEUR_OIDC_ISSUER")]
    oidc_issuer: Option<String>,
    /// The name that this server has at the issuer, which each token must be for (`aud`); may be repeated.
    #[arg(long, value_name = "NAME", env = "ORCHESTRATEUR_OIDC_AUDIENCE", value_delimiter = ',')]
    oidc_audience: Vec<String>,
    /// A PEM file with certificates of authorities that the issuer is trusted for, beside those that the machine trusts.
    #[arg(long, value_name = "FILE", env = "ORCHESTRATEUR_OIDC_CA")]
    oidc_ca: Option<PathBuf>,
    /// The claim that has the roles: a text of words, or an array of them. A dot leads into an object: realm_access.roles.
    #[arg(long, value_name = "CLAIM", env = "ORCHESTRATEUR_OIDC_ROLES_CLAIM", default_value = "roles")]
    oidc_roles_claim: ClaimPath,
    /// A word of that claim that stands for one of the roles start, signal, read, operate and admin; may be repeated. With one, no
    /// other words count; without, these five do.
    #[arg(long, value_name = "VALUE=ROLE", env = "ORCHESTRATEUR_OIDC_ROLE", value_delimiter = ',')]
    oidc_role: Vec<String>,
    /// The claim that has the caller's name, which stands behind `oidc:` in the history of what it does. A token without a `sub` is
    /// its client's, and `client_id` is the name.
    #[arg(long, value_name = "CLAIM", env = "ORCHESTRATEUR_OIDC_NAME_CLAIM", default_value = "sub")]
    oidc_name_claim: ClaimPath,
    /// The type that tokens must have (`typ`): at+jwt is that of access tokens; jwt takes JWT and none, too, which some issuers write.
    #[arg(long, value_name = "TYPE", env = "ORCHESTRATEUR_OIDC_TOKEN_TYPE", default_value = "at+jwt")]
    oidc_token_type: TokenType,
    /// How far the issuer's clock and this one may be apart, in seconds.
    #[arg(long, value_name = "SECONDS", env = "ORCHESTRATEUR_OIDC_CLOCK_SKEW_S", default_value_t = 60,
        value_parser = clap::value_parser!(u32).range(0..=600))]
    oidc_clock_skew_s: u32,
    /// Requests that each name of a token's holder may make in a second; without it, as many as the server takes.
    #[arg(long, value_name = "N", env = "ORCHESTRATEUR_OIDC_REQUESTS_PER_SECOND",
        value_parser = clap::value_parser!(u32).range(1..))]
    oidc_requests_per_second: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TokenType {
    #[value(name = "at+jwt")]
    AccessToken,
    Jwt,
}

impl OidcFlags {
    /// `None`: no tokens are taken. Values that are empty count as not given, as in a file of variables.
    pub(super) fn settings(self) -> anyhow::Result<Option<OidcSettings>> {
        let given = |texts: Vec<String>| -> Vec<String> {
            texts.into_iter().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect()
        };
        let (audiences, words) = (given(self.oidc_audience), given(self.oidc_role));
        let Some(issuer) = self.oidc_issuer.filter(|issuer| !issuer.is_empty()) else {
            if !audiences.is_empty() || !words.is_empty() {
                bail!(
                    "--oidc-audience and --oidc-role are about tokens of an issuer, and none is named: --oidc-issuer URL \
                     (ORCHESTRATEUR_OIDC_ISSUER)"
                );
            }
            return Ok(None);
        };
        if audiences.is_empty() {
            bail!(
                "--oidc-issuer without --oidc-audience would take tokens that are for other services. Write the name that this server \
                 has at {issuer}: --oidc-audience NAME (ORCHESTRATEUR_OIDC_AUDIENCE)"
            );
        }
        let issuer: IssuerUrl = issuer.parse().map_err(|why| anyhow::anyhow!("--oidc-issuer: {why}"))?;
        let words = words
            .iter()
            .map(|word| word.parse::<RoleWord>().map_err(|why| anyhow::anyhow!("--oidc-role {word}: {why}")));
        Ok(Some(OidcSettings {
            issuer,
            audiences,
            authorities: self.oidc_ca.filter(|file| !file.as_os_str().is_empty()),
            name: self.oidc_name_claim,
            roles: self.oidc_roles_claim,
            words: words.collect::<anyhow::Result<_>>()?,
            takes_plain: self.oidc_token_type == TokenType::Jwt,
            clock_skew: Duration::from_secs(self.oidc_clock_skew_s.into()),
            requests_per_second: self.oidc_requests_per_second,
        }))
    }
}
