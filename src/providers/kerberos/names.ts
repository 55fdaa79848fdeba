/** Names of Kerberos: those of users as the library shows them, and the SPNs under which the gateway accepts tickets. */
import { federatedUsername } from '../../core/principal.ts';

/** A client's name, taken apart; `name` is without the library's escapes. */
interface ClientName {
  readonly name: string;
  readonly realm: string;
}

/** The name of a service. Without a realm it stands for that name in any realm of the keytab. */
export interface Spn {
  readonly service: string;
  readonly host: string;
  readonly realm?: string;
}

/**
 * Reads the name of a person. Undefined for anything else: services and instances (`host/pc`, `alice/admin`), machines
 * (`PC01$`), and names with signs that the library has to escape, among them an `@` that would pass for a realm.
 */
export function readPerson(principal: string): ClientName | undefined {
  const [, name, realm] = /^([^@/\\]+)@([^@/\\]+)$/.exec(principal) ?? [];
  if (name === undefined || realm === undefined || name.endsWith('$')) return undefined;
  // A name that only folding makes equal to another's is nobody's.
  return federatedUsername(name) !== undefined && name.trim() === name ? { name, realm } : undefined;
}

/** Reads an SPN such as `HTTP/cc.example.com@EXAMPLE.COM`; undefined when it is none. */
export function readSpn(text: string): Spn | undefined {
  const [, service, host, realm] = /^([A-Za-z][\w-]*)\/([^\s/@\\]+)(?:@([^\s/@\\]+))?$/.exec(text) ?? [];
  if (service === undefined || host === undefined) return undefined;
  return { service, host, ...(realm !== undefined && { realm }) };
}

/** An SPN as it is written. */
export function spnText({ service, host, realm }: Spn): string {
  return realm === undefined ? `${service}/${host}` : `${service}/${host}@${realm}`;
}

/** Whether a principal of the keytab is the one meant. Hosts compare without case, as in DNS and Active Directory. */
export function isSpn(principal: string, wanted: Spn): boolean {
  const found = readSpn(principal);
  if (!found || found.service !== wanted.service) return false;
  if (wanted.realm !== undefined && found.realm !== wanted.realm) return false;
  return found.host.toLowerCase() === wanted.host.toLowerCase();
}
