//! What expressions read beside the input and outputs: when the saga started, and why it rolls back; and the saga's own output.

use saga_core::Definition;

use crate::support::no_env;

fn file(output: &str, steps: &str) -> String {
    format!(
        "saga: essai\ninput: {{ n: number }}\noutput: {output}\nparticipants: {{ p: {{ url: 'http://p' }}, b: {{ url: 'http://b', safety: barrier }} }}\n\
         steps:\n{steps}"
    )
}

const CALL: &str = "  - step: a\n    participant: p\n    action: { post: /a, output: { id: .body.id } }\n    compensation: none\n";

fn told(output: &str, steps: &str) -> String {
    Definition::parse("d.yaml", &file(output, steps), &no_env)
        .err()
        .map(|told| told.to_string())
        .unwrap_or_default()
}

#[test]
fn rule_1_the_files_output_reads_all_outputs() {
    let beside = format!("{CALL}{}", CALL.replace("step: a", "step: b\n    after: []"));
    assert_eq!(told("{ a: .a.id, b: .b.id, n: .input.n, at: .created_at, saga: .saga_id }", &beside), "");
    for (output, why) in [
        ("{ c: .c.id }", "`.c` does not exist here"),
        ("{ f: .failure.step }", "`.failure` does not exist here"),
        (".input.m", "`.input.m` does not exist"),
        ("'.a |'", "jq:"),
        ("[1]", "put it into quotes"),
    ] {
        let told = told(output, &beside);
        assert!(told.contains(why), "{output}: {told}");
    }
    // An output that only the file's output reads is kept.
    let plain = CALL.replace(", output: { id: .body.id }", "");
    let kept = |output: &str| {
        let definition = Definition::parse("d.yaml", &file(output, &plain), &no_env).expect("a definition");
        definition.steps[0].keeps_output()
    };
    assert!(kept(".a.id") && !kept(".input.n"));
}

#[test]
fn why_it_rolls_back_is_there_for_compensations_alone() {
    let undone =
        |by: &str| CALL.replace("compensation: none", &format!("compensation: {{ post: /b, body: {by} }}"));
    assert_eq!(told("1", &undone("{ why: .failure.reason, at: .failure.step }")), "");
    assert_eq!(told("1", &undone("1, when: .failure.step != null")), "");
    assert_eq!(
        told("1", &undone("{ why: .failure.reason }").replace("participant: p", "participant: b")),
        ""
    );
    assert!(
        told("1", &undone("{ why: .failure.cause }"))
            .contains("there are `.failure.step` and `.failure.reason`")
    );
    assert!(
        told("1", &CALL.replace("/a,", "/a, body: .failure,")).contains("`.failure` does not exist here")
    );
    // A step may have these names: then they are its output.
    let named = CALL.replace("step: a", "step: failure")
        + "  - step: b\n    participant: p\n    action: { post: /b, body: .failure.id }\n    compensation: { post: /c, body: .failure.id }\n";
    let definition = Definition::parse("d.yaml", &file("1", &named), &no_env).expect("a definition");
    assert!(!definition.reads_failure && definition.steps[0].keeps_output());
}
