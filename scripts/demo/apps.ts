/** The eight applications of a XiVO contact center, by the paths under which its nginx serves them. */

/** One application of the demo. */
export interface App {
  /** Where it lives; the one at the root has the empty path. */
  readonly path: string;
  readonly id: string;
  readonly name: string;
  /** What people do with it. */
  readonly purpose: string;
}

/** The applications, the launcher first. */
export const apps: readonly App[] = [
  { path: '/fingerboard', id: 'fingerboard', name: 'Fingerboard', purpose: 'Every application at a glance' },
  { path: '', id: 'assistant', name: 'UC Assistant', purpose: 'Calls, contacts and presence' },
  { path: '/ccagent', id: 'ccagent', name: 'CC Agent', purpose: 'The agent’s desktop' },
  { path: '/ccmanager', id: 'ccmanager', name: 'CC Manager', purpose: 'Queues and agents, for supervisors' },
  { path: '/configmgt', id: 'configmgt', name: 'Config Mgt', purpose: 'Rights of supervisors and administrators' },
  { path: '/kibana', id: 'kibana', name: 'Kibana', purpose: 'Traffic, drawn' },
  { path: '/recording', id: 'recording', name: 'Recording', purpose: 'Recorded calls' },
  { path: '/SpagoBI', id: 'spagobi', name: 'SpagoBI', purpose: 'Reports' },
];

const root = apps.find((app) => app.path === '') ?? { path: '', id: 'assistant', name: '', purpose: '' };

/** The application that a path belongs to, and the rest of the path, which begins with a slash. */
export function findApp(pathname: string): { app: App; rest: string } {
  const app = apps.find(({ path }) => path !== '' && (pathname === path || pathname.startsWith(`${path}/`))) ?? root;
  return { app, rest: pathname.slice(app.path.length) || '/' };
}
