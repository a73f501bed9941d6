// An identity provider by others: oidc-provider, with clients that get access tokens for themselves (client_credentials).
//
// Arguments: the path of oidc-provider's module. It listens on a port of its own choice, says its URL in a line, and goes
// when its input ends.

import { createServer } from "node:http";
import { generateKeyPairSync } from "node:crypto";

const { default: Provider } = await import(process.argv[2]);

const server = createServer();
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;

const key = (kid, type, options) => ({ ...generateKeyPairSync(type, options).privateKey.export({ format: "jwk" }), kid, use: "sig" });
const keys = {
  RS256: key("r", "rsa", { modulusLength: 2048 }),
  PS256: key("p", "rsa", { modulusLength: 2048 }),
  ES256: key("e", "ec", { namedCurve: "P-256" }),
  EdDSA: key("d", "ed25519"),
};

const client = (client_id) => ({
  client_id, client_secret: "secret", token_endpoint_auth_method: "client_secret_post",
  grant_types: ["client_credentials"], redirect_uris: [], response_types: [],
});

const provider = new Provider(issuer, {
  jwks: { keys: Object.entries(keys).map(([alg, key]) => ({ ...key, alg })) },
  clients: ["start", "read", "none"].map(client),
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      // `urn:orders:ES256`: a token for us, signed by that algorithm.
      getResourceServerInfo: (_, resource) => ({
        scope: "",
        audience: resource.startsWith("urn:orders:") ? "orders" : "others",
        accessTokenFormat: "jwt",
        jwt: { sign: { alg: resource.split(":").at(-1) } },
      }),
    },
  },
  extraTokenClaims: (_, token) => ({ realm_access: { roles: [token.clientId, "offline_access"] } }),
});

server.on("request", provider.callback());
console.log(issuer);
process.stdin.on("end", () => process.exit()).resume();
