/** A directory on the wire with a manager, who may search, and one user, whose bind is for the test to judge. */
import { entry, type FakeAnswer, result } from './fake-ldap.ts';

const managerDn = 'cn=reader,dc=example,dc=com';

/** The options with which a provider signs in to it. */
export const manager = { managerDn, managerPassword: 'reads' };

/** Its user. */
export const aliceDn = 'uid=alice,dc=example,dc=com';

/** What its user's entry holds. */
export const alice = { uid: ['alice'], cn: ['Alice'] };

/** The directory; `judge` answers to whatever is neither a search nor the manager's bind. */
export const directoryWith =
  (judge: FakeAnswer): FakeAnswer =>
  (request) => {
    const { id, operation, name } = request;
    if (operation === 'search') return Buffer.concat([entry(id, aliceDn, alice), result(id, 101, 0)]);
    if (operation === 'bind' && name === managerDn) return result(id, 97, 0);
    return judge(request);
  };

/** What a rejection says of its user. */
export const aliceFound = {
  subject: 'alice',
  known: { realm: 'directory', subject: 'alice', amr: [], attributes: { name: ['Alice'] }, record: { dn: aliceDn } },
};
