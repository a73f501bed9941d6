#!/usr/bin/env python3
"""Made `sqlite.sql`, `postgres.sql` and `before.json`: journals of the last release whose commands had no ids and whose rows had
French columns (schema 4 in SQLite, 5 in PostgreSQL), with orders in every state.

Usage: make.py ORCHESTRATEUR BOUTIQUE DATABASE_URL > ORDERS.json

ORCHESTRATEUR and BOUTIQUE are binaries of that release, built from commit 41a526b; DATABASE_URL is `sqlite:///PATH` or `postgres://...`
of an empty database. The process is killed while orders are in every state. Then SPOIL (below, in the database's own literals) was run,
which does what takes another replica's death or a failing disk: commands left for an owner, and a damaged history that was parked.
The files are the dumps (`.dump`; `pg_dump --inserts --no-owner --no-privileges` without its settings).
"""
import hashlib, json, os, signal, subprocess, sys, tempfile, threading, time, urllib.request, uuid, urllib.error

HERE = os.path.dirname(os.path.abspath(__file__))


def saga_id(key):
    digest = bytearray(hashlib.sha256(b"orchestrateur/idempotency-key/" + key.encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(digest)))


RESERVE, FREE, PAY, REFUND, SELL, UNSELL, CART = (
    "POST /api/stock/reserver", "POST /api/stock/liberer", "POST /api/clients/*/payer", "POST /api/clients/*/rembourser",
    "POST /api/ventes", "DELETE /api/ventes/commande/*", "GET /api/paniers/client/*")
HANG = "latency=600000"
# key, client, faults, what is done to it
ORDERS = [
    ("confirmed", 4, [], None),
    ("stock-refused", 1, [], None),
    ("payment-refused", 2, [], None),
    ("sale-refused", 3, [], None),
    ("cancelled", 5, [f"{PAY} {{}} {HANG}"], "annuler"),
    ("reading-cart", 6, [f"{CART} {{}} {HANG}"], None),
    ("reserving", 7, [f"{RESERVE} {{}} {HANG}"], None),
    ("paying", 8, [f"{PAY} {{}} {HANG}"], None),
    ("paid-late", 9, [f"{PAY} {{}} latency-after=600000"], None),
    ("selling", 10, [f"{SELL} {{}} {HANG}"], None),
    ("asleep", 11, [f"{PAY} {{}} status=503"], None),
    ("undoing", 2, [f"{FREE} {{}} {HANG}"], None),
    ("blocked", 2, [f"{FREE} {{}} status=404"], None),
    ("resumed", 2, [f"{FREE} {{}} status=404"], "reprendre"),
    ("resolved", 2, [f"{FREE} {{}} status=404"], "resoudre"),
    ("damaged", 12, [f"{PAY} {{}} {HANG}"], None),
    ("to-cancel", 13, [f"{PAY} {{}} {HANG}"], None),
    ("to-resume", 14, [f"{PAY} {{}} status=503"], None),
    ("to-resolve", 2, [f"{FREE} {{}} status=404"], None),
    ("unreadable-word", 15, [f"{PAY} {{}} {HANG}"], None),
]
LEFT = {
    "to-cancel": '"cancel"',
    "to-resume": json.dumps({"resume": {"by": "Ana", "reason": "left before the upgrade"}}, separators=(",", ":")),
    "to-resolve": json.dumps({"resolve": {"step": 1, "finding": "undone", "by": "Ana", "reason": "seen in the stock's journal"}}, separators=(",", ":")),
    "unreadable-word": '"dance"',
}


WHY = "the order's history cannot be read: the saga's history is damaged: frame first_seq 1: expected value at line 1 column 2"
def spoil(orders, literal):
    out = []
    for key, word in LEFT.items():
        out.append(f"UPDATE saga SET demande = '{word.replace(chr(39), chr(39)*2)}' WHERE saga_id = {literal(orders[key])};")
    broken = literal(orders["damaged"])
    out.append(f"UPDATE saga_event SET events = '[x' || substr(events, 2) WHERE saga_id = {broken} AND first_seq = 1;")
    why = WHY.replace("'", "''")
    out.append(f"UPDATE saga SET rollback = 'BLOQUE', echec_etape = NULL, echec_raison = '{why}' WHERE saga_id = {broken};")
    return "\n".join(out)


def start(command, env):
    process = subprocess.Popen(command, env={**os.environ, **env}, stdout=subprocess.PIPE, text=True)
    return process, json.loads(process.stdout.readline())


def call(url, body=None, headers=()):
    request = urllib.request.Request(url, method="POST" if body is not None else "GET",
                                     data=None if body is None else json.dumps(body).encode(),
                                     headers={"content-type": "application/json", **dict(headers)})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def main():
    orchestrateur, boutique, url = sys.argv[1:]
    data = tempfile.mkdtemp()
    faults = [fault.format("saga=" + saga_id(key)) for key, _, rules, _ in ORDERS for fault in rules]
    shop, where = start([boutique, "--data", data] + [word for fault in faults for word in ("--faute", fault)], {})
    print(where, file=sys.stderr)
    urls = {f"{name.upper()}_URL": where[name] for name in ("panier", "stock", "client", "ventes")}
    port = 18023
    server = subprocess.Popen([orchestrateur, "serve", "--listen", f"127.0.0.1:{port}", "--definition", f"{HERE}/fixture.yaml"],
                              env={**os.environ, **urls, "DATABASE_URL": url, "ORCHESTRATEUR_REPLICA": "before"})
    base = f"http://127.0.0.1:{port}"
    for _ in range(100):
        try:
            call(f"{base}/readyz"); break
        except OSError:
            time.sleep(0.1)
    for key, client, _, _ in ORDERS:
        print(key, call(f"{base}/api/commande/checkout", {"client_id": client, "magasin_id": client % 3 + 1},
                        [("Idempotency-Key", key), ("Prefer", "respond-async")]), file=sys.stderr)
        time.sleep(0.01)
    time.sleep(3)
    for key, _, _, then in ORDERS:
        path = f"{base}/api/commande/{saga_id(key)}"
        if then == "annuler":
            print(key, call(f"{path}/annuler", {}), file=sys.stderr)
        elif then == "reprendre":
            print(key, call(f"{path}/reprendre", {"par": "Ana"}), file=sys.stderr)
        elif then == "resoudre":
            print(key, call(f"{path}/resoudre", {"etape": "stock", "constat": "ANNULEE", "raison": "seen", "par": "Ana"}), file=sys.stderr)
    time.sleep(2)
    page = call(f"{base}/api/commandes?limit=100")[1]
    server.send_signal(signal.SIGKILL); server.wait(); shop.send_signal(signal.SIGKILL)
    json.dump({"orders": {key: saga_id(key) for key, *_ in ORDERS}, "listed": page, "left": LEFT}, sys.stdout, indent=1)



if __name__ == "__main__":
    main()
