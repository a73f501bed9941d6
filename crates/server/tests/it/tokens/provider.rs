//! An identity provider by others (npm's `oidc-provider`, certified by the OpenID Foundation), as its own process.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::http::{Call, send};

/// The provider. It goes with this.
pub(crate) struct Provider {
    child: Child,
    pub(crate) url: String,
}

impl Provider {
    pub(crate) fn start() -> Self {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/tokens");
        let module = tests.join("../../../../testkit/.issuer/node_modules/oidc-provider/lib/index.js");
        assert!(
            module.is_file(),
            "oidc-provider is missing; install it: npm install --prefix crates/testkit/.issuer oidc-provider@8.8.1"
        );
        let mut child = Command::new("node")
            .args([tests.join("provider.mjs"), module])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("run node; install it: apt-get install nodejs");
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self { child, url: url.trim().to_owned() }
    }

    /// A token for one of its clients, which a `resource` names the server and the algorithm of.
    pub(crate) async fn token(&self, client: &str, resource: &str) -> String {
        let resource = if resource.is_empty() { String::new() } else { format!("&resource={resource}") };
        let body = format!("grant_type=client_credentials&client_id={client}&client_secret=secret{resource}");
        let call =
            Call::post("/token").header("content-type", "application/x-www-form-urlencoded").body(body);
        let address = self.url.strip_prefix("http://").unwrap().parse().unwrap();
        let granted: Value = send(address, &call).await.expect(200);
        granted["access_token"].as_str().unwrap().to_owned()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
