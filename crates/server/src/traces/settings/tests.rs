//! What the variables say, and the messages of those that say nothing that can be followed.

use std::collections::HashMap;

use saga_core::trace::{TraceFlags, TraceId};

use super::*;

fn read(variables: &[(&str, &str)]) -> anyhow::Result<TraceSettings> {
    let set: HashMap<_, _> = variables.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    TraceSettings::read(&|name| set.get(name).cloned(), "shop:8023")
}

fn export(variables: &[(&str, &str)]) -> ExportSettings {
    read(variables).unwrap().export.expect("an endpoint")
}

const AT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");

#[test]
fn nothing_is_exported_without_an_endpoint_or_when_it_is_said_so() {
    assert!(read(&[]).unwrap().export.is_none());
    assert!(read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]).unwrap().export.is_none());
    assert!(read(&[("OTEL_SERVICE_NAME", "shop")]).unwrap().export.is_none());
    assert!(read(&[AT]).unwrap().export.is_some());
    assert!(read(&[AT, ("OTEL_TRACES_EXPORTER", "none")]).unwrap().export.is_none());
    assert!(read(&[AT, ("OTEL_SDK_DISABLED", "TRUE")]).unwrap().export.is_none());
    assert!(read(&[AT, ("OTEL_SDK_DISABLED", "no")]).unwrap().export.is_some());
}

#[test]
fn the_variables_of_traces_come_before_those_of_all_signals() {
    assert_eq!(export(&[AT]).endpoint, "http://collector:4318/v1/traces");
    let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://other/spans");
    let export = export(&[
        AT,
        own,
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "7000"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "9000"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=1"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "authorization=Bearer%20k, x-b = 2"),
    ]);
    assert_eq!(export.endpoint, "https://other/spans");
    assert_eq!(export.timeout, Duration::from_secs(9));
    assert_eq!(export.headers["authorization"], "Bearer k");
    assert_eq!(export.headers["x-b"], "2");
    assert!(!export.headers.contains_key("a"));
    assert!(!format!("{export:?}").contains("Bearer"), "a secret is not shown");
}

#[test]
fn the_resource_has_a_name() {
    let texts = |variables: &[(&str, &str)]| {
        let resource = export(&[&[AT], variables].concat()).resource;
        resource
            .into_iter()
            .map(|pair| format!("{}={:?}", pair.key, pair.value.unwrap().value.unwrap()))
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert!(texts(&[]).contains(r#"service.name=Text("orchestrateur")"#));
    assert!(texts(&[]).contains(r#"service.instance.id=Text("shop:8023")"#));
    let attributes = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=a,deployment.environment=caf%C3%A9");
    assert!(texts(&[attributes]).contains(r#"service.name=Text("a")"#));
    let both = texts(&[attributes, ("OTEL_SERVICE_NAME", "b")]);
    assert!(both.contains(r#"service.name=Text("b")"#) && !both.contains(r#"Text("a")"#), "{both}");
    assert!(both.contains(r#"deployment.environment=Text("café")"#), "{both}");
}

#[test]
fn samplers_have_their_names() {
    let samples = |name: &str, arg: &str, caller: Option<bool>| {
        let sampler =
            read(&[AT, ("OTEL_TRACES_SAMPLER", name), ("OTEL_TRACES_SAMPLER_ARG", arg)]).unwrap().sampler;
        sampler.samples(TraceId::new(7).unwrap(), caller.map(TraceFlags::of))
    };
    assert!(samples("", "", None) && !samples("", "", Some(false)));
    assert!(samples("always_on", "", Some(false)));
    assert!(!samples("always_off", "", Some(true)));
    assert!(
        samples("parentbased_always_off", "", Some(true)) && !samples("parentbased_always_off", "", None)
    );
    assert!(samples("traceidratio", "1", Some(false)) && !samples("traceidratio", "0", Some(true)));
    assert!(samples("parentbased_traceidratio", "0", Some(true)));
    assert!(!samples("parentbased_traceidratio", "0", None));
}

#[test]
fn propagators_have_their_names() {
    let of = |value: &str| {
        let propagation = read(&[("OTEL_PROPAGATORS", value)]).unwrap().propagation;
        (propagation.trace, propagation.baggage)
    };
    assert_eq!(of(""), (true, true));
    assert_eq!(of("tracecontext"), (true, false));
    assert_eq!(of("baggage , tracecontext"), (true, true));
    assert_eq!(of("none"), (false, false));
}

#[test]
fn a_value_that_cannot_be_followed_says_where_it_is_and_what_to_write() {
    for (name, value, advice) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "http://localhost:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://collector", "http://localhost:4318"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://", "http://localhost:4318"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://u:secret@c/", "OTEL_EXPORTER_OTLP_HEADERS"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "gzip or none"),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/k", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"),
        ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "/c", "OTEL_EXPORTER_OTLP_CLIENT_KEY"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "content-encoding=secret", "remove it"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "secret", "name=value"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=%secret", "name=value"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a b=secret", "name=value"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "host=secret", "remove it"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "milliseconds, from 1 to 600000"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "0", "milliseconds, from 1 to 600000"),
        ("OTEL_TRACES_EXPORTER", "zipkin", "otlp or none"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote", "parentbased_traceidratio"),
        ("OTEL_PROPAGATORS", "b3", "tracecontext,baggage"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "100001", "from 1 to 100000"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2049", "from 1 to 2048"),
        ("OTEL_BSP_SCHEDULE_DELAY", "-1", "milliseconds"),
        ("OTEL_RESOURCE_ATTRIBUTES", "=1", "name=value"),
    ] {
        let error = format!("{:#}", read(&[AT, (name, value)]).unwrap_err());
        assert!(error.contains(name) && error.contains(advice), "{name}={value}: {error}");
        assert!(!error.contains("secret"), "{error}");
    }
    let ratio = [AT, ("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "10%")];
    let error = format!("{:#}", read(&ratio).unwrap_err());
    assert!(error.contains("OTEL_TRACES_SAMPLER_ARG") && error.contains("from 0 to 1"), "{error}");
    let long = "x".repeat(OTEL_VALUE_BYTES_MAX + 1);
    assert!(read(&[("OTEL_SERVICE_NAME", &long), AT]).is_err());
}
