//! How a caller's trace context is read. The cases follow the texts of W3C Trace Context (levels 1 and 2) and W3C Baggage.

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use saga_core::trace::{
    BAGGAGE_BYTES_MAX, BAGGAGE_MEMBERS_MAX, Propagation, REQUEST_ID_BYTES_MAX, TRACESTATE_BYTES_MAX,
    TRACESTATE_MEMBERS_MAX, TraceContext, TraceParent,
};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let (name, value) = (HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
        headers.append(name, value);
    }
    headers
}

fn read(lines: &[(&str, &str)]) -> Option<TraceContext> {
    TraceContext::read(&headers(lines), Propagation::default())
}

/// The `tracestate` that is kept of these lines.
fn state(lines: &[&str]) -> Option<String> {
    let lines = lines.iter().map(|line| ("tracestate", *line));
    let lines: Vec<_> = [("traceparent", PARENT)].into_iter().chain(lines).collect();
    read(&lines).unwrap().state.map(String::from)
}

fn baggage(lines: &[&str]) -> Option<String> {
    let lines: Vec<_> = lines.iter().map(|line| ("baggage", *line)).collect();
    read(&lines)?.baggage.map(String::from)
}

#[test]
fn a_parent_is_read_and_written_as_it_was() {
    let parent: TraceParent = PARENT.parse().unwrap();
    assert_eq!(parent.header(), PARENT);
    assert!(parent.flags.is_sampled());
    assert_eq!(read(&[("traceparent", PARENT)]).unwrap().parent, Some(parent));
    assert_eq!(read(&[("traceparent", &format!(" {PARENT}\t"))]).unwrap().parent, Some(parent));
}

