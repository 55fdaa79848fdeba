/**
 * Exports to HAProxy, which ends TLS in front of the gateway and passes everything on; the gateway carries the requests.
 * Debian's HAProxy cannot ask for a verdict by itself: that takes a Lua library it does not bring, or an agent.
 */
import { clearedFor, type Exported, type ExportSite, furtherPorts, hostAndPort, listenFor } from './site.ts';

/** Writes the configuration. */
export function exportHaproxy(site: ExportSite): Exported {
  const { publicUrl, gateway, certificate, maxHeaderSize } = site;
  const isHttps = publicUrl.protocol === 'https:';
  const pem = certificate.replace(/\.crt$/, '.pem');
  // One buffer holds a request's head and room to rewrite it.
  const buffer = maxHeaderSize + 16_384;
  const text = `# Written by \`gatehouse export haproxy\`. HAProxy ends TLS and passes requests to the gateway, which carries them to the
# applications: logout cuts their connections too. HAProxy must be in server.trustedProxies of the gateway.
# docs/forward-auth.md says why HAProxy does not ask for verdicts instead.
global
  tune.bufsize ${buffer}
  tune.maxrewrite 8192

defaults
  mode http
  timeout connect 5s
  timeout client 75s
  timeout server 1h
  timeout tunnel 24h
  timeout http-request 15s
  timeout http-keep-alive 65s
  option http-keep-alive
  option dontlognull

${frontend(site, pem)}

backend gatehouse
  # The target goes on as the client sent it: the gateway reads it once.
  http-reuse safe
  server gatehouse ${hostAndPort(gateway)} check
`;
  const notes = isHttps ? [`put the site's certificate, its chain and its key in one file at ${pem}`] : [];
  return { text, notes };
}

function frontend(site: ExportSite, pem: string): string {
  const { publicUrl, listen } = site;
  const isHttps = publicUrl.protocol === 'https:';
  const binds = [listen, ...furtherPorts(site).map((port) => listenFor(site, port))].map(
    (at) =>
      `  bind ${at.includes(':') ? at : `:${at}`}${isHttps ? ` ssl crt ${pem} ssl-min-ver TLSv1.2 alpn h2,http/1.1` : ''}`,
  );
  const plain =
    isHttps && listen === '443' ? 'frontend plain\n  bind :80\n  http-request redirect scheme https code 308\n\n' : '';
  return `${plain}frontend site
${binds.join('\n')}
  # Names that an upstream could take for ours or for a proxy's: X_Remote_User and the like.
  option http-restrict-req-hdr-names delete
  # Verdicts are for proxies that carry requests themselves.
  http-request deny deny_status 404 if { path,url_dec -m beg /_gate/auth }
  # What a client says about itself counts for nothing.
${cleared(site).join('\n')}
  http-request set-header X-Gatehouse-From client
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Proto ${isHttps ? 'https' : 'http'}
  default_backend gatehouse`;
}

/** Families by how their names begin, and every other name. */
function cleared(site: ExportSite): string[] {
  const families = ['x-forwarded-', 'x-original-', 'x-remote-', 'x-gatehouse-', ...site.namesOfProxies.families];
  const names = clearedFor(site).filter((name) => !families.some((family) => name.startsWith(family)));
  return [
    ...names.map((name) => `  http-request del-header ${name}`),
    ...families.map((family) => `  http-request del-header ${family} -m beg`),
  ];
}
