/** What `gatehouse check` says of the certificates of listeners and streams, at the line that names them. */
import type { KeyPath } from '../../config/load.ts';
import type { ConfigIssue } from '../../config/report.ts';
import { OperatorError } from '../../core/errors.ts';
import { type ListenerPlan, plansOf } from '../../edge/listener-plan.ts';
import type { Document } from '../../gateway/document.ts';
import { readRouteHost } from '../../routing/host.ts';
import type { Reading } from '../../runtime/reading.ts';
import { warnAhead } from '../../tls/certificates.ts';
import type { CertificateSource } from '../../tls/options.ts';
import { dateProblem, readServerCertificate, type ServerCertificate } from '../../tls/server-certificate.ts';
import { placeOfFile } from './file-places.ts';

/** Errors keep the gateway from starting, or visitors from connecting; warnings do neither. */
interface CertificateIssues {
  readonly errors: readonly ConfigIssue[];
  readonly warnings: readonly ConfigIssue[];
}

/** The certificates of one listener, where they stand. */
interface Served {
  readonly plan: ListenerPlan;
  readonly at: KeyPath;
  readonly names: string[];
}

/** Reads every certificate that the configuration names. */
export async function certificateIssues(reading: Extract<Reading, { kind: 'ok' }>): Promise<CertificateIssues> {
  const { document, locate } = reading;
  const errors: ConfigIssue[] = [];
  const warnings: ConfigIssue[] = [];
  const served: Served[] = [];
  for (const { plan, at, sources } of placesOf(document)) {
    const names: string[] = [];
    if (plan) served.push({ plan, at, names });
    for (const [index, source] of sources.entries()) {
      const place = locate(sources.length > 1 ? [...at, index] : at);
      try {
        const certificate = await readServerCertificate(source);
        names.push(...(certificate.report.certificates[0]?.names ?? []));
        const problem = dateProblem(certificate, Date.now());
        if (problem)
          errors.push({ ...place, message: problem, hint: 'put a certificate that is valid now in its place' });
        warnings.push(...warningsOf(certificate, !problem).map((message) => ({ ...place, message })));
      } catch (error) {
        if (!(error instanceof OperatorError)) throw error;
        const bases = [...(sources.length > 1 ? [] : [at]), [...at, index]];
        const found = placeOfFile(locate, bases, source, error.message);
        errors.push({ ...found, message: error.message, ...(error.hint && { hint: error.hint }) });
      }
    }
  }
  if (errors.length === 0 && served.length > 0)
    warnings.push(...uncovered(reading, served), ...shared(reading, served));
  return { errors, warnings };
}

/** Where certificates stand: at listeners, each with what it serves, and at streams. */
function placesOf(document: Document): { plan?: ListenerPlan; at: KeyPath; sources: readonly CertificateSource[] }[] {
  const listeners = plansOf(document).map((plan) => ({
    plan,
    at: document.listeners ? ['listeners', plan.name, 'tls'] : ['server', 'tls'],
    sources: plan.tls ?? [],
  }));
  const streams = Object.entries(document.streams).map(([name, { tls }]) => ({
    at: ['streams', name, 'tls'],
    sources: tls ?? [],
  }));
  return [...listeners, ...streams].filter(({ sources }) => sources.length > 0);
}

/** The public host and those of routes and listeners, each once, where no certificate has their name. */
function uncovered({ document, locate }: Extract<Reading, { kind: 'ok' }>, served: readonly Served[]): ConfigIssue[] {
  const { publicUrl } = document.server;
  const all = served.flatMap(({ names }) => names);
  const first = served[0]?.at ?? [];
  const hosts = new Map([[publicUrl.hostname, { ...locate(first), what: ', the host of publicUrl', names: all }]]);
  for (const [index, { host = '' }] of document.routes.entries()) {
    const name = readRouteHost(host)?.name;
    if (name !== undefined && !name.startsWith('*.') && !hosts.has(name))
      hosts.set(name, { ...locate(['routes', index, 'host']), what: '', names: all });
  }
  for (const { plan, names } of served)
    for (const [index, host] of plan.hosts.entries())
      hosts.set(host, {
        ...locate(['listeners', plan.name, 'hosts', index]),
        what: `, a host of listener ${plan.name}`,
        names,
      });
  const missing = [...hosts].filter(([host, { names }]) => !names.some((name) => isFor(name, host)));
  return missing.map(([host, { what, names, ...place }]) => ({
    ...place,
    message: `no certificate is for ${host}${what}; they are for ${names.join(', ') || 'nobody'}`,
    hint: 'browsers refuse a certificate of another name; gatehouse cert check FILE shows its names',
  }));
}

/** A browser takes an HTTP/2 connection for every host that its certificate has (RFC 9113 §9.1.1), and gets 421 for this one. */
function shared({ locate }: Extract<Reading, { kind: 'ok' }>, served: readonly Served[]): ConfigIssue[] {
  const asking = served.filter(({ plan }) => plan.clients);
  return asking.flatMap(({ plan: { name, hosts } }) =>
    hosts.flatMap((host) =>
      served
        .filter((other) => other.plan.name !== name && other.names.some((one) => isFor(one, host)))
        .map(({ plan: other, at }) => ({
          ...locate(at),
          message: `the certificate of listener ${other.name} is also for ${host}, whose listener ${name} asks for client certificates`,
          hint: `a client may come for it on a connection of ${other.name}, and is told 421; have a certificate issued without that name`,
        })),
    ),
  );
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
