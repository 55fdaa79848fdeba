/** What `gatehouse check` says of the certificates of the https listeners, at the line that names them. */
import type { ConfigIssue } from '../../config/report.ts';
import { OperatorError } from '../../core/errors.ts';
import { readRouteHost } from '../../routing/host.ts';
import type { Reading } from '../../runtime/reading.ts';
import { warnAhead } from '../../tls/certificates.ts';
import { dateProblem, readServerCertificate, type ServerCertificate } from '../../tls/server-certificate.ts';
import { placeOfFile } from './file-places.ts';

/** Errors keep the gateway from starting, or visitors from connecting; warnings do neither. */
interface CertificateIssues {
  readonly errors: readonly ConfigIssue[];
  readonly warnings: readonly ConfigIssue[];
}

/** Reads every certificate that the configuration names. */
export async function certificateIssues(reading: Extract<Reading, { kind: 'ok' }>): Promise<CertificateIssues> {
  const { document, locate } = reading;
  const errors: ConfigIssue[] = [];
  const warnings: ConfigIssue[] = [];
  const { tls: sources = [] } = document.server;
  const names: string[] = [];
  for (const [index, source] of sources.entries()) {
    const place = locate(sources.length > 1 ? ['server', 'tls', index] : ['server', 'tls']);
    try {
      const certificate = await readServerCertificate(source);
      names.push(...(certificate.report.certificates[0]?.names ?? []));
      const problem = dateProblem(certificate, Date.now());
      if (problem)
        errors.push({ ...place, message: problem, hint: 'put a certificate that is valid now in its place' });
      warnings.push(...warningsOf(certificate, !problem).map((message) => ({ ...place, message })));
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      const bases = [...(sources.length > 1 ? [] : [['server', 'tls']]), ['server', 'tls', index]];
      const at = placeOfFile(locate, bases, source, error.message);
      errors.push({ ...at, message: error.message, ...(error.hint && { hint: error.hint }) });
    }
  }
  if (errors.length === 0 && sources.length > 0) warnings.push(...uncovered(reading, names));
  return { errors, warnings };
}

/** The public host and those of routes, each once, where no certificate has their name. */
function uncovered({ document, locate }: Extract<Reading, { kind: 'ok' }>, names: readonly string[]): ConfigIssue[] {
  const { publicUrl } = document.server;
  const hosts = new Map([[publicUrl.hostname, { ...locate(['server', 'tls']), what: ', the host of publicUrl' }]]);
  for (const [index, { host = '' }] of document.routes.entries()) {
    const name = readRouteHost(host)?.name;
    if (name !== undefined && !name.startsWith('*.') && !hosts.has(name))
      hosts.set(name, { ...locate(['routes', index, 'host']), what: '' });
  }
  const missing = [...hosts].filter(([host]) => !names.some((name) => isFor(name, host)));
  return missing.map(([host, { what, ...place }]) => ({
    ...place,
    message: `no certificate is for ${host}${what}; they are for ${names.join(', ') || 'nobody'}`,
    hint: 'browsers refuse a certificate of another name; gatehouse cert check FILE shows its names',
  }));
}

function warningsOf({ label, remarks, report }: ServerCertificate, isValid: boolean): string[] {
  const left = report.expires.getTime() - Date.now();
  const end = isValid && left < warnAhead ? [`expires on ${report.expires.toISOString().slice(0, 10)}; renew it`] : [];
  return [...remarks, ...end].map((remark) => `${label}: ${remark}`);
}

function isFor(name: string, host: string): boolean {
  const spelt = name.toLowerCase();
  return spelt === host || (spelt.startsWith('*.') && host.replace(/^[^.]+/, '*') === spelt);
}
