/** Distinguished names in one spelling (RFC 4514), so that a group named by its DN is that group and no other. */

/** A distinguished name that was read. */
export interface DistinguishedName {
  /** The same for every spelling of the same name. */
  readonly canonical: string;
  /** The value of the first RDN, such as `agents`; undefined when that RDN has several. */
  readonly leaf: string | undefined;
}

interface Attribute {
  readonly type: string;
  readonly value: string;
}

const type = /^\s*(?:oid\.)?([a-z][a-z0-9-]*|\d+(?:\.\d+)+)\s*=\s*/i;
const otherTypes: Readonly<Record<string, string>> = {
  '2.5.4.3': 'cn',
  commonname: 'cn',
  '2.5.4.10': 'o',
  organizationname: 'o',
  '2.5.4.11': 'ou',
  organizationalunitname: 'ou',
  '2.5.4.6': 'c',
  countryname: 'c',
  '0.9.2342.19200300.100.1.25': 'dc',
  domaincomponent: 'dc',
  '0.9.2342.19200300.100.1.1': 'uid',
  userid: 'uid',
};

/** The one spelling of a name that directories compare without regard to case: NFKC, lower case, single spaces. */
export function foldName(name: string): string {
  return name.normalize('NFKC').replace(/\s+/g, ' ').trim().toLowerCase();
}

/** Reads a distinguished name; undefined for text that is none, such as a plain group name. */
export function readDn(text: string): DistinguishedName | undefined {
  const names: Attribute[][] = [[]];
  let rest = text;
  for (;;) {
    const start = type.exec(rest);
    if (!start) return undefined;
    const value = readValue(rest.slice(start[0].length));
    if (!value) return undefined;
    const written = start[1]?.toLowerCase() ?? '';
    names.at(-1)?.push({ type: otherTypes[written] ?? written, value: foldName(value.text) });
    if (value.rest === '') break;
    if (value.rest.startsWith('+')) rest = value.rest.slice(1);
    else {
      names.push([]);
      rest = value.rest.slice(1);
    }
  }
  const [first = []] = names;
  // Ordered, since the attributes of one RDN are a set; quoted, since values may hold any sign.
  const canonical = JSON.stringify(names.map((name) => name.map(({ type, value }) => [type, value]).sort(byText)));
  return { canonical, leaf: first.length === 1 ? first[0]?.value : undefined };
}

function byText(a: readonly string[], b: readonly string[]): number {
  return JSON.stringify(a) < JSON.stringify(b) ? -1 : 1;
}

/** Reads a value up to the next unescaped comma, semicolon or plus sign; quotes are RFC 2253's. */
function readValue(text: string): { text: string; rest: string } | undefined {
  const quoted = /^"((?:[^"\\]|\\.)*)"\s*(?=[,;+]|$)/s.exec(text);
  if (quoted) return { text: unescapeValue(quoted[1] ?? ''), rest: text.slice(quoted[0].length) };
  const [plain = ''] = /^(?:[^\\,;+"<>]|\\[0-9a-f]{2}|\\[^0-9a-f])*/is.exec(text) ?? [];
  const rest = text.slice(plain.length);
  return plain.trim() === '' || !/^(?:[,;+]|$)/.test(rest) ? undefined : { text: unescapeValue(plain), rest };
}

function unescapeValue(value: string): string {
  return value.replace(/(?:\\[0-9a-f]{2})+|\\(.)/gis, (escaped, sign: string | undefined) =>
    sign === undefined ? Buffer.from(escaped.replaceAll('\\', ''), 'hex').toString('utf8') : sign,
  );
}
