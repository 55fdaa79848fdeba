/** A small contact center for tests: one upstream, an agent, a supervisor, and routes that tell them apart. */
import type { TestContext } from 'node:test';
import type { Clock } from '../../../src/core/clock.ts';
import { startUpstream, type TestUpstream } from '../servers/upstream.ts';
import { gateway, type TestGateway, type TestUser, type Yaml } from './gateway.ts';
import { Visitor } from './visitor.ts';

/** The passwords of the test's users. */
export const passwords = { agent1: 'right-4417-horse', supervisor1: 'right-9920-battery' } as const;

/** The people of the contact center. */
export const staff: readonly TestUser[] = [
  {
    name: 'agent1',
    password: passwords.agent1,
    fullName: 'Agent One',
    email: 'agent1@example.com',
    groups: ['agents'],
  },
  {
    name: 'supervisor1',
    password: passwords.supervisor1,
    fullName: 'Zoë Müller',
    groups: ['agents', 'supervisors'],
  },
];

/** A gateway, its upstream, and a way to visit it. */
export interface Site extends TestGateway {
  readonly upstream: TestUpstream;
  visitor(): Visitor;
}

/** Starts a site. `/admin` needs the role supervisor, `/public` is open, `/closed` is shut, the rest needs a login. */
export async function site(
  t: TestContext,
  { config = {}, clock }: { config?: Yaml; clock?: Clock } = {},
): Promise<Site> {
  const upstream = await startUpstream(t);
  const started = await gateway(t, {
    users: [...staff, { name: 'xuc', password: 'right-xuc-internal' }],
    config: { ...siteConfig(upstream.origin), ...config },
    ...(clock && { clock }),
  });
  return { ...started, upstream, visitor: () => new Visitor(started.url) };
}

/** The configuration of a site over the test gateway's own. */
export function siteConfig(origin: string): Yaml {
  return {
    roles: {
      agent: { groups: ['agents'], label: 'Agents' },
      supervisor: { groups: ['supervisors'], label: 'Supervisors' },
    },
    routes: [
      { name: 'home', location: '/', upstream: origin, websocket: true, replayPosts: true },
      {
        name: 'admin',
        location: '/admin',
        upstream: origin,
        access: { roles: ['supervisor'] },
        contact: 'the front desk',
      },
      { name: 'public', location: '/public', upstream: origin, access: 'public' },
      { name: 'closed', location: '/closed/', upstream: origin, access: 'deny' },
      { name: 'fresh', location: '/fresh/', upstream: origin, access: { maxAge: '5m' } },
      { name: 'poll', location: '/poll/', upstream: origin, idleActivity: false, websocket: true },
      { name: 'plain', location: '/plain/', upstream: origin },
    ],
  };
}
