/** Invented figures of a contact center that move with the time of day, the same for everybody who looks. */

/** One queue at one moment. */
export interface QueueFigures {
  readonly queue: string;
  readonly waiting: number;
  readonly maxWaitSeconds: number;
  readonly agentsReady: number;
  readonly agentsTalking: number;
  readonly answeredPercent: number;
}

const queues = ['Sales', 'Support', 'Billing', 'Emergency'];

/** All queues at a time in milliseconds. */
export function queueFigures(time: number): QueueFigures[] {
  return queues.map((queue, i) => {
    const load = wave(time, 47_000 + i * 9000, i) * 0.7 + wave(time, 11_000, i * 2) * 0.3;
    const waiting = Math.round(load * 9);
    return {
      queue,
      waiting,
      maxWaitSeconds: waiting === 0 ? 0 : 8 + Math.round(load * 140),
      agentsReady: 6 - Math.round(load * 5),
      agentsTalking: 3 + Math.round(load * 9),
      answeredPercent: 99 - Math.round(load * 14),
    };
  });
}

const people = ['Amélie', 'Benoît', 'Chloé', 'David', 'Émile', 'Fatou', 'Gaëlle', 'Hugo'];
const events = ['took a call from', 'ended a call with', 'paused after', 'transferred', 'called back'];

/** One line of news from the floor; `count` makes each another. */
export function floorEvent(count: number, time: number): string {
  const who = people[(count * 5) % people.length];
  const what = events[(count * 3) % events.length];
  const number = `02 99 ${String(10 + ((count * 37) % 90))} ${String(10 + ((count * 53) % 90))} ${String(10 + ((count * 71) % 90))}`;
  return `${new Date(time).toISOString().slice(11, 19)} ${who} ${what} ${number}`;
}

/** Calls in each hour of a working day. */
export const callsPerHour: readonly (readonly [hour: number, calls: number])[] = [
  ...[212, 388, 451, 402, 297, 341, 418, 376, 259, 140].map((calls, i) => [8 + i, calls] as const),
];

/** Recorded calls. */
export const recordings = [
  { id: 1187, agent: 'Chloé', caller: '02 99 41 20 18', queue: 'Support', seconds: 312 },
  { id: 1188, agent: 'Hugo', caller: '06 12 88 40 75', queue: 'Sales', seconds: 148 },
  { id: 1189, agent: 'Fatou', caller: '01 45 30 22 09', queue: 'Billing', seconds: 506 },
] as const;

function wave(time: number, period: number, shift: number): number {
  return (Math.sin((time / period) * 2 * Math.PI + shift) + 1) / 2;
}
