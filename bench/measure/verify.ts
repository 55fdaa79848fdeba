/** What is timed must be right: the answer arrives whole, the upstream has heard who asks, and what a client forges is not heard. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { type Contender, commonLines, type User } from '../contenders/contender.ts';
import { answerSizes } from '../contenders/nginx.ts';
import type { Shape } from './load.ts';

/** The name that a client claims. */
const forged = 'forged-by-the-client';
const dispatcher = new Agent({ connections: 2, connect: { rejectUnauthorized: false } });

/** Thrown where a contender answers wrongly: nothing of it is worth timing. */
export class WrongAnswer extends Error {}

/** Asks as the first and the last user, and as one in the middle. */
export async function verify(contender: Contender, shape: Shape): Promise<void> {
  const { users } = contender;
  for (const at of new Set([0, Math.floor(users.length / 2), users.length - 1])) {
    const user = users[at];
    if (user) await verifyAs(contender, user, shape);
  }
}

/** Waits until it listens. */
export async function listens({ url, title }: Pick<Contender, 'url' | 'title'>, within = 30_000): Promise<void> {
  const { hostname, port } = new URL(url);
  const until = performance.now() + within;
  for (;;) {
    const socket = connect(Number(port), hostname);
    const [event] = await Promise.race([
      once(socket, 'connect').then(() => ['connect']),
      once(socket, 'close').then(() => ['close']),
    ]).catch(() => ['error']);
    socket.destroy();
    if (event === 'connect') return;
    if (performance.now() > until) throw new Error(`${title} does not listen at ${url}`);
    await delay(50);
  }
}

/** Asks again and again, as whoever is next, while something is timed; what it returns ends that and says how often it asked. */
export function verifyMeanwhile(contender: Contender, shape: Shape, perSecond = 10): () => Promise<number> {
  let isOver = false;
  let asked = 0;
  const work = (async () => {
    while (!isOver) {
      const user = contender.users[Math.floor(Math.random() * contender.users.length)];
      if (user) await verifyAs(contender, user, shape);
      asked += 1;
      await delay(1000 / perSecond);
    }
  })();
  work.catch(() => undefined);
  return async () => {
    isOver = true;
    await work;
    return asked;
  };
}

async function verifyAs({ title, url, hears }: Contender, user: User, { path, body }: Shape): Promise<void> {
  const lines = [...commonLines, user.line].map((line) => [
    line.slice(0, line.indexOf(':')),
    line.slice(line.indexOf(':') + 2),
  ]);
  const answer = await request(`${url}${path}`, {
    dispatcher,
    method: body > 0 ? 'POST' : 'GET',
    headers: { ...Object.fromEntries(lines), 'X-Remote-User': forged },
    ...(body > 0 && { body: Buffer.alloc(body, 'b') }),
  });
  const got = Buffer.from(await answer.body.arrayBuffer());
  const { length } = got;
  const size = answerSizes[path as keyof typeof answerSizes] ?? answerSizes['/page'];
  if (answer.statusCode !== 200)
    throw new WrongAnswer(`${title} answers ${user.name} with ${answer.statusCode}: ${got.toString('utf8', 0, 300)}`);
  if (length !== size) throw new WrongAnswer(`${title} gives ${length} bytes of ${size}`);
  const heard = String(answer.headers['x-heard'] ?? '');
  if (hears && heard !== hears(user))
    throw new WrongAnswer(
      `${title}: the upstream heard "${heard}" where ${user.name} asked and claimed to be ${forged}`,
    );
}
