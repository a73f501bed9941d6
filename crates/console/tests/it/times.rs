//! A page says a time twice: the server writes it, and `time.js` writes it again each second. Both say the same.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use saga_console::Lang;
use saga_console::shown::When;
use saga_core::Timestamp;

/// Both sides of each limit between two units, and some in between.
const DISTANCES_MS: [u64; 25] = [
    0,
    1,
    240,
    999,
    1_000,
    1_001,
    22_000,
    59_999,
    60_000,
    119_999,
    120_000,
    2_469_000,
    3_599_999,
    3_600_000,
    3_659_999,
    3_660_000,
    7_800_000,
    86_399_999,
    86_400_000,
    89_999_999,
    90_000_000,
    273_600_000,
    345_600_000,
    31_536_000_000,
    3_153_600_000_000,
];

#[test]
fn the_script_says_each_time_as_the_server_does() {
    let now = Timestamp::from_rfc3339("2026-11-25T14:39:02.002Z").unwrap();
    for (lang, name) in [(Lang::En, "en"), (Lang::Fr, "fr")] {
        let distances = DISTANCES_MS.map(Duration::from_millis);
        let instants =
            distances.map(|far| now.minus(far)).into_iter().chain(distances.map(|far| now.plus(far)));
        let (mut instants_iso, mut expected) = (Vec::new(), Vec::new());
        for at in instants {
            let when = When::of(at, now, lang);
            instants_iso.push(when.iso);
            expected.push(format!("{}|{}|{}", when.clock, when.span, when.relative));
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/times.mjs");
        let time_js = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/time.js");
        let output = Command::new("node")
            .env("TZ", "UTC")
            .args([&script, &time_js])
            .args([name, &now.to_string()])
            .args(&instants_iso)
            .output()
            .expect("run node; install it: apt-get install nodejs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let told = String::from_utf8(output.stdout).unwrap();
        let told: Vec<_> = told.lines().collect();
        for ((at, expected), told) in instants_iso.iter().zip(&expected).zip(&told) {
            assert_eq!(expected, told, "{at}, seen at {now}, in {name}");
        }
        assert_eq!(told.len(), expected.len());
    }
}
