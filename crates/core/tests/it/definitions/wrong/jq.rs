//! Expressions that are none, or read what is not there.

use super::super::MONTANT;
use super::Wrong;

pub(super) const JQ: &[Wrong] = &[
    (
        "{ montant: .panier.montant }",
        "{ montant: .panier.montant, devise: CAD }",
        &[r#"40: jq: unknown filter `CAD`; a text needs jq's quotes: '"CAD"'"#],
    ),
    (
        "{ montant: .panier.montant }",
        r#"{ montant: .panier.montant, motif: "Paiement par carte" }"#,
        &[r#"40: jq: expected nothing at `par`; a text needs jq's quotes: '"Paiement par carte"'"#],
    ),
    (
        "{ montant: .panier.montant }",
        "{ montant: .panier.montant, date: 2026-01-02T10:00:00Z }",
        &[r#"40: jq: expected nothing at `T10`; a text needs jq's quotes: '"2026-01-02T10:00:00Z"'"#],
    ),
    (
        "      output: # a cart",
        r#"      ok: .body.name == "a #1"
      output: # a cart"#,
        &[
            "19: jq: expected closing quote at the end; YAML takes what follows ` #` for a comment: put the whole expression into quotes",
        ],
    ),
    (
        "        produits: .body",
        "        produits: !(.body == null)",
        &[
            "20: jq: expected token at `)`; YAML takes a word that begins with `!` for a tag: put the whole expression into quotes",
        ],
    ),
    (
        "{ montant: .panier.montant }",
        "{ montant: panier.montant }",
        &["40: jq: unknown filter `panier`; did you mean `.panier`?"],
    ),
    (
        "{ montant: .panier.montant }",
        "{ montant: .client_id }",
        &[
            "40: `.client_id` does not exist here; there are .input, .saga_id, .panier, .stock; did you mean `.input.client_id`?",
        ],
    ),
    (
        "{ montant: .panier.montant }",
        r#"{ montant: "${MONTANT}" }"#,
        &[
            "40: jq: expected identifier at `{MONTANT}`; `${NAME}` is read in `url` and `headers` alone; an expression reads `.input.NAME`",
        ],
    ),
    (
        "{ montant: .panier.montant }",
        r#""{{ panier.montant }}""#,
        &[
            r"40: jq: expected key at `{ panier.montant }`; nothing is inserted by `{{ }}`; an expression reads `.input.NAME`, a path `\(.input.NAME)`",
        ],
    ),
    (
        "      output: # a cart",
        "      ok: .status == 200 && .body != null\n      output: # a cart",
        &["19: jq: expected token at `&& .body != null`; jq writes `and`"],
    ),
    (
        "      output: # a cart",
        "      ok: .status == 200 and .body.etat == 'PRET'\n      output: # a cart",
        &[r#"19: jq: expected token at `'PRET'`; jq writes texts with " ""#],
    ),
    (
        "      output: # a cart",
        "      ok: status == 200\n      refused: .detail != null\n      output: # a cart",
        &[
            "19: jq: unknown filter `status`; did you mean `.status`?",
            "20: `.detail` does not exist here; an answer has .status, .headers and .body; did you mean `.body.detail`?",
        ],
    ),
    (
        MONTANT,
        r#""[.body[] | .quantite * .prix] | sum""#,
        &["21: jq: unknown filter `sum`; jq's is called `add`"],
    ),
    (MONTANT, ".body | lenght", &["21: jq: unknown filter `lenght`; did you mean `length`?"]),
    (
        r"get: /api/paniers/client/\(.input.client_id)",
        r#"get: /api/paniers/client/"\(.input.client_id)""#,
        &[r#"18: jq: expected token at `\(.input.client_id)""`"#],
    ),
    (
        "{ produits: .panier.produits }",
        "{ produits: .panier.produits, devise: 'CAD', n: }",
        &[
            "29: `n` has no value; write an expression, or `'null'` for null",
            r#"29: jq: unknown filter `CAD`; a text needs jq's quotes: '"CAD"'"#,
        ],
    ),
    (
        "      output: # a cart",
        r#"      ok: .status == 200 and (.body.x | test("^a # b"))
      output: # a cart"#,
        &[
            "19: jq: expected closing quote at the end; YAML takes what follows ` #` for a comment: put the whole expression into quotes",
        ],
    ),
    (
        "      output: # a cart",
        "      ok: .body.total == 3 €\n      output: # a cart",
        &["19: jq: expected token at `€`"],
    ),
    (MONTANT, "“.body”", &["21: jq: expected token at `“.body”`; only \" is a quotation mark here"]),
];
