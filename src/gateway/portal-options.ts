/** What the portal is told of a configuration. */
import type { PortalOptions } from '../portal/build.ts';
import type { Applications } from './applications.ts';
import type { Document } from './document.ts';
import { labelsOf } from './routes.ts';
import { hstsSeconds } from './transport-security.ts';

/** The options of the portal, with what it asks of the applications. */
export function portalOptions(document: Document, applications: Applications): PortalOptions {
  const { login, pages, passwords, server } = document;
  return {
    publicUrl: server.publicUrl,
    pages,
    passwords,
    hsts: hstsSeconds(server),
    defaultMethod: login.external ? login.default : undefined,
    applications: (visitor) => applications.of(visitor),
    labelAt: (returnTo, host) => applications.labelAt(returnTo, host),
    demandAt: (address, host) => applications.demandAt(address, host),
    homeHref: applications.isEmpty ? '/' : '/_gate/',
    words: ({ access }, reason) => ({ openTo: labelsOf(document, access, reason) }),
  };
}
