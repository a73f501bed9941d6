BEGIN TRANSACTION;
CREATE TABLE saga (
    saga_id         BLOB    NOT NULL CHECK (length(saga_id) = 16),
    seq             INTEGER NOT NULL,
    epoch           INTEGER NOT NULL,
    definition      TEXT    NOT NULL,
    definition_hash TEXT    NOT NULL,
    client_id       INTEGER,
    magasin_id      INTEGER,
    etat            TEXT    NOT NULL,
    rollback        TEXT    NOT NULL,
    echec_etape     TEXT,
    echec_raison    TEXT,
    is_over         INTEGER NOT NULL,
    cree_us         INTEGER NOT NULL,
    modifie_us      INTEGER NOT NULL, owner BLOB NOT NULL DEFAULT x'00000000000000000000000000000000' CHECK (length(owner) = 16), demande TEXT, du_us INTEGER, bloque_us INTEGER,
    PRIMARY KEY (saga_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "saga" VALUES(X'04D4A7A674C98399A74D2F24F0B16205',18,1,'checkout-ancien','5599ea8d0185c7750f599119d08d737db0cfdb8a8efc07913a00ea5ba21e0eb9',2,1,'ANNULEE','EN_COURS','vente','non',0,1795793383160539,1795793384001184,X'01A21DA0675570638CD88428EBEFEE68',NULL,1795793385313170,NULL);
INSERT INTO "saga" VALUES(X'99D2F5E8D11F8B52B57F7EA75987D44D',4,1,'checkout-ancien','5599ea8d0185c7750f599119d08d737db0cfdb8a8efc07913a00ea5ba21e0eb9',1,1,'INITIEE','AUCUN',NULL,NULL,0,1795793383156843,1795793383159297,X'01A21DA0675570638CD88428EBEFEE68',NULL,1795793385159297,NULL);
INSERT INTO "saga" VALUES(X'F4239B64BDBF8925A9CF742B65C724F3',24,1,'checkout-ancien','5599ea8d0185c7750f599119d08d737db0cfdb8a8efc07913a00ea5ba21e0eb9',3,1,'STOCK_RESERVE','AUCUN',NULL,NULL,0,1795793383166835,1795793384208312,X'01A21DA0675570638CD88428EBEFEE68',NULL,1795793386208312,NULL);
CREATE TABLE saga_definition (
    hash   TEXT NOT NULL PRIMARY KEY,
    name   TEXT NOT NULL,
    source TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "saga_definition" VALUES('5599ea8d0185c7750f599119d08d737db0cfdb8a8efc07913a00ea5ba21e0eb9','checkout-ancien','# As the release before formats were told apart took it. Today''s rules refuse all that is marked.
saga: checkout-ancien
input: { client_id: integer, magasin_id: integer }
states: { started: INITIEE, completed: CONFIRMEE, cancelled: ANNULEE }
deadline: 720h

participants:
  services: { url: "${PANIER_URL}", safety: idempotent, timeout: 2s, headers: { Accept-Encoding: identity } } # reserved

steps:
  - step: panier
    participant: services
    action:
      get: /panier/\(.input.client_id)
      output: { nom: .body.nom }
    failure: ECHEC_STOCK

  - step: stock
    participant: services
    action:
      post: /x/\(.panier.nom)/\(.input.client_id + 1) # computed: its values are sent as they are
      body: { client_id: .input.client_id }
      ok: .status # a number
    compensation:
      delete: /x/\(.saga_id)
      ok: .status == 404 or .status == 200 # a wrong path
    success: STOCK_RESERVE
    failure: ECHEC_STOCK
    retry: { attempts: 100000, cap: 200ms }

  - step: vente
    participant: services
    action:
      post: /ventes
      body: { client_id: .input.client_id }
    compensation: none
    success: COMMANDE_ENREGISTREE
    failure: ANNULEE # two meanings
    retry: { attempts: 100000, cap: 200ms }
');
CREATE TABLE saga_event (
    saga_id   BLOB   NOT NULL CHECK (length(saga_id) = 16),
    first_seq INTEGER NOT NULL,
    events    TEXT   NOT NULL,
    PRIMARY KEY (saga_id, first_seq)
) STRICT, WITHOUT ROWID;
INSERT INTO "saga_event" VALUES(X'04D4A7A674C98399A74D2F24F0B16205',1,'[{"at":1795793383160539,"etat":"INITIEE","event":{"started":{"definition":"5599ea8d0185c7750f599119d08d737db0cfdb8a8efc07913a00ea5ba21e0eb9","input":{"client_id":2,"magasin_id":1},"deadline":1798385383160539,"claim":6232928555184755}}},{"at":1795793383160539,"event":{"attempt_started":{"step":0,"direction":"action","attempt":1}}}]');
INSERT INTO "saga_event" VALUES(X'04D4A7A674C98399A74D2F24F0B16205',3,'[{"at":1795793383167861,"event":{"attempt_ended":{"step":0,"direction":"action","attempt":1,"outcome":"ok","status":200,"output":{"nom":"A/../../admin?x=1"}}}},{"at":1795793383167861,"event":{"attempt_started":{"step":1,"direction":"action","attempt":1}}}]');
INSERT INTO "saga_event" VALUES(X'04D4A7A674C98399A74D2F24F0B16205',5,'[{"at":1795793383213213,"etat":"STOCK_RESERVE","event":{"attempt_ended":{"step":1,"direction":"action","attempt":1,"outcome":"ok","status":200}}},{"at":1795793383213213,"event":{"attempt_started":{"step":2,"direction":"action","attempt":1}}}]');
INSERT INTO "saga_event" VALUES(X'04D4A7A674C98399A74D2F24F0B16205',7,'[{"at":1795793383257227,"event":{"attempt_ended":{"step":2,"direction":"action","attempt":1,"outcome":"refused","status":402,"reason":"non"}}},{"at":1795793383257227,"etat":"ANNULEE","event":{"rollback_decided":{"cause":{"step_failed":{"step":2,"reason":"non"}}}}},{"at":1795793383257227,"event":{"attempt_started":{"step":1,"direction":"compensation","attempt":1}}}]');
INSERT INTO "saga_event" VALUES(X'04D4A7A674C98399A74D2F24F0B16205',10,'[{"at":1795793383301278,"event":{"attempt_ended":{"step":1,"direction":"compensation","attempt":1,"outcome":"not_sent","status":503,"reason":"{}","retry_at":1795793383368608}}}]');
INSERT INTO "saga_event" VALUES(X'04D4A7A674C98399A74D2F24F0B16205',11,'[{"at":1795793383370354,"event":{"attempt_started":{"step":1,"direction":"compensation","attempt":2}}}]');
INSERT INTO "saga_event" VALUES(X'04D4A7A674C98399A74D2F24F0B16205',12,'[{"at":1795793383413223,"event":{"attempt_ended":{"step":1,"direction":"compensation","attempt":2,"outcome":"not_sent","status":503,"reason":"{}","retry_at":1795793383502096}}}]');
INSERT INTO "saga_event" VALUES(X'04D4A7A674C98399A74D2F24F0B16205',13,'[{"at":1795793383502541,"event":{"attempt_started":{"step":1,"direction":"compensation","attempt":3}}}]');
INSERT INTO "saga_event" VALUES(X'04D4A7A674C98399A74D2F24F0B16205',14,'[{"at":1795793383545208,"event":{"attempt_ended":{"step":1,"direction":"compensation","attempt":3,"outcome":"not_sent","status":503,"reason":"{}","retry_at":1795793383941734}}}]');
INSERT INTO "saga_event" VALUES(X'04D4A7A674C98399A74D2F24F0B16205',15,'[{"at":1795793383943407,"event":{"attempt_started":{"step":1,"direction":"compensation","attempt":4}}}]');
INSERT INTO "saga_event" VALUES(X'04D4A7A674C98399A74D2F24F0B16205',16,'[{"at":1795793383944748,"event":{"attempt_ended":{"step":1,"direction":"compensation","attempt":4,"outcome":"not_sent","status":503,"reason":"{}","retry_at":1795793383951011}}},{"at":1795793383951901,"event":{"attempt_started":{"step":1,"direction":"compensation","attempt":5}}}]');
INSERT INTO "saga_event" VALUES(X'04D4A7A674C98399A74D2F24F0B16205',18,'[{"at":1795793384001184,"event":{"attempt_ended":{"step":1,"direction":"compensation","attempt":5,"outcome":"not_sent","status":503,"reason":"{}","retry_at":1795793385313170}}}]');
INSERT INTO "saga_event" VALUES(X'99D2F5E8D11F8B52B57F7EA75987D44D',1,'[{"at":1795793383156843,"etat":"INITIEE","event":{"started":{"definition":"5599ea8d0185c7750f599119d08d737db0cfdb8a8efc07913a00ea5ba21e0eb9","input":{"client_id":1,"magasin_id":1},"deadline":1798385383156843,"claim":7700057181589908}}},{"at":1795793383156843,"event":{"attempt_started":{"step":0,"direction":"action","attempt":1}}}]');
INSERT INTO "saga_event" VALUES(X'99D2F5E8D11F8B52B57F7EA75987D44D',3,'[{"at":1795793383159297,"event":{"attempt_ended":{"step":0,"direction":"action","attempt":1,"outcome":"ok","status":200,"output":{"nom":"A/../../admin?x=1"}}}},{"at":1795793383159297,"event":{"attempt_started":{"step":1,"direction":"action","attempt":1}}}]');
INSERT INTO "saga_event" VALUES(X'F4239B64BDBF8925A9CF742B65C724F3',1,'[{"at":1795793383166835,"etat":"INITIEE","event":{"started":{"definition":"5599ea8d0185c7750f599119d08d737db0cfdb8a8efc07913a00ea5ba21e0eb9","input":{"client_id":3,"magasin_id":1},"deadline":1798385383166835,"claim":2437090028546637}}},{"at":1795793383166835,"event":{"attempt_started":{"step":0,"direction":"action","attempt":1}}}]');
INSERT INTO "saga_event" VALUES(X'F4239B64BDBF8925A9CF742B65C724F3',3,'[{"at":1795793383168306,"event":{"attempt_ended":{"step":0,"direction":"action","attempt":1,"outcome":"ok","status":200,"output":{"nom":"A/../../admin?x=1"}}}},{"at":1795793383168306,"event":{"attempt_started":{"step":1,"direction":"action","attempt":1}}}]');
INSERT INTO "saga_event" VALUES(X'F4239B64BDBF8925A9CF742B65C724F3',5,'[{"at":1795793383213175,"etat":"STOCK_RESERVE","event":{"attempt_ended":{"step":1,"direction":"action","attempt":1,"outcome":"ok","status":200}}},{"at":1795793383213175,"event":{"attempt_started":{"step":2,"direction":"action","attempt":1}}}]');
INSERT INTO "saga_event" VALUES(X'F4239B64BDBF8925A9CF742B65C724F3',7,'[{"at":1795793383257267,"event":{"attempt_ended":{"step":2,"direction":"action","attempt":1,"outcome":"not_sent","status":503,"reason":"{}","retry_at":1795793383322669}}}]');
INSERT INTO "saga_event" VALUES(X'F4239B64BDBF8925A9CF742B65C724F3',8,'[{"at":1795793383323471,"event":{"attempt_started":{"step":2,"direction":"action","attempt":2}}}]');
INSERT INTO "saga_event" VALUES(X'F4239B64BDBF8925A9CF742B65C724F3',9,'[{"at":1795793383365169,"event":{"attempt_ended":{"step":2,"direction":"action","attempt":2,"outcome":"not_sent","status":503,"reason":"{}","retry_at":1795793383473547}}}]');
INSERT INTO "saga_event" VALUES(X'F4239B64BDBF8925A9CF742B65C724F3',10,'[{"at":1795793383475280,"event":{"attempt_started":{"step":2,"direction":"action","attempt":3}}}]');
INSERT INTO "saga_event" VALUES(X'F4239B64BDBF8925A9CF742B65C724F3',11,'[{"at":1795793383476620,"event":{"attempt_ended":{"step":2,"direction":"action","attempt":3,"outcome":"not_sent","status":503,"reason":"{}","retry_at":1795793383630276}}}]');
INSERT INTO "saga_event" VALUES(X'F4239B64BDBF8925A9CF742B65C724F3',12,'[{"at":1795793383631438,"event":{"attempt_started":{"step":2,"direction":"action","attempt":4}}}]');
INSERT INTO "saga_event" VALUES(X'F4239B64BDBF8925A9CF742B65C724F3',13,'[{"at":1795793383637974,"event":{"attempt_ended":{"step":2,"direction":"action","attempt":4,"outcome":"not_sent","status":503,"reason":"{}","retry_at":1795793383671621}}}]');
INSERT INTO "saga_event" VALUES(X'F4239B64BDBF8925A9CF742B65C724F3',14,'[{"at":1795793383672998,"event":{"attempt_started":{"step":2,"direction":"action","attempt":5}}}]');
INSERT INTO "saga_event" VALUES(X'F4239B64BDBF8925A9CF742B65C724F3',15,'[{"at":1795793383677746,"event":{"attempt_ended":{"step":2,"direction":"action","attempt":5,"outcome":"not_sent","status":503,"reason":"{}","retry_at":1795793383753575}}}]');
INSERT INTO "saga_event" VALUES(X'F4239B64BDBF8925A9CF742B65C724F3',16,'[{"at":1795793383754556,"event":{"attempt_started":{"step":2,"direction":"action","attempt":6}}}]');
INSERT INTO "saga_event" VALUES(X'F4239B64BDBF8925A9CF742B65C724F3',17,'[{"at":1795793383756047,"event":{"attempt_ended":{"step":2,"direction":"action","attempt":6,"outcome":"not_sent","status":503,"reason":"{}","retry_at":1795793383787428}}}]');
INSERT INTO "saga_event" VALUES(X'F4239B64BDBF8925A9CF742B65C724F3',18,'[{"at":1795793383789194,"event":{"attempt_started":{"step":2,"direction":"action","attempt":7}}}]');
INSERT INTO "saga_event" VALUES(X'F4239B64BDBF8925A9CF742B65C724F3',19,'[{"at":1795793383833186,"event":{"attempt_ended":{"step":2,"direction":"action","attempt":7,"outcome":"not_sent","status":503,"reason":"{}","retry_at":1795793383985272}}}]');
INSERT INTO "saga_event" VALUES(X'F4239B64BDBF8925A9CF742B65C724F3',20,'[{"at":1795793383989015,"event":{"attempt_started":{"step":2,"direction":"action","attempt":8}}}]');
INSERT INTO "saga_event" VALUES(X'F4239B64BDBF8925A9CF742B65C724F3',21,'[{"at":1795793383993828,"event":{"attempt_ended":{"step":2,"direction":"action","attempt":8,"outcome":"not_sent","status":503,"reason":"{}","retry_at":1795793384080276}}}]');
INSERT INTO "saga_event" VALUES(X'F4239B64BDBF8925A9CF742B65C724F3',22,'[{"at":1795793384081289,"event":{"attempt_started":{"step":2,"direction":"action","attempt":9}}}]');
INSERT INTO "saga_event" VALUES(X'F4239B64BDBF8925A9CF742B65C724F3',23,'[{"at":1795793384085756,"event":{"attempt_ended":{"step":2,"direction":"action","attempt":9,"outcome":"not_sent","status":503,"reason":"{}","retry_at":1795793384207066}}}]');
INSERT INTO "saga_event" VALUES(X'F4239B64BDBF8925A9CF742B65C724F3',24,'[{"at":1795793384208312,"event":{"attempt_started":{"step":2,"direction":"action","attempt":10}}}]');
CREATE TABLE saga_migration (
        version     INTEGER NOT NULL PRIMARY KEY,
        name        TEXT NOT NULL,
        checksum    TEXT NOT NULL,
        appliquee_le TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
    ) STRICT;
INSERT INTO "saga_migration" VALUES(1,'sagas','3e6709fc63631a0d6929e9b8981cf97a7d928bc042bd692eda03408fb5fff533','2026-11-27T15:29:41Z');
INSERT INTO "saga_migration" VALUES(2,'ownership','082df318d12baf5f9335cfb1a90db2217bb263b0ef95edb6d96af92c8046c048','2026-11-27T15:29:41Z');
INSERT INTO "saga_migration" VALUES(3,'blocked_since','b38bc050a51155a02c61cb9606d7e282e9a424e6d239b62783446fcf4d89ee11','2026-11-27T15:29:41Z');
CREATE INDEX saga_newest ON saga (cree_us, saga_id);
CREATE INDEX saga_client ON saga (client_id, cree_us, saga_id);
CREATE INDEX saga_blocked ON saga (cree_us, saga_id) WHERE rollback = 'BLOQUE';
CREATE VIEW commandes AS
SELECT
    lower(substr(hex(saga_id), 1, 8) || '-' || substr(hex(saga_id), 9, 4) || '-' || substr(hex(saga_id), 13, 4)
        || '-' || substr(hex(saga_id), 17, 4) || '-' || substr(hex(saga_id), 21)) AS id,
    client_id,
    magasin_id,
    etat AS etat_actuel,
    rollback,
    echec_etape,
    echec_raison,
    definition,
    is_over AS terminee,
    strftime('%Y-%m-%dT%H:%M:%S', cree_us / 1000000, 'unixepoch') || printf('.%06dZ', cree_us % 1000000) AS cree_le,
    strftime('%Y-%m-%dT%H:%M:%S', modifie_us / 1000000, 'unixepoch') || printf('.%06dZ', modifie_us % 1000000)
        AS modifie_le
FROM saga;
CREATE VIEW etat_saga AS
SELECT
    lower(substr(hex(saga_id), 1, 8) || '-' || substr(hex(saga_id), 9, 4) || '-' || substr(hex(saga_id), 13, 4)
        || '-' || substr(hex(saga_id), 17, 4) || '-' || substr(hex(saga_id), 21)) AS saga_id,
    json_extract(record.value, '$.etat') AS etat,
    strftime('%Y-%m-%dT%H:%M:%S', json_extract(record.value, '$.at') / 1000000, 'unixepoch')
        || printf('.%06dZ', json_extract(record.value, '$.at') % 1000000) AS timestamp,
    first_seq + record.key AS seq
FROM saga_event, json_each(CASE WHEN json_valid(events) THEN events ELSE '[]' END) AS record
WHERE record.type = 'object' AND json_extract(record.value, '$.etat') IS NOT NULL
ORDER BY saga_event.saga_id, seq;
CREATE INDEX saga_owner ON saga (owner, saga_id) WHERE is_over = 0;
CREATE INDEX saga_demande ON saga (owner, saga_id) WHERE demande IS NOT NULL;
COMMIT;
