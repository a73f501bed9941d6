//! How a step can be asked about.

use std::time::Duration;

use insta::assert_snapshot;
use saga_testkit::definition::change;

use super::{mistakes, parse, with};
use crate::support::VOISINS;

#[test]
fn the_probe_in_the_manual_is_a_good_one() {
    let step: String = include_str!("../../../../../docs/definitions.md")
        .lines()
        .skip_while(|line| *line != "    - step: vente")
        .take_while(|line| !line.is_empty())
        .map(|line| format!("{}\n", &line[2..]))
        .collect();
    let (others, _) = VOISINS.split_once("  - step: vente\n").expect("voisins.yaml has that step");
    let definition = parse(&format!("{others}{step}")).unwrap_or_else(|told| panic!("{told}\n{step}"));
    let probe = definition.steps[3].probe().expect("a probe");
    assert_eq!(probe.after, Duration::from_secs(30));
}

/// The step `stock` of `checkout.yaml` with a probe of these lines.
fn probed(lines: &str) -> String {
    format!("    success: STOCK_RESERVE\n    probe:\n{lines}")
}

#[test]
fn probes() {
    let probes = [
        "      gett: /x\n",
        "      after: 1s\n",
        "      post: /x\n",
        "      get: /x\n      body: {}\n",
        "      get: x\n",
        "      get: /x\n      after: soon\n",
        "      get: /x\n      refused: .input\n",
        "      get: /x/\\(.stock.id)\n",
        "      get: /x/\\(.vente.id)\n",
        "      get: /x\n      ok: now\n",
    ]
    .map(probed);
    let mut variations: Vec<_> =
        probes.iter().map(|to| ("    success: STOCK_RESERVE\n", to.as_str())).collect();
    let of_a_read = "    failure: ECHEC_STOCK\n    probe: { get: /x }\n";
    variations.push(("    failure: ECHEC_STOCK\n", of_a_read));
    variations.push(("    success: STOCK_RESERVE\n", "    probe: none\n"));
    assert_snapshot!(mistakes(&variations), @r"
    success: STOCK_RESERVE / probe: / gett: /x
        d.yaml:35: there is no key `gett` in `probe` of step `stock`; did you mean `get`?
    success: STOCK_RESERVE / probe: / after: 1s
        d.yaml:35: `probe` of step `stock` has no `get`; add it: `get: /path`
    success: STOCK_RESERVE / probe: / post: /x
        d.yaml:35: `probe` of step `stock` has no `get`; add it: `get: /path`
        d.yaml:35: there is no key `post` in `probe` of step `stock`; it belongs into a step's `action` or `compensation`
    success: STOCK_RESERVE / probe: / get: /x / body: {}
        d.yaml:36: there is no key `body` in `probe` of step `stock`; it belongs into a step's `action` or `compensation`
    success: STOCK_RESERVE / probe: / get: x
        d.yaml:35: the path `x` must start with `/`
    success: STOCK_RESERVE / probe: / get: /x / after: soon
        d.yaml:36: `soon` is not a duration; write a number and ms, s, m, h or d, such as 500ms or 5s
    success: STOCK_RESERVE / probe: / get: /x / refused: .input
        d.yaml:36: `.input` does not exist here; an answer has .status, .headers and .body
    success: STOCK_RESERVE / probe: / get: /x/\(.stock.id)
        d.yaml:35: `.stock` is the output of a step that has not run by then; only earlier steps' outputs can be read
    success: STOCK_RESERVE / probe: / get: /x/\(.vente.id)
        d.yaml:35: `.vente` is the output of a step that has not run by then; only earlier steps' outputs can be read
    success: STOCK_RESERVE / probe: / get: /x / ok: now
        d.yaml:36: jq: `now` cannot be used: a request must be the same on every attempt
    failure: ECHEC_STOCK / probe: { get: /x }
        d.yaml:24: step `panier` is a get, which has no effect to ask about; remove its probe
    probe: none
        d.yaml:33: `probe` needs a mapping, and this is `none`; write `probe: { get: /path }`, or `key: value` lines below it
    ");
}

#[test]
fn what_is_read_of_a_step_has_to_be_given_by_its_probe_too() {
    let success = "    success: COMMANDE_ENREGISTREE";
    let by_id = change(VOISINS).swap(success, &format!("    probe: {{ get: /api/ventes }}\n{success}"));
    assert_snapshot!(parse(&by_id.clone().text()).expect_err("a mistake").to_string(), @"d.yaml:75: the output of step `vente` is read elsewhere, so its probe has to give it, too: add an `output` to the probe that has what `.vente` has after the action");
    let given = by_id.add("steps.vente.probe.output", "{ id: '.body[0].id' }");
    let vente = parse(&given.text()).expect("a definition").steps.pop().expect("steps");
    assert!(vente.probe().expect("a probe").call.output.is_some());
    // No request reads what the reservation gave, so its probe has nothing to give; nor if it is kept all the same.
    let unread = with("    success: STOCK_RESERVE\n", &probed("      get: /x\n"));
    assert!(parse(&unread).expect("a definition").steps[1].probe().is_some());
    let kept = change(&unread).add("steps.stock.action.output", ".body").text();
    assert!(parse(&kept).expect("a definition").steps[1].action().expect("a call").output.is_some());
}

#[test]
fn a_probe_waits_for_as_long_as_a_call_may_take() {
    let after = |lines| {
        let source = change(&with("    success: STOCK_RESERVE\n", &probed(lines)))
            .remove("participants.stock.safety")
            .add("participants.stock.timeout", "7s");
        parse(&source.text()).expect("a definition").steps[1].probe().expect("a probe").after
    };
    assert_eq!(after("      get: /x\n"), Duration::from_secs(7));
    assert_eq!(after("      get: /x\n      after: 1m\n"), Duration::from_secs(60));
}
