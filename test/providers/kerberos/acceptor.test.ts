/** A ticket that the library has accepted counts only where it was made for us; the library itself tries every key of the keytab. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { KerberosServer } from 'kerberos';
import { Acceptor } from '../../../src/providers/kerberos/acceptor.ts';
import type { KerberosAddon } from '../../../src/providers/kerberos/addon.ts';
import { temporaryFolder } from '../../support/tools/folder.ts';
import { keytabBytes } from '../../support/tools/keytab.ts';

const ours = 'HTTP/cc.example.com@EXAMPLE.COM';
const [ourKey, otherKey] = [randomBytes(32), randomBytes(32)];

/** The library as it is once it has accepted a token that was made for `targetName`. */
function accepting(targetName: string, more: Partial<KerberosServer> = {}): KerberosAddon {
  const accepted = { username: 'alice@EXAMPLE.COM', targetName, response: null, contextComplete: true, ...more };
  return { initializeServer: async () => ({ ...accepted, step: async () => '' }) as unknown as KerberosServer };
}

/** The keytab has our key, also under the name of a short host, and that of another service of the machine. */
async function accept(t: TestContext, addon: KerberosAddon) {
  const keytab = join(await temporaryFolder(t), 'cc.keytab');
  writeFileSync(
    keytab,
    keytabBytes([
      { principal: ours, key: ourKey },
      { principal: 'HTTP/cc@EXAMPLE.COM', key: ourKey },
      { principal: 'HTTP/wiki.example.com@EXAMPLE.COM', key: otherKey },
      { principal: 'host/cc.example.com@EXAMPLE.COM', key: otherKey },
    ]),
  );
  const lease = { apply: () => undefined, release: () => undefined };
  const spns = [{ service: 'HTTP', host: 'cc.example.com', realm: 'EXAMPLE.COM' }];
  return new Acceptor({ addon, lease, spns, keytab }).accept('YIIA');
}

for (const target of [ours, 'HTTP/CC.example.com@EXAMPLE.COM', 'HTTP/cc@EXAMPLE.COM'])
  test(`kerberos: a ticket for ${target} is ours`, async (t) => {
    assert.deepEqual(await accept(t, accepting(target)), { kind: 'accepted', client: 'alice@EXAMPLE.COM' });
  });

for (const target of [
  'HTTP/wiki.example.com@EXAMPLE.COM',
  'host/cc.example.com@EXAMPLE.COM',
  'HTTP/cc.example.com@PARTNER.REALM',
  'HTTP/nobody.example.com@EXAMPLE.COM',
])
  test(`kerberos: a ticket for ${target} is refused, though the keytab may have its key`, async (t) => {
    const detail = `the ticket is for ${target}`;
    assert.deepEqual(await accept(t, accepting(target)), { kind: 'rejected', reason: 'ticket-rejected', detail });
  });

test('kerberos: a handshake that is not complete, or names nobody, is refused', async (t) => {
  for (const more of [{ contextComplete: false }, { username: '' }, { targetName: '' }]) {
    const { kind } = await accept(t, accepting(ours, more));
    assert.equal(kind, 'rejected', JSON.stringify(more));
  }
});
