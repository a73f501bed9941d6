//! The names that jq programs may read, and when a wrong one is found.

use insta::assert_snapshot;
use saga_testkit::definition::change;

use super::{ANNULER, MONTANT, PRODUITS, mistakes, parse, with};
use crate::support::CHECKOUT;

#[test]
fn expressions_that_do_not_compile() {
    let in_a_block = "|\n          [.body[]\n          | .quantite *\n          ] | add";
    let at_its_end = "|\n          [.body[]\n          | .quantite ] |\n";
    let folded = ">\n          [.body[]\n          | .quantite *\n          ] | add";
    assert_snapshot!(mistakes(&[
        ("clients/\\(.input.client_id)/payer", "clients/\\(.input.client_id/payer"),
        ("clients/\\(.input.client_id)/payer", "clients/\\(.input | nonsense)/payer"),
        ("{ montant: .panier.montant }", "'{montant: .panier.montant'"),
        ("{ montant: .panier.montant }", "{ montant: '.panier.montant |' }"),
        ("{ montant: .panier.montant }", "{ montant: { en: { euros: '.panier.' } } }"),
        ("{ montant: .panier.montant }", "{ montant: '' }"),
        (MONTANT, in_a_block),
        (MONTANT, at_its_end),
        // A folded text is one line to jq: the mistake is reported where it begins.
        (MONTANT, folded),
        (MONTANT, "sum(.body)"),
        (MONTANT, "$montant"),
        (MONTANT, "$ENV.MONTANT"),
        (MONTANT, "import \"x\" as x; 1"),
        (ANNULER, "      delete: /x\n      ok: .status = = 404 or\n"),
        (ANNULER, "      delete: /x\n      refused: .status ===\n"),
        (ANNULER, "      delete: /x\n      absent: .status | frob\n"),
    ]), @r#"
    clients/\(.input.client_id/payer
        d.yaml:39: jq: expected closing quote at the end
    clients/\(.input | nonsense)/payer
        d.yaml:39: jq: unknown filter `nonsense`
    '{montant: .panier.montant'
        d.yaml:40: jq: expected closing brace at the end
    { montant: '.panier.montant |' }
        d.yaml:40: jq: expected term at the end
    { montant: { en: { euros: '.panier.' } } }
        d.yaml:40: jq: expected key at the end
    { montant: '' }
        d.yaml:40: jq: expected term at the end
    | / [.body[] / | .quantite * / ] | add
        d.yaml:24: jq: expected term at `]`
    | / [.body[] / | .quantite ] |
        d.yaml:23: jq: expected term at the end
    > / [.body[] / | .quantite * / ] | add
        d.yaml:22: jq: expected term at `]`
    sum(.body)
        d.yaml:21: jq: unknown filter `sum`; jq's is called `add`
    $montant
        d.yaml:21: jq: unknown variable `$montant`
    $ENV.MONTANT
        d.yaml:21: jq: unknown variable `$ENV`
    import "x" as x; 1
        d.yaml:21: jq: expected nothing at `"x"`
    delete: /x / ok: .status = = 404 or
        d.yaml:54: jq: expected term at `=`; jq writes `==`
    delete: /x / refused: .status ===
        d.yaml:54: jq: expected nothing at `===`; jq writes `==`
    delete: /x / absent: .status | frob
        d.yaml:54: jq: unknown filter `frob`
    "#);
}

#[test]
fn expressions_that_depend_on_more_than_their_input() {
    for code in [
        "now",
        "input",
        "[inputs]",
        "env",
        "env.X",
        "debug",
        "halt",
        "halt_error",
        "stderr",
        "input_filename",
        "now | todate",
        "[.body[] | now]",
        "if now > 1 then 1 else 2 end",
        "def f: now; f",
        "reduce .body[] as $x (now; .)",
        "try now catch 1",
        "{(now | tostring): 1}",
        "\"\\(now)\"",
        ".body[now:]",
        "@text \"\\(now)\"",
        "0 | localtime",
        ". as {(now | tostring): $x} | 1",
        "label $l | now",
        "-now",
        "limit(1; now)",
        "now as $x | 1",
    ] {
        let told = parse(&with(MONTANT, &format!("'{code}'"))).map(|_| ()).expect_err(code).to_string();
        assert!(
            told.contains("cannot be used: a request must be the same on every attempt"),
            "{code}: {told}"
        );
        assert!(told.starts_with("d.yaml:21: "), "{code}: {told}");
    }
}

#[test]
fn expressions_without_an_end() {
    let recursion = "calls itself, and nothing bounds how often; use map, reduce or range";
    let unbounded = "cannot be used: nothing bounds how often it runs; use map, reduce or range";
    for (code, says) in [
        ("[repeat(.body)]", unbounded),
        ("[recurse(.body)]", unbounded),
        ("[recurse(.body; . != null)]", unbounded),
        ("0 | until(. > .body; . + 1)", unbounded),
        ("[0 | while(. < 10; . + 1)]", unbounded),
        ("try repeat(1) catch 1", unbounded),
        ("{a: [limit(1; repeat(1))]}", unbounded),
        ("\"\\(repeat(1))\"", unbounded),
        ("def f: f; f", recursion),
        ("def f($n): if $n > 0 then f($n - 1) else 1 end; f(3)", recursion),
        ("def f: def g: f; g; f", recursion),
        ("def f(g): f(g | g); f(.)", recursion),
        (".body as [$x] | def f: [.[]? | f]; f", recursion),
    ] {
        let told = parse(&with(MONTANT, &format!("'{code}'"))).map(|_| ()).expect_err(code).to_string();
        assert!(told.contains(says) && told.starts_with("d.yaml:21: "), "{code}: {told}");
    }
    for code in
        ["[.body | ..] | length", "[.body[]? | walk(.)]", "def f: 1; def g: f + f; g", "[range(10)] | add"]
    {
        parse(&with(MONTANT, &format!("'{code}'"))).map(|_| ()).expect(code);
    }
}

#[test]
fn expressions_that_read_what_is_not_there() {
    assert_snapshot!(mistakes(&[
        (".panier.montant", ".panir.montant"),
        (".panier.montant", ".vente.montant"),
        (".panier.montant", ".paiement.montant"),
        (".input.magasin_id", ".input.magasin"),
        ("/payer", "/\\(.client)/payer"),
        ("commande/\\(.saga_id)", "commande/\\(.vente.id)"),
        (ANNULER, "      delete: /x\n      unknown: .panier == 404\n"),
        (PRODUITS, "produits: .bodi\n"),
        ("{ montant: .panier.montant }", "{ montant: { en: { euros: .panir } } }"),
    ]), @r"
    .panir.montant
        d.yaml:40: `.panir` does not exist here; there are .input, .saga_id, .panier, .stock; did you mean `.panier`?
    .vente.montant
        d.yaml:40: `.vente` is the output of a step that has not run by then; only earlier steps' outputs can be read
    .paiement.montant
        d.yaml:40: `.paiement` is the output of a step that has not run by then; only earlier steps' outputs can be read
    .input.magasin
        d.yaml:51: `.input.magasin` does not exist; did you mean `.input.magasin_id`?
    /\(.client)/payer
        d.yaml:39: `.client` does not exist here; there are .input, .saga_id, .panier, .stock
    commande/\(.vente.id)
        d.yaml:53: a compensation cannot read its own step's output `.vente` here: a barrier step whose outcome is unknown is undone at once, without its answer; undo by `.saga_id` or an earlier output, or declare `safety: idempotent`
    delete: /x / unknown: .panier == 404
        d.yaml:54: `.panier` does not exist here; an answer has .status, .headers and .body
    produits: .bodi
        d.yaml:20: `.bodi` does not exist here; an answer has .status, .headers and .body; did you mean `.body`?
    { montant: { en: { euros: .panir } } }
        d.yaml:40: `.panir` does not exist here; there are .input, .saga_id, .panier, .stock; did you mean `.panier`?
    ");
    // A service without a barrier is undone only once its answer is known.
    let by_id = change(CHECKOUT)
        .set("participants.*.safety", "idempotent")
        .set("steps.vente.compensation.delete", "/api/ventes/\\(.vente.id)")
        .text();
    let kept = parse(&by_id).expect("its own output can be read").steps[3]
        .action()
        .expect("a call")
        .output
        .is_some();
    assert!(kept, "what the compensation reads is kept");
}