#[test]
fn flags_that_are_not_known_are_not_passed_on() {
    let flags = |version: &str, flags: &str| {
        let text = format!("{version}-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
        text.parse::<TraceParent>().unwrap().header()[53..].to_owned()
    };
    assert_eq!(flags("00", "00"), "00");
    assert_eq!(flags("00", "03"), "03", "the flag of level 2 says that the id is random");
    assert_eq!(flags("00", "ff"), "03");
    assert_eq!(flags("01", "ff"), "01", "a version that is not known may mean something else by it");
}

#[test]
fn a_later_version_is_read_as_far_as_it_is_known() {
    for text in [
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-may-come",
    ] {
        assert_eq!(text.parse::<TraceParent>().unwrap().header(), PARENT, "{text}");
    }
}

#[test]
fn a_malformed_parent_is_none_and_no_error() {
    for text in [
        "",
        "00",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.",
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.more",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00F067AA0BA902B7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-011",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-+1",
        "0-04bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01,00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ] {
        assert_eq!(read(&[("traceparent", text), ("tracestate", "a=1")]), None, "{text}");
    }
    let twice = [("traceparent", PARENT), ("traceparent", PARENT)];
    assert_eq!(read(&twice), None, "two of them are none");
    let mut bytes = HeaderMap::new();
    bytes.insert("traceparent", HeaderValue::from_bytes(b"00-\xe9").unwrap());
    assert_eq!(TraceContext::read(&bytes, Propagation::default()), None);
}

#[test]
fn a_state_belongs_to_a_parent() {
    assert_eq!(read(&[("tracestate", "a=1")]), None);
    assert_eq!(state(&["a=1"]).as_deref(), Some("a=1"));
}

#[test]
fn a_state_in_several_lines_is_one_list() {
    assert_eq!(state(&["a=1, b=2 ,", "", "c=3"]).as_deref(), Some("a=1,b=2,c=3"));
    assert_eq!(state(&["t@v=x:1/2", "0_-*/=~"]).as_deref(), Some("t@v=x:1/2,0_-*/=~"));
}

#[test]
fn a_malformed_state_is_none() {
    for text in ["", ",", "a", "A=1", "a=", "=1", "a=1=2", "_a=1", "a b=1", "a=1,a=2", "a=\u{7f}"] {
        let mut headers = headers(&[("traceparent", PARENT)]);
        let Ok(value) = HeaderValue::from_bytes(text.as_bytes()) else { continue };
        headers.insert("tracestate", value);
        let read = TraceContext::read(&headers, Propagation::default()).unwrap();
        assert_eq!(read.state, None, "{text}");
    }
    assert_eq!(state(&[&format!("{}=1", "a".repeat(257))]), None);
    assert_eq!(state(&[&format!("a={}", "1".repeat(257))]), None);
}

#[test]
fn a_state_has_limits() {
    let of = |members: usize| (0..members).map(|n| format!("a{n}=1")).collect::<Vec<_>>().join(",");
    assert_eq!(state(&[&of(TRACESTATE_MEMBERS_MAX)]), Some(of(TRACESTATE_MEMBERS_MAX)));
    assert_eq!(state(&[&of(TRACESTATE_MEMBERS_MAX + 1)]), None);
    // 129 bytes: a long member, which is left out first.
    let long = format!("long={}", "x".repeat(124));
    let short = |n: usize| format!("s{n}={}", "y".repeat(97));
    let all = [long, short(1), short(2), short(3), short(4)].join(",");
    assert_eq!(all.len(), 533);
    assert_eq!(state(&[&all]), Some([short(1), short(2), short(3), short(4)].join(",")));
    let six = [1, 2, 3, 4, 5, 6].map(short).join(",");
    let kept = state(&[&six]).unwrap();
    assert_eq!(kept, [1, 2, 3, 4, 5].map(short).join(","), "the last one is left out");
    assert!(kept.len() <= TRACESTATE_BYTES_MAX);
}

#[test]
fn baggage_is_taken_without_a_parent() {
    assert_eq!(
        baggage(&["userId=alice, shop = 7;ttl=5;pinned"]).as_deref(),
        Some("userId=alice,shop = 7;ttl=5;pinned")
    );
    assert_eq!(baggage(&["a=1", "b=%C3%A9"]).as_deref(), Some("a=1,b=%C3%A9"));
}

#[test]
fn malformed_baggage_is_none() {
    for text in ["", "a", "=1", "a=1;;", "a=\"1\"", "a=1 2", "a=1;b c", "a=1\\2", "(a)=1"] {
        assert_eq!(baggage(&[text]), None, "{text}");
    }
}

#[test]
fn baggage_has_limits() {
    let of = |members: usize| (0..members).map(|n| format!("a{n}=1")).collect::<Vec<_>>().join(",");
    assert_eq!(baggage(&[&of(BAGGAGE_MEMBERS_MAX)]), Some(of(BAGGAGE_MEMBERS_MAX)));
    assert_eq!(baggage(&[&of(BAGGAGE_MEMBERS_MAX + 1)]), None);
    let bytes = |bytes: usize| format!("a={}", "1".repeat(bytes - 2));
    assert_eq!(baggage(&[&bytes(BAGGAGE_BYTES_MAX)]), Some(bytes(BAGGAGE_BYTES_MAX)));
    assert_eq!(baggage(&[&bytes(BAGGAGE_BYTES_MAX + 1)]), None);
}

#[test]
fn a_request_s_name_is_taken_within_its_limit() {
    let named = |lines: &[&str]| {
        let lines: Vec<_> = lines.iter().map(|line| ("x-request-id", *line)).collect();
        read(&lines).and_then(|context| context.request_id).map(String::from)
    };
    assert_eq!(named(&["7f3a 1"]).as_deref(), Some("7f3a 1"));
    let longest = "x".repeat(REQUEST_ID_BYTES_MAX);
    assert_eq!(named(&[&longest]), Some(longest.clone()));
    assert_eq!(named(&[&format!("{longest}x")]), None);
    assert_eq!(named(&[""]), None);
    assert_eq!(named(&["a", "a"]), None);
    assert_eq!(named(&["a\tb"]), None);
}

#[test]
fn headers_that_are_not_to_be_taken_are_not() {
    let lines = headers(&[("traceparent", PARENT), ("tracestate", "a=1"), ("baggage", "b=2")]);
    let none = Propagation { trace: false, baggage: false };
    assert_eq!(TraceContext::read(&lines, none), None);
    let trace = TraceContext::read(&lines, Propagation { baggage: false, ..Propagation::default() }).unwrap();
    assert!(trace.parent.is_some() && trace.state.is_some() && trace.baggage.is_none());
    let baggage = TraceContext::read(&lines, Propagation { trace: false, ..Propagation::default() }).unwrap();
    assert!(baggage.parent.is_none() && baggage.state.is_none() && baggage.baggage.is_some());
}

fn any_value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..80),
        "[a-z0-9@=,; \\t%-]{0,600}".prop_map(String::into_bytes),
        "[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[a-z]{1,4})?".prop_map(String::into_bytes),
    ]
}

proptest! {
    /// Of all that can be sent: what is kept is within the limits, can be sent on, is kept the same, and is read back the same.
    #[test]
    fn whatever_is_sent_is_kept_within_limits(lines in prop::collection::vec((0..4_usize, any_value()), 0..6)) {
        let mut sent = HeaderMap::new();
        for (name, value) in &lines {
            let name = ["traceparent", "tracestate", "baggage", "x-request-id"][*name];
            if let Ok(value) = HeaderValue::from_bytes(value) {
                sent.append(name, value);
            }
        }
        let Some(context) = TraceContext::read(&sent, Propagation::default()) else { return Ok(()) };
        prop_assert!(context.bytes() <= 55 + TRACESTATE_BYTES_MAX + BAGGAGE_BYTES_MAX + REQUEST_ID_BYTES_MAX);
        let kept = serde_json::to_string(&context).unwrap();
        prop_assert_eq!(&serde_json::from_str::<TraceContext>(&kept).unwrap(), &context);
        let mut again = HeaderMap::new();
        let parent = context.parent.map(|parent| parent.header());
        for (name, value) in [
            ("traceparent", parent.as_deref()),
            ("tracestate", context.state.as_deref()),
            ("baggage", context.baggage.as_deref()),
            ("x-request-id", context.request_id.as_deref()),
        ] {
            if let Some(value) = value {
                again.insert(name, HeaderValue::from_str(value).unwrap());
            }
        }
        prop_assert_eq!(TraceContext::read(&again, Propagation::default()), Some(context));
    }
}
