/** The questions that a RADIUS server is asked. */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Secret } from '../../core/secret.ts';
import type { Deadline } from '../../remote/deadline.ts';
import type { RadiusClient } from './client.ts';
import { codes, type Question, type RadiusAttribute, types } from './packet.ts';

/** RFC 2865 §5.41: nobody is at a port of ours. */
const virtualPort = Buffer.from([0, 0, 0, 5]);

/** Which part of the time the first question has to itself. */
const headStart = 0.3;

/** Who asks. */
interface Asking {
  readonly nasIdentifier: string;
}

/** Whether somebody's password is right. The client's address goes along, which servers with rules of their own look at. */
export function accessRequest({
  nasIdentifier,
  name,
  password,
  address,
  more = [],
}: Asking & {
  readonly name: string;
  readonly password: Secret;
  readonly address: string;
  /** What goes along besides. */
  readonly more?: readonly RadiusAttribute[];
}): Question {
  return {
    code: codes.accessRequest,
    attributes: [
      { type: types.userName, value: Buffer.from(name) },
      ...identity(nasIdentifier),
      { type: types.nasPortType, value: virtualPort },
      { type: types.callingStationId, value: Buffer.from(address).subarray(0, 253) },
      ...more,
    ],
    password,
  };
}

/** Whether a server is there (RFC 5997): it costs nobody anything. */
export function statusRequest({ nasIdentifier }: Asking): Question {
  return { code: codes.statusServer, attributes: identity(nasIdentifier) };
}

/** About a user whom nobody has: every server answers it, be it with a refusal. */
export function nobodysRequest(asking: Asking): Question {
  const name = `gatehouse-check-${randomBytes(6).toString('hex')}`;
  return accessRequest({
    ...asking,
    name,
    password: new Secret(randomBytes(12).toString('hex')),
    address: '127.0.0.1',
  });
}

/** Resolves where one of the servers answers; those that do not know Status-Server are asked about nobody, a little later. */
export async function isThere(client: RadiusClient, asking: Asking, deadline: Deadline): Promise<void> {
  const done = new AbortController();
  const signal = AbortSignal.any([deadline.signal, done.signal]);
  const later = async (): Promise<unknown> => {
    await delay(deadline.remaining() * headStart, undefined, { signal });
    return client.ask(nobodysRequest(asking), { ...deadline, signal });
  };
  try {
    await Promise.any([client.ask(statusRequest(asking), { ...deadline, signal }), later()]);
  } finally {
    done.abort();
  }
}

function identity(nasIdentifier: string): Question['attributes'] {
  return [{ type: types.nasIdentifier, value: Buffer.from(nasIdentifier) }];
}
