//! The variables `OTEL_*`, by the names, the defaults and the meanings that OpenTelemetry gives them.
//!
//! A value that cannot be followed ends the start with a message that says which variable it is, and what to write. An empty value is
//! as none. Nothing is exported unless an endpoint is given.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use saga_core::trace::{Propagation, Sampler};

use super::otlp::OtlpAttribute;

/// The variables that name files, as messages about these have them. Each exists for traces alone, too.
pub(super) const CERTIFICATE: &str = "OTEL_EXPORTER_OTLP_CERTIFICATE";
pub(super) const CLIENT_CERTIFICATE: &str = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE";
pub(super) const CLIENT_KEY: &str = "OTEL_EXPORTER_OTLP_CLIENT_KEY";
/// How long the collector may take for a batch, if `OTEL_EXPORTER_OTLP_TIMEOUT` does not say.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest time that these variables can ask for.
const TRACE_TIME_MAX: Duration = Duration::from_secs(600);
/// How long spans wait for others, if `OTEL_BSP_SCHEDULE_DELAY` does not say.
const SPANS_DELAY: Duration = Duration::from_secs(5);
/// How long a batch is tried, if `OTEL_BSP_EXPORT_TIMEOUT` does not say.
const SPANS_TRIED_FOR: Duration = Duration::from_secs(30);
/// Spans that wait for the collector, if `OTEL_BSP_MAX_QUEUE_SIZE` does not say; further ones are dropped, and counted.
const SPANS_WAITING_DEFAULT: usize = 2_048;
/// The most that it can ask for.
const SPANS_WAITING_MAX: usize = 100_000;
/// Spans of one request, if `OTEL_BSP_MAX_EXPORT_BATCH_SIZE` does not say.
const BATCH_SPANS_DEFAULT: usize = 512;
/// Headers, and attributes of the resource, that these variables can give.
const OTEL_PAIRS_MAX: usize = 64;
/// Bytes of the value of one of these variables.
const OTEL_VALUE_BYTES_MAX: usize = 8_192;

/// What these variables say of traces.
#[derive(Debug, Clone, Default)]
pub(crate) struct TraceSettings {
    /// Which traces are recorded, and participants are told so.
    pub(crate) sampler: Sampler,
    /// Which headers are taken and passed on.
    pub(crate) propagation: Propagation,
    /// How spans are exported; `None`: they are not.
    pub(crate) export: Option<ExportSettings>,
}

/// How spans are exported.
#[derive(Debug, Clone)]
pub(crate) struct ExportSettings {
    pub(super) endpoint: Uri,
    pub(super) headers: HeaderMap,
    pub(super) timeout: Duration,
    pub(super) certificate: Option<PathBuf>,
    /// Our own certificate for collectors that ask for one, and its key.
    pub(super) identity: Option<(PathBuf, PathBuf)>,
    /// Whether messages are compressed by gzip.
    pub(super) is_compressed: bool,
    pub(super) resource: Vec<OtlpAttribute>,
    pub(super) delay: Duration,
    pub(super) tried_for: Duration,
    pub(super) waiting_max: usize,
    pub(super) batch_max: usize,
}

/// The variables that are set.
struct OtelVariables<'e>(&'e dyn Fn(&str) -> Option<String>);

impl OtelVariables<'_> {
    fn of(&self, name: &str) -> anyhow::Result<Option<String>> {
        let Some(value) = (self.0)(name) else { return Ok(None) };
        if value.len() > OTEL_VALUE_BYTES_MAX {
            bail!("{name} has {} bytes; OTEL_VALUE_BYTES_MAX is {OTEL_VALUE_BYTES_MAX}", value.len());
        }
        let value = value.trim();
        Ok((!value.is_empty()).then(|| value.to_owned()))
    }

    /// That of traces alone, or that of all signals; and its name.
    fn exporter(&self, part: &str) -> anyhow::Result<Option<(String, String)>> {
        for name in [format!("OTEL_EXPORTER_OTLP_TRACES_{part}"), format!("OTEL_EXPORTER_OTLP_{part}")] {
            if let Some(value) = self.of(&name)? {
                return Ok(Some((name, value)));
            }
        }
        Ok(None)
    }

    fn number(&self, name: &str, default: usize, max: usize) -> anyhow::Result<usize> {
        let Some(value) = self.of(name)? else { return Ok(default) };
        match value.parse() {
            Ok(number) if (1..=max).contains(&number) => Ok(number),
            _ => bail!("{name} is `{}`; write a number from 1 to {max}", shown(&value)),
        }
    }

    fn millis(&self, name: &str, default: Duration) -> anyhow::Result<Duration> {
        Ok(match self.of(name)? {
            None => default,
            Some(value) => millis(name, &value)?,
        })
    }
}

