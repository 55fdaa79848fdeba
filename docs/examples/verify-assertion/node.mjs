/**
 * Verifies the assertion that Gatehouse sends to applications in X-Gatehouse-Assertion. Node 20 and later, with jose.
 * Tried by hand, with a token a line: node node.mjs ISSUER AUDIENCE KEYS < tokens
 */
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { createRemoteJWKSet, jwtVerify } from 'jose';

/**
 * Makes the function that verifies tokens. Make it once: it keeps the keys for ten minutes, and asks for an unknown one at
 * most every thirty seconds.
 *
 * `issuer` is the origin of server.publicUrl, `audience` the origin of this application as routes name it (the first, when
 * a route lists several), `keys` the address of /_gate/jwks.json.
 */
export function assertionVerifier({ issuer, audience, keys }) {
  const keySet = createRemoteJWKSet(new URL(keys), {
    cacheMaxAge: 600_000,
    cooldownDuration: 30_000,
    timeoutDuration: 2000,
  });
  const options = {
    issuer,
    audience,
    algorithms: ['EdDSA'], // never what the token itself says
    requiredClaims: ['sub', 'iat', 'exp'],
    maxTokenAge: '60s',
    clockTolerance: 5,
  };
  return async (token) => (await jwtVerify(token, keySet, options)).payload;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [issuer, audience, keys] = process.argv.slice(2);
  const verify = assertionVerifier({ issuer, audience, keys });
  for await (const token of createInterface({ input: process.stdin }))
    try {
      console.log(JSON.stringify(await verify(token.trim())));
    } catch (error) {
      console.log(`refused: ${error.message}`);
    }
}
