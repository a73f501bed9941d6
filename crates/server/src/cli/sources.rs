//! The flags that say where definitions come from.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use crate::definitions::{PublicUrl, Sources};

/// The sagas that a process runs.
#[derive(Debug, Args)]
pub(super) struct SourceFlags {
    /// Sagas to load: a file, or a folder, of which every *.yaml and *.yml is loaded. May be repeated. The built-in
    /// checkout is there unless a file has a saga of that name. SIGHUP loads the files again.
    #[arg(
        long = "definition",
        value_name = "FILE|FOLDER",
        env = "ORCHESTRATEUR_DEFINITION",
        value_delimiter = ','
    )]
    definitions: Vec<PathBuf>,
    /// The saga that orders under /api/commande run; without one, checkout.
    #[arg(long, value_name = "SAGA", env = "ORCHESTRATEUR_COMMANDE_SAGA")]
    commande_saga: Option<String>,
    /// Where services outside reach this server, such as https://sagas.example.com: the address of callbacks. Requests that
    /// ask for its host are answered, too.
    #[arg(long, value_name = "URL", env = "ORCHESTRATEUR_PUBLIC_URL")]
    public_url: Option<PublicUrlFlag>,
}

/// A value of `--public-url`. A variable that is set to nothing is not set.
#[derive(Debug, Clone)]
struct PublicUrlFlag(Option<PublicUrl>);

impl FromStr for PublicUrlFlag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() { Ok(Self(None)) } else { text.parse().map(Some).map(Self) }
    }
}

impl SourceFlags {
    pub(super) fn sources(self) -> Sources {
        let Self { definitions, commande_saga, public_url } = self;
        // A variable that is set to nothing is not set.
        let paths = definitions.into_iter().filter(|path| !path.as_os_str().is_empty()).collect();
        Sources {
            paths,
            commande_saga: commande_saga.filter(|saga| !saga.is_empty()),
            public_url: public_url.and_then(|url| url.0),
            has_signing_key: false,
        }
    }
}
