//! Texts that are no YAML, or another YAML than was meant.

use super::super::MONTANT;
use super::Wrong;

pub(super) const YAML: &[Wrong] = &[
    (
        r#"{ url: "${STOCK_URL:-http://stock-service:8000}", safety: barrier }"#,
        "{ url: ${STOCK_URL:-http://stock-service:8000}, safety: barrier }",
        &[
            r#"10: within { } a text with `${` in it needs quotes; write "${STOCK_URL:-http://stock-service:8000}""#,
        ],
    ),
    (
        r#""${STOCK_URL:-http://stock-service:8000}""#,
        "${STOCK_URL}",
        &[r#"10: within { } a text with `${` in it needs quotes; write "${STOCK_URL}""#],
    ),
    (
        r#""${STOCK_URL:-http://stock-service:8000}""#,
        "http://stock/${PREFIX}/api",
        &[r#"10: within { } a text with `${` in it needs quotes; write "http://stock/${PREFIX}/api""#],
    ),
    (
        r#""${STOCK_URL:-http://stock-service:8000}", safety: barrier }"#,
        "http://${HOST}:8000}",
        &[r#"10: within { } a text with `${` in it needs quotes; write "http://${HOST}:8000""#],
    ),
    (
        r#"http://stock-service:8000}", safety"#,
        "http://stock-service:8000}, safety",
        &[
            r#"10: the quotation mark `"` that opens here is closed only on line 11; add one at the end of the text on this line"#,
        ],
    ),
    (
        MONTANT,
        r#""[.body[] | .quantite * .prix] | add * 100 | round / 100"#,
        &[
            r#"21: the quotation mark `"` that opens here is not closed on this line; add one at the end of the text"#,
        ],
    ),
    (
        r"/api/ventes/commande/\(.saga_id)",
        r"'/api/ventes/commande/\(.saga_id)",
        &["53: the quotation mark `'` that opens here is never closed; add one at the end of the text"],
    ),
    (
        MONTANT,
        "[.body[] | .quantite * .prix] | add * 100 | round / 100",
        &[
            "21: within brackets YAML cannot read `|` here; put the whole expression into quotes: '[.body[] | .quantite * .prix] | add * 100 | round / 100'",
        ],
    ),
    (
        "{ montant: .panier.montant }",
        "{ montant: [.panier.montant] | add }",
        &[
            "40: within brackets YAML cannot read `|` here; put the whole expression into quotes: '[.panier.montant] | add'",
        ],
    ),
    (
        "      output: # a cart",
        r#"      ok: .body.name == "a: 1"
      output: # a cart"#,
        &[r#"19: a text with `: ` in it needs quotes; write '.body.name == "a: 1"'"#],
    ),
    (
        "      output: # a cart",
        r#"      ok: "a" == .body.name
      output: # a cart"#,
        &[
            r#"19: a text in quotation marks is over here, and more follows; put the whole expression into quotes: '"a" == .body.name'"#,
        ],
    ),
    (
        "      output: # a cart",
        "      ok: {a: 1} == .body\n      output: # a cart",
        &[
            "19: the value ends before this, as YAML reads it; put the whole expression into quotes: '{a: 1} == .body'",
        ],
    ),
    (
        "      output: # a cart",
        "      ok: [200, 204] | index(.status)\n      output: # a cart",
        &[
            "19: behind `|` or `>` the line ends, and the text stands on the lines below, indented; a text that begins with one of them needs quotes",
        ],
    ),
    (
        "        produits: .body",
        "        produits: .body | {lignes: .}",
        &["20: a text with `: ` in it needs quotes; write '.body | {lignes: .}'"],
    ),
    (
        "        produits: .body",
        "        produits: {lignes: .body} + {n: 1}",
        &[
            "20: the value ends before this, as YAML reads it; put the whole expression into quotes: '{lignes: .body} + {n: 1}'",
        ],
    ),
    (
        "        produits: .body",
        r#"        produits: @text "\(.body)""#,
        &[r#"20: a text cannot begin with `@`; put it into quotes: '@text "\(.body)"'"#],
    ),
    (
        "        produits: .body",
        "        produits: *body",
        &["20: there is no anchor `&body` above; a text that begins with `*` needs quotes"],
    ),
    (
        "{ produits: .panier.produits }",
        "{ produits: .panier.produits[0] }",
        &[
            "29: within { } a text with `{`, `[`, `,` or a quotation mark in it needs quotes; write '.panier.produits[0]'",
        ],
    ),
    (
        "{ produits: .panier.produits }",
        "{ produits: .panier.produits | map({id}) }",
        &[
            "29: within { } a text with `{`, `[`, `,` or a quotation mark in it needs quotes; write '.panier.produits | map({id})'",
        ],
    ),
    (
        r"/api/ventes/commande/\(.saga_id)",
        r#""/api/ventes/commande/\(.saga_id)""#,
        &[
            r#"53: within " " a `\` begins an escape, and this is none; write '/api/ventes/commande/\(.saga_id)'"#,
        ],
    ),
    ("deadline: 60s", "deadline:60s", &["6: a space is missing behind `deadline:`"]),
    (
        "deadline: 60s",
        "  deadline: 60s",
        &[
            "6: this line is indented like none of those above that it could belong to; indent it like its neighbours",
        ],
    ),
    (
        "deadline: 60s",
        "deadline 60s",
        &["6: `deadline 60s` is no `key: value`; write a key, a `:` and a space in front of it"],
    ),
    (
        "    success: STOCK_RESERVE",
        "   success: STOCK_RESERVE",
        &[
            "33: this line is indented like none of those above that it could belong to; indent it like its neighbours",
        ],
    ),
    (
        "    success: STOCK_RESERVE",
        "	success: STOCK_RESERVE",
        &["33: a tab cannot stand here; indent with spaces"],
    ),
    (
        "  - step: stock\n    participant: stock",
        "  step: stock\n    participant: stock",
        &[
            "25: this line is indented like none of those above that it could belong to; indent it like its neighbours",
        ],
    ),
    (
        "      body: { produits: .panier.produits }\n    compensation",
        "      body: { produits: .panier.produits\n    compensation",
        &[
            "29: the `{` that opens here is not closed, or a text behind it needs quotes: the reading ends on line 30",
        ],
    ),
    (
        "participants:\n  panier:",
        "participants:\n  - panier:",
        &[
            "10: this line is indented like none of those above that it could belong to; indent it like its neighbours",
        ],
    ),
    (
        "{ montant: .panier.montant }",
        "{{ panier.montant }}",
        &[
            r#"40: `{{ panier.montant }` is a mapping as a key to YAML; the environment is read by "${NAME}" in `url` and `headers`, and `\(.input.NAME)` inserts a value into a path"#,
        ],
    ),
    (
        r#""${STOCK_URL:-http://stock-service:8000}", safety: barrier }"#,
        r#""${STOCK_URL:-http://stock-service:8000}", safety: barrier"#,
        &[
            "10: the `{` that opens here is not closed, or a text behind it needs quotes: the reading ends on line 11",
        ],
    ),
    (
        "{ produits: .panier.produits }",
        r#"{ produits: test("a", "b") }"#,
        &[
            r#"29: a text in quotation marks is over here, and more follows; put the whole expression into quotes: 'test("a", "b")'"#,
        ],
    ),
    (
        r"get: /api/paniers/client/\(.input.client_id)",
        "get: {client}/paniers",
        &[
            "18: the value ends before this, as YAML reads it; put the whole expression into quotes: '{client}/paniers'",
        ],
    ),
    (
        "  - step: stock",
        "  - stock",
        &[
            "26: this key is indented deeper than the value on line 25 allows; indent it like the keys beside it",
        ],
    ),
    (
        r"    action:
      get: /api/paniers/client/\(.input.client_id)",
        r"    action:
    get: /api/paniers/client/\(.input.client_id)",
        &[
            "19: this key is indented deeper than the value on line 18 allows; indent it like the keys beside it",
        ],
    ),
    (
        "    failure: ECHEC_ENREGISTREMENT",
        r#"    failure: "ECHEC_ENREGISTREMENT"#,
        &[r#"55: the quotation mark `"` that opens here is never closed; add one at the end of the text"#],
    ),
    ("deadline: 60s", "deadline: %60", &["6: a text cannot begin with `%`; put it into quotes: '%60'"]),
    (
        "deadline: 60s",
        "deadline: - 60s",
        &["6: a list cannot begin here: write each entry on a line of its own, as `- entry`"],
    ),
    (
        MONTANT,
        r#""a \"b\" c" d"#,
        &[
            r#"21: a text in quotation marks is over here, and more follows; put the whole expression into quotes: '"a \"b\" c" d'"#,
        ],
    ),
    (
        MONTANT,
        "'it's'",
        &[
            r#"21: a `'` ends this text, and more follows; within ' ' write `''` for one, or use " " around the text"#,
        ],
    ),
    (
        MONTANT,
        "|\n        [.body[] | .quantite]\n          | add",
        &["22: the text below a `|` or `>` must be indented deeper than its key; add spaces"],
    ),
    ("  - step: vente", "  -step: vente", &["47: a space is missing behind the `-`"]),
    (
        "    failure: ECHEC_ENREGISTREMENT\n",
        "    failure: ECHEC_ENREGISTREMENT\n...\nsaga: two\n",
        &["57: a second document begins here; write one definition to a file"],
    ),
];
