/** The `logoutRequest` that a CAS server posts when a user signs out there: which ticket's session is over. */
import { isTicket } from './tickets.ts';
import { childrenOf, plainText, readXml, XmlError } from './xml.ts';

const protocol = 'urn:oasis:names:tc:SAML:2.0:protocol';
const maxCharacters = 16 * 1024;

/** The ticket that a `samlp:LogoutRequest` names. Throws an XmlError for anything else. */
export function readLogoutRequest(document: string): string {
  if (document.length > maxCharacters) throw new XmlError('the document is too large');
  const root = readXml(document);
  if (root.namespace !== protocol || root.name !== 'LogoutRequest')
    throw new XmlError('the document is not a LogoutRequest of SAML 2.0');
  const [index, ...others] = childrenOf(root, protocol, 'SessionIndex');
  if (!index || others.length > 0) throw new XmlError('the LogoutRequest does not name exactly one SessionIndex');
  const ticket = plainText(index).trim();
  if (!isTicket(ticket)) throw new XmlError('the SessionIndex is not a ticket');
  return ticket;
}
