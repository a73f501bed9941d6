//! `docker-compose.yml` as compose reads it, with every `${NAME:-default}` at its default.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::repository;

/// The service that operators bring up; everything else is there for it.
pub(crate) const MAIN: &str = "orchestrateur-service";

pub(crate) struct Compose(Value);

/// `source:target[:ro]`.
#[derive(Debug)]
pub(crate) struct Mount {
    pub(crate) source: String,
    pub(crate) target: String,
    pub(crate) is_read_only: bool,
}

impl Mount {
    /// A path of the repository rather than a named volume.
    pub(crate) fn is_path(&self) -> bool {
        self.source.starts_with("./")
    }
}

impl Compose {
    pub(crate) fn read() -> Self {
        let mut file = repository::yaml("docker-compose.yml");
        interpolate(&mut file);
        Self(file)
    }

    pub(crate) fn services(&self) -> Vec<&str> {
        self.0["services"].as_object().unwrap().keys().map(String::as_str).collect()
    }

    pub(crate) fn service(&self, name: &str) -> &Value {
        let service = &self.0["services"][name];
        assert!(service.is_object(), "docker-compose.yml has no service {name}");
        service
    }

    /// The names of its volumes.
    pub(crate) fn volumes(&self) -> Vec<&str> {
        self.0["volumes"].as_object().unwrap().keys().map(String::as_str).collect()
    }

    /// The stage of the Dockerfile that a service is built from; `None` for a ready image.
    pub(crate) fn target(&self, service: &str) -> Option<&str> {
        self.service(service)["build"]["target"].as_str()
    }

    pub(crate) fn environment(&self, service: &str) -> BTreeMap<String, String> {
        let variables = self.service(service)["environment"].as_object().into_iter().flatten();
        variables.map(|(name, value)| (name.clone(), text(value))).collect()
    }

    /// The arguments that it gives to its image's program, in place of the image's own.
    pub(crate) fn command(&self, service: &str) -> Option<Vec<String>> {
        let command = &self.service(service)["command"];
        (!command.is_null()).then(|| strings(command).map(str::to_owned).collect())
    }

    /// The services that must be there before a service, and in which condition.
    pub(crate) fn depends_on(&self, service: &str) -> BTreeMap<&str, &str> {
        let needed = self.service(service)["depends_on"].as_object().into_iter().flatten();
        needed.map(|(name, how)| (name.as_str(), how["condition"].as_str().unwrap())).collect()
    }

    /// Published ports: on this machine's `address`, `port`, and in the container.
    pub(crate) fn ports(&self, service: &str) -> Vec<(String, u16, u16)> {
        let parse = |port: &str| port.parse().unwrap();
        let ports = strings(&self.service(service)["ports"]);
        ports
            .map(|text| match text.split(':').collect::<Vec<_>>()[..] {
                [address, published, inside] => (address.to_owned(), parse(published), parse(inside)),
                _ => panic!("{service}: write the port as ADDRESS:PORT:PORT, not {text}"),
            })
            .collect()
    }

    pub(crate) fn mounts(&self, service: &str) -> Vec<Mount> {
        strings(&self.service(service)["volumes"])
            .map(|text| {
                let mut parts = text.split(':').map(str::to_owned);
                let (source, target) = (parts.next().unwrap(), parts.next().unwrap());
                Mount { source, target, is_read_only: parts.next().as_deref() == Some("ro") }
            })
            .collect()
    }

    /// The command of a service's own health check.
    pub(crate) fn health(&self, service: &str) -> Option<Vec<String>> {
        let test: Vec<String> =
            strings(&self.service(service)["healthcheck"]["test"]).map(str::to_owned).collect();
        match test.split_first() {
            None => None,
            Some((form, command)) => {
                assert_eq!(form, "CMD", "{service}: a health check that needs no shell");
                Some(command.to_vec())
            }
        }
    }
}

/// A scalar as compose hands it to a container.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().map(|item| item.as_str().unwrap())
}

fn interpolate(value: &mut Value) {
    match value {
        Value::String(text) => *text = with_defaults(text),
        Value::Array(items) => items.iter_mut().for_each(interpolate),
        Value::Object(members) => members.values_mut().for_each(interpolate),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// `${NAME:-default}` is the only form that the file may use: it must work with nothing set.
fn with_defaults(text: &str) -> String {
    let Some((before, rest)) = text.split_once("${") else {
        assert!(!text.contains('$'), "write ${{NAME:-default}} in {text}");
        return text.to_owned();
    };
    let (variable, after) = rest.split_once('}').unwrap_or_else(|| panic!("no }} in {text}"));
    let (_, default) = variable.split_once(":-").unwrap_or_else(|| panic!("no default: ${{{variable}}}"));
    format!("{before}{default}{}", with_defaults(after))
}
