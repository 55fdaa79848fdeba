/** What a CAS server says about a ticket: `cas:serviceResponse` of CAS 2.0 and 3.0, read path by path. */
import { childrenOf, type Element, plainText, readXml, withoutLayout, XmlError } from './xml.ts';

const namespace = 'http://www.yale.edu/tp/cas';

/** The server's word on a ticket. */
export type TicketAnswer =
  | {
      readonly kind: 'success';
      readonly user: string;
      /** By the names that the server uses, case kept. */
      readonly attributes: ReadonlyMap<string, readonly string[]>;
      /** Who has passed the user on, the last one first; empty for a service ticket. */
      readonly proxies: readonly string[];
    }
  /** `code` is the server's, such as `INVALID_TICKET`. Its text is dropped: servers repeat the ticket in it. */
  | { readonly kind: 'failure'; readonly code: string };

/** Reads an answer. Throws an XmlError for anything but one unambiguous success or failure. */
export function readTicketAnswer(document: string): TicketAnswer {
  const root = readXml(document);
  if (root.namespace !== namespace || root.name !== 'serviceResponse')
    throw new XmlError('the document is not a serviceResponse of CAS');
  const [verdict, ...others] = root.children;
  if (!verdict || others.length > 0 || verdict.namespace !== namespace)
    throw new XmlError('the serviceResponse does not hold exactly one verdict');
  if (verdict.name === 'authenticationFailure') return { kind: 'failure', code: codeOf(verdict) };
  if (verdict.name === 'authenticationSuccess') return readSuccess(verdict);
  throw new XmlError('the serviceResponse holds neither success nor failure');
}

function codeOf(failure: Element): string {
  const code = failure.attributes.get('code')?.trim() ?? '';
  return /^[A-Z][A-Z_]{0,63}$/.test(code) ? code : 'UNKNOWN';
}

function readSuccess(success: Element): TicketAnswer {
  const user = plainText(only(success, 'user') ?? missing('user'));
  // Who counts and compares names must see the same one everywhere.
  if (user === '' || user.length > 256 || /\p{Cc}/u.test(user)) throw new XmlError('the user has no usable name');
  const proxies = only(success, 'proxies');
  return {
    kind: 'success',
    user,
    attributes: readAttributes(success),
    proxies: proxies ? childrenOf(proxies, namespace, 'proxy').map(plainText) : [],
  };
}

/**
 * CAS 3.0 has `<cas:attributes><cas:mail>…`, older servers `<cas:attribute name="mail" value="…"/>`. Some send both, with the
 * same content: the first style counts.
 */
function readAttributes(success: Element): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  const add = (name: string, value: string): void => {
    const values = found.get(name);
    if (value === '') return;
    if (values) values.push(value);
    else found.set(name, [value]);
  };
  const standard = only(success, 'attributes');
  if (standard) {
    // What has elements of its own is no value that a role or a header could take.
    for (const child of standard.children)
      if (child.namespace === namespace && child.children.length === 0) add(child.name, plainText(child));
  } else {
    for (const { attributes } of childrenOf(success, namespace, 'attribute'))
      add(attributes.get('name') ?? '', withoutLayout(attributes.get('value') ?? ''));
  }
  found.delete('');
  return found;
}

function only(parent: Element, name: string): Element | undefined {
  const [first, ...others] = childrenOf(parent, namespace, name);
  if (others.length > 0) throw new XmlError(`there is more than one ${name}`);
  return first;
}

function missing(name: string): never {
  throw new XmlError(`there is no ${name}`);
}