fn millis(name: &str, value: &str) -> anyhow::Result<Duration> {
    let max = TRACE_TIME_MAX.as_millis();
    match value.parse::<u32>() {
        Ok(millis) if millis > 0 && u128::from(millis) <= max => Ok(Duration::from_millis(millis.into())),
        _ => bail!("{name} is `{}`; write milliseconds, from 1 to {max}", shown(value)),
    }
}

/// A value as a message may have it.
fn shown(value: &str) -> String {
    let shown: String = value.chars().take(100).collect();
    shown.escape_debug().to_string()
}

impl TraceSettings {
    /// The settings of an environment. `replica` is the process's name among those that share a database.
    pub(crate) fn read(env: &dyn Fn(&str) -> Option<String>, replica: &str) -> anyhow::Result<Self> {
        let variables = OtelVariables(env);
        let propagation = propagation(&variables)?;
        if variables.of("OTEL_SDK_DISABLED")?.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            // Contexts are passed on all the same, as OpenTelemetry has it.
            return Ok(Self { propagation, ..Self::default() });
        }
        let is_exported = match variables.of("OTEL_TRACES_EXPORTER")?.as_deref() {
            None | Some("otlp") => true,
            Some("none") => false,
            Some(other) => bail!("OTEL_TRACES_EXPORTER is `{}`; write otlp or none", shown(other)),
        };
        let sampler = sampler(&variables)?;
        let export = export(&variables, replica)?.filter(|_| is_exported);
        // Without an exporter nothing is recorded here, and callers' words are passed on.
        let sampler = if export.is_some() { sampler } else { Sampler::default() };
        Ok(Self { sampler, propagation, export })
    }
}

fn propagation(variables: &OtelVariables<'_>) -> anyhow::Result<Propagation> {
    let Some(value) = variables.of("OTEL_PROPAGATORS")? else { return Ok(Propagation::default()) };
    let mut propagation = Propagation { trace: false, baggage: false };
    for name in value.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        match name {
            "tracecontext" => propagation.trace = true,
            "baggage" => propagation.baggage = true,
            "none" => {}
            other => bail!(
                "OTEL_PROPAGATORS names `{}`, which is not there; write tracecontext,baggage, one of them, or none",
                shown(other)
            ),
        }
    }
    Ok(propagation)
}

fn sampler(variables: &OtelVariables<'_>) -> anyhow::Result<Sampler> {
    let name = variables.of("OTEL_TRACES_SAMPLER")?;
    let name = name.as_deref().unwrap_or("parentbased_always_on");
    let (is_parent_based, root) = match name.strip_prefix("parentbased_") {
        Some(root) => (true, root),
        None => (false, name),
    };
    let sampler = match root {
        "always_on" => Sampler::ALL,
        "always_off" => Sampler::NONE,
        "traceidratio" => {
            let value = variables.of("OTEL_TRACES_SAMPLER_ARG")?.unwrap_or_else(|| "1.0".to_owned());
            let sampler = value.parse().ok().and_then(|ratio| Sampler::ratio(ratio).ok());
            sampler.with_context(|| {
                let value = shown(&value);
                format!("OTEL_TRACES_SAMPLER_ARG is `{value}`; write the part of traces to record, from 0 to 1, such as 0.1")
            })?
        }
        _ => bail!(
            "OTEL_TRACES_SAMPLER is `{}`; write always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off or \
             parentbased_traceidratio",
            shown(name)
        ),
    };
    Ok(if is_parent_based { sampler } else { sampler.whatever_callers_say() })
}

