/** XiVO's eight applications: from the hosts of its settings to routes, as the nginx of XiVO distributes its paths. */

import type { Setting, Settings } from './settings.ts';
import type { Translation } from './translation.ts';

/** The variables that say where the applications are. */
export const hostVariables = [
  'XUC_HOST',
  'XIVO_HOST',
  'RECORDING_SERVER_HOST',
  'RECORDING_SERVER_PORT',
  'REPORTING_HOST',
] as const;

interface Application {
  readonly name: string;
  readonly location: string;
  readonly upstream: (host: string, port: string) => string;
  readonly host: 'XUC_HOST' | 'XIVO_HOST' | 'RECORDING_SERVER_HOST' | 'REPORTING_HOST';
  readonly websocket?: boolean;
}

/** The table of XiVO's manual, “Nginx path distribution”, in its order. */
const applications: readonly Application[] = [
  { name: 'fingerboard', location: '/fingerboard', host: 'XUC_HOST', upstream: (host) => `http://${host}/` },
  { name: 'ucassistant', location: '/', host: 'XUC_HOST', upstream: (host) => `http://${host}/`, websocket: true },
  {
    name: 'ccagent',
    location: '/ccagent',
    host: 'XUC_HOST',
    upstream: (host) => `http://${bare(host)}:8070/ccagent`,
    websocket: true,
  },
  {
    name: 'ccmanager',
    location: '/ccmanager',
    host: 'XUC_HOST',
    upstream: (host) => `http://${bare(host)}:8070/ccmanager`,
    websocket: true,
  },
  { name: 'configmgt', location: '/configmgt', host: 'XIVO_HOST', upstream: (host) => `http://${host}:9100/configmgt` },
  { name: 'kibana', location: '/kibana', host: 'XUC_HOST', upstream: (host) => `http://${host}/kibana` },
  {
    name: 'recording',
    location: '/recording',
    host: 'RECORDING_SERVER_HOST',
    upstream: (host, port) => `http://${host}:${port}/recording`,
  },
  { name: 'SpagoBI', location: '/SpagoBI', host: 'REPORTING_HOST', upstream: (host) => `http://${host}:9500/SpagoBI` },
];

const hostName = /^(?:[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?)(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*$/;

/** Adds the public address and the routes. Over a configuration with routes of its own, only the public host. */
export function translateRoutes(translation: Translation, settings: Settings): void {
  const xuc = hostOf(translation, settings, 'XUC_HOST');
  translatePublicUrl(translation, xuc);
  if (translation.at('routes') !== undefined) return;
  if (translation.existing && !settings.has('XUC_HOST')) return;
  if (!settings.has('XUC_HOST')) {
    translation.problem(
      'environment',
      'XUC_HOST is not set',
      'set it to the name that browsers use for the contact center',
    );
    return;
  }
  const inner = settings.get('GATEHOUSE_XUC_HOST');
  if (inner && !(isHost(inner.value.replace(/:\d{1,5}$/, '')) && URL.canParse(`http://${inner.value}`)))
    translation.problem(
      inner.origin,
      'GATEHOUSE_XUC_HOST must be a host, or host:port',
      'such as xuc or 10.0.0.5:8080',
    );
  translateApplications(translation, settings, inner ?? xuc);
  if (xuc && !inner)
    translation.caution({
      key: ['routes', 0, 'upstream'],
      origin: xuc.origin,
      message: `XUC_HOST is the name that browsers use and the upstream too: where ${xuc.value} leads back to the gateway, requests go in a circle`,
      hint: 'set GATEHOUSE_XUC_HOST to the name or address under which the gateway reaches XUC itself',
    });
}

/** A route for each application whose host is known; `xuc` is where XUC is reached. */
function translateApplications(translation: Translation, settings: Settings, xuc: Setting | undefined): void {
  let index = 0;
  for (const { name, location, host: variable, upstream, websocket } of applications) {
    const host = variable === 'XUC_HOST' ? xuc : hostOf(translation, settings, variable);
    const port = settings.get('RECORDING_SERVER_PORT');
    if (!host || (name === 'recording' && !port)) {
      const missing = host ? 'RECORDING_SERVER_PORT' : variable;
      if (!settings.has(variable) || host)
        translation.leaveOut('the table of applications', `the route ${location}`, `${missing} is not set`);
      continue;
    }
    if (name === 'recording' && port && !isPort(port.value))
      translation.problem(port.origin, 'RECORDING_SERVER_PORT must be a port', 'such as 9400');
    translation.set(
      ['routes', index],
      { name, location, upstream: upstream(host.value, port?.value ?? ''), ...(websocket && { websocket }) },
      host.origin,
    );
    index += 1;
  }
}

/** What browsers see is XUC_HOST, over https where the configuration does not say otherwise. */
function translatePublicUrl(translation: Translation, xuc: Setting | undefined): void {
  const present = translation.at('server', 'publicUrl');
  if (!xuc) return;
  const url = typeof present === 'string' && URL.canParse(present) ? new URL(present) : new URL('https://host');
  url.hostname = xuc.value;
  translation.set(['server', 'publicUrl'], url.origin, xuc.origin);
}

function hostOf(translation: Translation, settings: Settings, name: string): Setting | undefined {
  const setting = settings.get(name);
  if (!setting || isHost(setting.value)) return setting;
  const hint = /^["']|["']$/.test(setting.value)
    ? 'write it without quotes: docker does not take them off'
    : 'write a host alone, such as xuc.example.com';
  translation.problem(setting.origin, `${name} must be a host name or an address`, hint);
  return undefined;
}

function isHost(text: string): boolean {
  return hostName.test(text) && URL.canParse(`http://${text}`);
}

function isPort(text: string): boolean {
  return /^[1-9]\d{0,4}$/.test(text) && Number(text) <= 65_535;
}

function bare(host: string): string {
  return host.replace(/:\d+$/, '');
}
