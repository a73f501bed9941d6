// Only the orchestrator may call: each request has its signature (RFC 9421), which is checked before a route sees it.
//
// SIGNED_CALLS_KEYS  the orchestrator's public keys: the URL of its /.well-known/jwks.json, or a file with what
//                    `orchestrateur signing-keys public` prints
// SIGNED_CALLS_HOST  this service's host as definitions name it, such as stock.example.com:8000. Without it, the request's `Host`
//                    is believed: then a call that was made to another service could be repeated here while it is young

const { createHash, createPublicKey, verify } = require('node:crypto');
const { readFile } = require('node:fs/promises');
const { httpbis } = require('http-message-signatures');

const AGE_MAX_S = 60;
const CLOCKS_DIFFER_MAX_S = 5;
const KEYS_KEPT_MS = 300_000;
const KEYS_ASKED_AGAIN_AFTER_MS = 5_000;
const COVERED = ['@method', '@authority', '@path', '@query', 'idempotency-key', 'content-digest'];

/** A call that is not taken, or not now. */
class Unsigned extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

/** The public keys by their ids. They are read again after some minutes, and when an unknown one is used. */
class Keys {
  constructor(source) {
    Object.assign(this, { source, keys: new Map(), readAt: -Infinity, reading: null });
  }

  async find(id) {
    const age = performance.now() - this.readAt;
    if (age > KEYS_KEPT_MS || (!this.keys.has(id) && age > KEYS_ASKED_AGAIN_AFTER_MS)) {
      this.reading ??= this.read().finally(() => { this.reading = null; }); // calls that come meanwhile wait for the same
      await this.reading;
    }
    return this.keys.get(id);
  }

  async read() {
    try {
      const isUrl = /^https?:/.test(this.source);
      const text = isUrl
        ? await (await fetch(this.source, { signal: AbortSignal.timeout(5_000) })).text()
        : await readFile(this.source, 'utf8');
      const keys = JSON.parse(text).keys.filter((key) => key.crv === 'Ed25519');
      this.keys = new Map(keys.map((jwk) => [jwk.kid, createPublicKey({ key: jwk, format: 'jwk' })]));
      this.readAt = performance.now();
    } catch (error) {
      throw new Unsigned(503, `the orchestrator's keys cannot be read: ${error.message}`); // another attempt may help
    }
  }
}

/** Two checks: of a request's head, as a middleware, and of its bytes, as `verify` of a body parser. */
function onlySignedCalls(source, host) {
  const keys = new Keys(source);

  const keyLookup = async ({ keyid, tag }) => {
    const key = tag === 'orchestrateur' ? await keys.find(keyid) : undefined;
    return key ? { algs: ['ed25519'], verify: async (text, signature) => verify(null, text, key, signature) } : null;
  };

  const checkHead = async (request, response, next) => {
    const [path, ...query] = request.originalUrl.split('?'); // as they were sent
    const sent = {
      '@authority': host ?? request.headers.host,
      '@path': path,
      '@query': `?${query.join('?')}`,
    };
    const config = {
      keyLookup,
      componentParser: (name) => (name in sent ? [sent[name]] : null),
      requiredFields: COVERED,
      requiredParams: ['created', 'expires', 'keyid', 'alg', 'tag'],
      maxAge: AGE_MAX_S,
      tolerance: CLOCKS_DIFFER_MAX_S,
    };
    try {
      const { method, headers } = request;
      const isGood = await httpbis.verifyMessage(config, { method, headers, url: 'http://unused' });
      if (isGood !== true) throw new Error(isGood === null ? 'it has no signature of a known key' : 'its signature is wrong');
      if (!hasBody(request)) checkBody(request, response, Buffer.alloc(0)); // no parser sees it
    } catch (error) {
      if (error instanceof Unsigned) return next(error);
      return next(new Unsigned(401, `this service takes calls of the orchestrator alone: ${error.message}`));
    }
    return next();
  };

  const checkBody = (request, response, bytes) => {
    const digest = createHash('sha256').update(bytes).digest('base64');
    if (request.get('content-digest') !== `sha-256=:${digest}:`) throw new Unsigned(401, 'the body is not the one that was signed');
  };

  return { checkHead, checkBody };
}

const hasBody = ({ headers }) => 'transfer-encoding' in headers || 'content-length' in headers;

/** The checks as the environment says; without SIGNED_CALLS_KEYS, calls need no signature. */
function fromEnvironment() {
  const { SIGNED_CALLS_KEYS: source, SIGNED_CALLS_HOST: host } = process.env;
  return source ? onlySignedCalls(source, host) : { checkHead: (request, response, next) => next(), checkBody: undefined };
}

module.exports = { Unsigned, fromEnvironment, onlySignedCalls };