fn export(variables: &OtelVariables<'_>, replica: &str) -> anyhow::Result<Option<ExportSettings>> {
    let (name, endpoint) = match variables.of("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")? {
        Some(endpoint) => ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint),
        None => match variables.of("OTEL_EXPORTER_OTLP_ENDPOINT")? {
            Some(base) => {
                ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("{}/v1/traces", base.trim_end_matches('/')))
            }
            None => return Ok(None),
        },
    };
    let endpoint = self::endpoint(name, &endpoint)?;
    if let Some((name, protocol)) = variables.exporter("PROTOCOL")?
        && protocol != "http/protobuf"
    {
        bail!("{name} is `{}`; write http/protobuf: collectors take it on port 4318", shown(&protocol));
    }
    let is_compressed = match variables.exporter("COMPRESSION")? {
        None => false,
        Some((name, compression)) => match &*compression {
            "gzip" => true,
            "none" => false,
            other => bail!("{name} is `{}`; write gzip or none", shown(other)),
        },
    };
    let own = [variables.exporter("CLIENT_CERTIFICATE")?, variables.exporter("CLIENT_KEY")?];
    let identity = match own {
        [Some((_, certificate)), Some((_, key))] => Some((certificate.into(), key.into())),
        [Some((name, _)), None] => {
            bail!("{name} is set without the key: write its file in {CLIENT_KEY}")
        }
        [None, Some((name, _))] => {
            bail!("{name} is set without the certificate: write its file in {CLIENT_CERTIFICATE}")
        }
        [None, None] => None,
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
    headers.insert(
        header::USER_AGENT,
        HeaderValue::from_static(concat!("orchestrateur/", env!("CARGO_PKG_VERSION"))),
    );
    if is_compressed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if let Some((name, value)) = variables.exporter("HEADERS")? {
        for (key, value) in pairs(&name, &value)? {
            // The value may be a secret: no message has it.
            let (Ok(key), Ok(mut value)) = (HeaderName::try_from(&key), HeaderValue::try_from(value)) else {
                bail!("{name}: the header `{}` cannot be sent; write name=value,name=value", shown(&key));
            };
            let is_framing = matches!(
                key,
                header::HOST | header::CONTENT_LENGTH | header::TRANSFER_ENCODING | header::CONNECTION
            );
            if is_framing || matches!(key, header::CONTENT_TYPE | header::CONTENT_ENCODING) {
                bail!("{name}: the header `{key}` says how a message is sent, and cannot be set; remove it");
            }
            value.set_sensitive(true);
            headers.insert(key, value);
        }
    }
    let timeout = match variables.exporter("TIMEOUT")? {
        Some((name, value)) => millis(&name, &value)?,
        None => EXPORT_TIMEOUT,
    };
    let waiting_max =
        variables.number("OTEL_BSP_MAX_QUEUE_SIZE", SPANS_WAITING_DEFAULT, SPANS_WAITING_MAX)?;
    let batch_default = BATCH_SPANS_DEFAULT.min(waiting_max);
    Ok(Some(ExportSettings {
        endpoint,
        headers,
        timeout,
        certificate: variables.exporter("CERTIFICATE")?.map(|(_, path)| path.into()),
        identity,
        is_compressed,
        resource: resource(variables, replica)?,
        delay: variables.millis("OTEL_BSP_SCHEDULE_DELAY", SPANS_DELAY)?,
        tried_for: variables.millis("OTEL_BSP_EXPORT_TIMEOUT", SPANS_TRIED_FOR)?,
        waiting_max,
        batch_max: variables.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", batch_default, waiting_max)?,
    }))
}

fn endpoint(name: &str, text: &str) -> anyhow::Result<Uri> {
    let wanted = "write the address of a collector, such as http://localhost:4318";
    let shown = text.split(['@', '?']).next_back().filter(|_| !text.contains('@')).unwrap_or("...");
    let uri: Uri = match text.parse() {
        Ok(uri) => uri,
        Err(error) => bail!("{name} is `{}`: {error}; {wanted}", self::shown(shown)),
    };
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().unwrap_or_default().is_empty() {
        bail!("{name} needs http:// or https:// and a host; {wanted}");
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        bail!("{name} has a user name or a password; write them as a header, in OTEL_EXPORTER_OTLP_HEADERS");
    }
    Ok(uri)
}

/// `key=value,key=value`; values are percent-encoded.
fn pairs(name: &str, text: &str) -> anyhow::Result<Vec<(String, String)>> {
    let parts: Vec<_> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    if parts.len() > OTEL_PAIRS_MAX {
        bail!("{name} has {} pairs; OTEL_PAIRS_MAX is {OTEL_PAIRS_MAX}", parts.len());
    }
    let pair = |part: &str| {
        let (key, value) = part.split_once('=')?;
        let (key, value) = (key.trim(), value.trim());
        (!key.is_empty()).then(|| Some((key.to_owned(), decoded(value)?))).flatten()
    };
    let pairs: Option<Vec<_>> = parts.into_iter().map(pair).collect();
    pairs.with_context(|| {
        format!("{name} cannot be read; write name=value,name=value, and special characters as in %20")
    })
}

/// A percent-encoded text; `None`: it is none.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

fn resource(variables: &OtelVariables<'_>, replica: &str) -> anyhow::Result<Vec<OtlpAttribute>> {
    let mut attributes = match variables.of("OTEL_RESOURCE_ATTRIBUTES")? {
        Some(text) => pairs("OTEL_RESOURCE_ATTRIBUTES", &text)?,
        None => Vec::new(),
    };
    let mut set = |key: &str, value: Option<String>, default: &str| {
        let is_there = attributes.iter().any(|(known, _)| known == key);
        if let Some(value) = value {
            attributes.retain(|(known, _)| known != key);
            attributes.push((key.to_owned(), value));
        } else if !is_there {
            attributes.push((key.to_owned(), default.to_owned()));
        }
    };
    set("service.name", variables.of("OTEL_SERVICE_NAME")?, "orchestrateur");
    set("service.version", None, env!("CARGO_PKG_VERSION"));
    set("service.instance.id", None, replica);
    set("telemetry.sdk.name", None, "orchestrateur");
    set("telemetry.sdk.language", None, "rust");
    Ok(attributes.into_iter().map(|(key, value)| OtlpAttribute::text(key, value)).collect())
}

#[cfg(test)]
mod tests;
