/**
 * A program of its own, started by `kerberos-tokens.ts`: makes the token that a browser would send. Tickets are chosen by environment
 * variables of the whole process, so this must not happen in the process that accepts tokens.
 */
import { createInterface } from 'node:readline';
import kerberos from 'kerberos';
import type { TokenOrder } from '../servers/kerberos-tokens.ts';

async function makeToken({ principal, keytab, cache, service, mutual, bare }: TokenOrder): Promise<string> {
  Object.assign(process.env, { KRB5CCNAME: cache, KRB5_CLIENT_KTNAME: keytab });
  const { GSS_C_MUTUAL_FLAG, GSS_C_REPLAY_FLAG, GSS_C_SEQUENCE_FLAG } = kerberos;
  const options = {
    principal,
    mechOID: bare ? kerberos.GSS_MECH_OID_KRB5 : kerberos.GSS_MECH_OID_SPNEGO,
    flags: (mutual ? GSS_C_MUTUAL_FLAG : 0) | GSS_C_REPLAY_FLAG | GSS_C_SEQUENCE_FLAG,
  };
  const client = await kerberos.initializeClient(service, options);
  return client.step('');
}

for await (const line of createInterface({ input: process.stdin })) {
  const answer = await makeToken(JSON.parse(line) as TokenOrder).then(
    (token) => ({ token }),
    (error: unknown) => ({ error: String(error) }),
  );
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
