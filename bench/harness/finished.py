"""Fills a journal with finished orders by SQL, of which the last ones wait for a person. The journal must be empty.

Among N orders, the 20 oldest of 50,000 have a state, a client and a shop of their own: what is rare lies where a walk from the newest
order comes last.
"""
import contextlib, sqlite3, subprocess

BASE_US = 1_795_000_000_000_000
ROW = "n, n <= 20 AS rare, n % 100 = 0 AS failed, n > {orders} - {blocked} AS stuck"
NEVER = 9223372036854775807  # Only a command wakes such a saga.


def values(new, causes, id_of):
    """The columns of an order number n, as SQL: names and expressions. `causes`: there are the columns of causes."""
    state = "CASE WHEN rare THEN 'ANNULEE' WHEN failed OR stuck THEN 'ECHEC_STOCK' ELSE 'CONFIRMEE' END"
    none, done, blocked = ("none", "done", "blocked") if new else ("AUCUN", "TERMINE", "BLOQUE")
    rollback = f"CASE WHEN stuck THEN '{blocked}' WHEN failed OR rare THEN '{done}' ELSE '{none}' END"
    client, shop = "CASE WHEN rare THEN 999999 ELSE n % 20000 END", "CASE WHEN rare THEN 999 ELSE n % 50 END"
    common = {"saga_id": id_of, "seq": "9", "epoch": "1", "definition": "'checkout'", "definition_hash": "'x'"}
    if new:
        labels = f"'{{\"client_id\":' || {client} || ',\"magasin_id\":' || {shop} || '}}'"
        if causes:
            labels = f"'{{\"client_id\":' || {client} || ',\"magasin_id\":' || {shop} || ',\"total_cents\":' || (n % 20000) || '}}'"
            step = "CASE WHEN rare THEN 'vente' WHEN failed THEN 'stock' WHEN stuck THEN 'paiement' END"
            reason = "{\"step\":\"paiement\",\"reason\":\"the compensation keeps failing; it is still tried: Maintenance en cours\"}"
            summary = (f"CASE WHEN stuck THEN '{{\"failure\":{reason},\"blocked\":{reason},\"waiting\":[{{\"step\":\"paiement\",\"for\":\"person\"}}]}}' "
                       "WHEN rare OR failed THEN '{\"failure\":{\"step\":\"' || (CASE WHEN rare THEN 'vente' ELSE 'stock' END) || '\",\"reason\":\"none left\"}}' ELSE '{}' END")
            # Half of them have one cause, at a step of its own as each other has.
            cause = "CASE WHEN n % 2 = 0 THEN '00' ELSE substr('0' || ((n / 2) % 30), -2) END" if causes == "sqlite" else (
                "CASE WHEN n % 2 = 0 THEN '00' ELSE lpad(((n / 2) % 30)::text, 2, '0') END")
            common |= {
                "cause": f"CASE WHEN stuck THEN '1:client|paiement-' || {cause} || '|compensation_failing|0123456789abcdef' END",
                "at_stake": "CASE WHEN stuck THEN n % 20000 END", "failed_step": step,
                "blocked_us": f"CASE WHEN stuck THEN {BASE_US} + n * 1000 + 400 END",
                "wake_us": f"CASE WHEN stuck THEN {NEVER} END", "rested_us": f"CASE WHEN stuck THEN {BASE_US} + n * 1000 + 500 END"}
        return client, shop, {"summary": summary if causes else "'{}'"} | common | {
            "labels": labels, "state": state, "rollback": rollback, "is_over": "NOT stuck", "created_us": f"{BASE_US} + n * 1000",
            "final_state": f"CASE WHEN NOT stuck THEN {state} END", "updated_us": f"{BASE_US} + n * 1000 + 500"}
    return client, shop, common | {
        "client_id": client, "magasin_id": shop, "etat": state, "rollback": rollback, "is_over": "NOT stuck",
        "cree_us": f"{BASE_US} + n * 1000", "modifie_us": f"{BASE_US} + n * 1000 + 500"}


def fill(execute, given, new, causes, id_of, numbers, owner):
    client, shop, columns = values(new, causes, id_of)
    columns["owner"] = owner
    rows = f"FROM (SELECT {ROW.format(orders=given.orders, blocked=given.blocked)} FROM {numbers}) AS line"
    execute(f"INSERT INTO saga ({', '.join(columns)}) SELECT {', '.join(columns.values())} {rows}")
    if new:
        for name, value in (("client_id", client), ("magasin_id", shop)):
            execute(f"INSERT INTO saga_label (name, value, created_us, saga_id) "
                    f"SELECT '{name}', CAST({value} AS TEXT), {BASE_US} + n * 1000, {id_of} {rows}")


def fill_sqlite(path, given):
    """`given` has `orders`, and `blocked`: how many of them wait for a person."""
    with contextlib.closing(sqlite3.connect(path)) as file:
        # Ids come in no order: with SQLite's small cache, each row would read a page and write one.
        file.execute(f"PRAGMA cache_size = -{4 << 20}")
        known = {column[1] for column in file.execute("PRAGMA table_info(saga)")}
        numbers = f"(WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {given.orders}) SELECT n FROM c)"
        # A permutation of the numbers, so that ids are in no order.
        fill(file.execute, given, "summary" in known, "sqlite" if "cause" in known else None, "unhex(printf('%032x', (n * 7368787) % 4294967291 * 4294967296 + n))" if sqlite3.sqlite_version_info >= (3, 41)
             else "CAST(printf('%016d', (n * 7368787) % 4294967291 * 100000 + n % 100000) AS BLOB)", numbers, "zeroblob(16)")
        if "number" in known:
            # Their labels are all written.
            file.execute("UPDATE saga_labelled SET number = (SELECT max(number) FROM saga)")
        file.commit()


def fill_postgres(psql, given):
    asked = "SELECT column_name FROM information_schema.columns WHERE table_name = 'saga'"
    known = psql(asked, subprocess.PIPE).split()
    fill(psql, given, "summary" in known, "postgres" if "cause" in known else None, "md5(n::text)::uuid",
         f"generate_series(1::bigint, {given.orders}) AS line (n)", "'00000000-0000-0000-0000-000000000000'::uuid")
    psql("VACUUM ANALYZE")


def migrate(binary, url):
    subprocess.run([binary, "migrate", "--database-url", url], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
