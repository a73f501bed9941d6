//! Keys and values in wrong places and forms.

use super::Wrong;

pub(super) const SHAPE: &[Wrong] = &[
    (
        "{ montant: .panier.montant }",
        "[.panier.montant]",
        &[
            "40: `body` needs an expression, and YAML reads this as a list; put it into quotes: `'[.panier.montant]'`",
        ],
    ),
    (
        "    success: STOCK_RESERVE",
        "    retry: 3\n    success: STOCK_RESERVE",
        &[
            "33: `retry` needs a mapping, and this is `3`; write `retry: { attempts: 3 }`, or `key: value` lines below it",
        ],
    ),
    (
        "    success: STOCK_RESERVE",
        "    retry: [3, 100ms]\n    persist: 500ms\n    success: STOCK_RESERVE",
        &[
            "33: `retry` needs a mapping, and this is a list; write `retry: { attempts: 5 }`, or `key: value` lines below it",
            "34: `persist` needs a mapping, and this is `500ms`; write `persist: { base: 500ms }`, or `key: value` lines below it",
        ],
    ),
    (
        "      post: /api/stock/reserver",
        "      post: /api/stock/reserver\n      ok: [200, 204]",
        &["29: `ok` needs an expression, and this is a list; write `ok: .status == 200 or .status == 204`"],
    ),
    (
        "      post: /api/stock/reserver",
        "      post: /api/stock/reserver\n      ok: { status: 200 }",
        &["29: `ok` needs an expression, and this is a mapping; put it into quotes: `ok: '{ status: 200 }'`"],
    ),
    (
        "      post: /api/stock/reserver",
        r#"      post: /api/stock/reserver
      refused: ["4xx"]"#,
        &[
            r#"29: `refused` needs an expression, and this is a list; put it into quotes: `refused: '["4xx"]'`"#,
        ],
    ),
    (
        "{ produits: .panier.produits }",
        "{ produits: .panier.produits, .input.client_id }",
        &[
            "29: `.input.client_id` is no key: if it is a part of the expression before it, put that into quotes as a whole",
        ],
    ),
    (
        "    success: STOCK_RESERVE",
        "      success: STOCK_RESERVE",
        &["33: there is no key `success` in `compensation` of step `stock`; it belongs into a step"],
    ),
    (
        "input: { client_id: integer, magasin_id: integer }",
        "input: [client_id, magasin_id]",
        &[
            "4: `input` needs a mapping, and this is a list; write `input: { customer_id: integer }`, or `key: value` lines below it",
        ],
    ),
    (
        "input: { client_id: integer, magasin_id: integer }",
        "input: { client_id: int, magasin_id: { type: integer } }",
        &[
            "4: `magasin_id` in `input` needs a text; write e.g. `magasin_id: integer`",
            "4: input `client_id` has the unknown type `int`; write integer, number, string, boolean, object or array",
        ],
    ),
    (
        "states: { started: INITIEE, completed: CONFIRMEE, cancelled: ANNULEE }",
        "states: [INITIEE, CONFIRMEE, ANNULEE]",
        &[
            "5: `states` needs a mapping, and this is a list; write `states: { started: STARTED, completed: CONFIRMED, cancelled: CANCELLED }`, or `key: value` lines below it",
        ],
    ),
    (
        r#"  panier: { url: "${PANIER_URL:-http://panier-service:8000}" }"#,
        "  panier: http://panier-service:8000",
        &[
            r#"9: participant `panier` needs a mapping; write `panier: { url: "http://panier-service:8000" }`"#,
        ],
    ),
    (
        "    action:\n      post: /api/stock/reserver\n      body: { produits: .panier.produits }",
        "    action: POST /api/stock/reserver",
        &[
            "27: `action` needs a mapping, and this is `POST /api/stock/reserver`; write `action: { post: /api/stock/reserver }`, or `key: value` lines below it",
        ],
    ),
    (
        "    success: STOCK_RESERVE",
        "    probe: none\n    timeout: 5s\n    success: STOCK_RESERVE",
        &[
            "33: `probe` needs a mapping, and this is `none`; write `probe: { get: /path }`, or `key: value` lines below it",
            "34: there is no key `timeout` in step `stock`; it belongs into a participant",
        ],
    ),
    (
        "safety: barrier }",
        "safety: idempotant }",
        &["10: unknown safety `idempotant`; write none, idempotent or barrier; did you mean `idempotent`?"],
    ),
    (
        "safety: barrier }",
        r#"safety: barrier, url: "http://x" }"#,
        &["10: the key `url` is here twice, first on line 10; remove one"],
    ),
    (
        "safety: barrier }",
        "safety: barrier, headers: { Authorization: } }",
        &[r#"10: `Authorization` in `headers` needs a text; write e.g. `Authorization: "text"`"#],
    ),
    (
        "safety: barrier }",
        "safety: barrier, list: .body }",
        &["10: there is no key `list` in participant `stock`; it belongs into a participant's `effects`"],
    ),
    (
        "safety: barrier }",
        r"safety: barrier, effects: { get: '/e?after=\(.after)', list: .body, next: '.boddy[-1].seq' } }",
        &[
            "10: `.boddy` does not exist here; an answer has .status, .headers and .body; did you mean `.body`?",
        ],
    ),
    (
        "safety: barrier }",
        r"safety: barrier, effects: { get: '/e?after=\(.saga_id)', list: .body, next: .body.next } }",
        &[
            "10: `.saga_id` does not exist here: `effects` are listed for no saga; there is .after, what `next` gave for the page before",
            r"10: every page would be the first one again: the path does not read `.after`, which `next` gives; write `get: /effects?after=\(.after // 0)`",
        ],
    ),
    (
        "safety: barrier }",
        "safety: barrier, effects: { get: /e } }",
        &["10: `effects` of participant `stock` has no `list`; add it: `list: .body`"],
    ),
    (
        "safety: barrier }",
        r#"safety: barrier, base_url: "http://x" }"#,
        &[
            "10: there is no key `base_url` in participant `stock`; write one of: url, safety, timeout, connect_timeout, calls_max, answer_bytes_max, horizon, breaker, headers, auth, tls, sign, effects",
        ],
    ),
    (
        "safety: barrier }",
        "safety: barrier, calls_max: viele, timeout: }",
        &[
            "10: `calls_max` needs a whole number from 1 to 4294967295, not `viele`; write e.g. `calls_max: 256`",
        ],
    ),
    (
        "    compensation:\n      post: /api/stock/liberer\n      body: { produits: .panier.produits }",
        "    compensation: [none]",
        &[
            "30: `compensation` needs a mapping, and this is a list; write `compensation: { delete: /path }`, or `key: value` lines below it",
        ],
    ),
    (
        "    compensation:\n      post: /api/stock/liberer\n      body: { produits: .panier.produits }",
        "    compensation: POST /api/stock/liberer",
        &[
            "30: `compensation` needs a mapping, and this is `POST /api/stock/liberer`; write `compensation: { post: /api/stock/liberer }`, or `key: value` lines below it",
        ],
    ),
    (
        "    compensation:\n      post: /api/stock/liberer\n      body: { produits: .panier.produits }",
        "    compensation:\n    undo: { post: /x }",
        &[
            "25: step `stock` changes something but has no compensation; add one, or write `compensation: none` if it is never to be undone",
            "31: there is no key `undo` in step `stock`; did you mean `compensation`?",
        ],
    ),
    (
        "  - step: stock",
        "  - step: stok\n    name: stock",
        &["26: there is no key `name` in step `stok`; it belongs into a step's `signal`"],
    ),
    (
        "steps:",
        "steps: []\nstep:",
        &[
            "14: there are 0 steps; write 1 to 64",
            "15: there is no key `step` in the file; it belongs into a step",
        ],
    ),
    (
        "    failure: ECHEC_ENREGISTREMENT",
        "    failure: ECHEC_ENREGISTREMENT }",
        &["55: the state's name `ECHEC_ENREGISTREMENT }` must be 1 to 64 letters, digits, `_` or `-`"],
    ),
    (
        "deadline: 60s",
        "deadline: 60s   # a minute\ndeadline : 30s",
        &["7: the key `deadline` is here twice, first on line 6; remove one"],
    ),
    (
        "deadline: 60s",
        "deadline: null\nx-note: hello",
        &[
            "7: there is no key `x-note` in the file; write one of: saga, input, labels, states, deadline, participants, steps, output",
        ],
    ),
    (
        "  - step: stock\n",
        "  - step: stock\n    after: panier\n",
        &[r#"26: `after` needs a list of names, and this is `panier`; write `after: [panier]`"#],
    ),
    (
        "  - step: stock\n",
        "  - step: stock\n    after: [panier, panier]\n",
        &[r#"26: `panier` is in `after` twice; remove one"#],
    ),
    (
        "  - step: stock\n",
        "  - step: stock\n    after: [vente]\n",
        &[r#"26: `after` names steps above in the file, and `vente` stands below; move it up"#],
    ),
    (
        "  - step: stock\n",
        "  - step: stock\n    after: [stock]\n",
        &[r#"26: step `stock` cannot wait for itself; remove it from `after`"#],
    ),
    (
        "  - step: stock\n",
        "  - step: stock\n    after: [pannier]\n",
        &[r#"26: there is no step `pannier` above; did you mean `panier`?"#],
    ),
    (
        "  - step: panier\n",
        "  - step: panier\n    after: [xyz]\n",
        &[r#"16: there is no step `xyz`; the first step waits for none: write `after: []`, or nothing"#],
    ),
    (
        "  - step: stock\n",
        "  - step: stock\n    after: []\n",
        &[
            r#"30: `.panier` is the output of a step that this one does not wait for; add `panier` to its `after`"#,
            r#"33: `.panier` is the output of a step that this one does not wait for; add `panier` to its `after`"#,
            r#"41: `.panier` is the output of a step that this one does not wait for; add `panier` to its `after`"#,
            r#"44: `.panier` is the output of a step that this one does not wait for; add `panier` to its `after`"#,
            r#"52: `.panier` is the output of a step that this one does not wait for; add `panier` to its `after`"#,
        ],
    ),
    (
        "  - step: stock\n",
        "  - step: stock\n    after: [3, {a: b}]\n",
        &[r#"26: `{a: b}` in `after` is no name; write e.g. `after: [stock]`"#],
    ),
    (
        "  - step: stock\n",
        r#"  - step: stock
    when: [a]
"#,
        &[r#"26: `when` needs an expression, and this is a list; put it into quotes: `when: '[a]'`"#],
    ),
    (
        "  - step: stock\n",
        r#"  - step: stock
    when: .paiement.x == 1
"#,
        &[
            r#"26: `.paiement` is the output of a step that has not run by then; only earlier steps' outputs can be read"#,
        ],
    ),
    (
        "  - step: stock\n",
        r#"  - step: stock
    when: .stock.x
"#,
        &[
            r#"26: `.stock` is the output of a step that has not run by then; only earlier steps' outputs can be read"#,
        ],
    ),
    (
        "  - step: stock\n",
        r#"  - step: stock
    when: .input.client == 1
"#,
        &[r#"26: `.input.client` does not exist; did you mean `.input.client_id`?"#],
    ),
    (
        "  - step: stock\n",
        r#"  - step: stock
    when: ".input.client_id >"
"#,
        &[r#"26: jq: expected term at the end"#],
    ),
    (
        "  - step: stock\n",
        r#"  - step: stock
    when: .input.client_id
"#,
        &[
            r#"26: `.input.client_id` is of type integer, and a condition must be true or false; compare it with a value"#,
        ],
    ),
];
