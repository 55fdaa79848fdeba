/** Thousands of idle WebSockets: what each holds of memory, and what opening one costs. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { ownFolder } from '../contenders/contender.ts';
import { gatehouse } from '../contenders/gatehouse.ts';
import { cpuSeconds, memoryBytes } from '../machine/processes.ts';
import { startDesk } from '../shift/ground.ts';
import { figure, type Measurement } from './figure.ts';

/** The gateway holds two descriptors for each. */
function affordable(wanted: number): number {
  const limit = Number(/^Max open files\s+\d+\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 'NaN');
  return Number.isNaN(limit) ? wanted : Math.min(wanted, Math.floor((limit - 1000) / 2));
}

/** The measurement. */
export const websockets: Measurement = {
  name: 'websockets',
  title: '10,000 idle WebSockets',
  run: async (ground, { quick }, say) => {
    const wanted = quick ? 500 : 10_000;
    const count = affordable(wanted);
    const desk = await startDesk(ground.cpus.upstream);
    const own = { ...ground, folder: ownFolder(ground, 'websockets'), upstream: desk.port };
    const gateway = await gatehouse(own, { name: 'gatehouse', title: 'Gatehouse', users: 1000 });
    const sockets: Socket[] = [];
    try {
      const open = async (many: number): Promise<void> => {
        for (let index = 0; index < many; index += 1) {
          const user = gateway.users[sockets.length % gateway.users.length];
          if (user) sockets.push(await openSocket(gateway.url, user.line, user.name));
        }
      };
      // What the first ones make the process load is not theirs.
      await open(Math.min(200, count));
      await delay(3000);
      const [memory, cpu, first] = [memoryBytes(gateway.roots), cpuSeconds(gateway.roots), sockets.length];
      await open(count - first);
      const used = cpuSeconds(gateway.roots) - cpu;
      await delay(quick ? 2000 : 15_000);
      const each = (memoryBytes(gateway.roots) - memory) / (sockets.length - first) / 1024;
      say(`websockets: ${sockets.length}, ${each.toFixed(1)} KB each`);
      const before = cpuSeconds(gateway.roots);
      await delay(5000);
      const note = `${count} of them${count < wanted ? ', as many as the limit of descriptors allows' : ''}`;
      return [
        figure('websocket-memory', 'an idle WebSocket, memory', each, 'KB', note),
        figure('websocket-open', 'opening one, CPU', (used / (sockets.length - first)) * 1000, 'ms'),
        figure(
          'websocket-idle',
          'all of them silent, share of a CPU',
          (cpuSeconds(gateway.roots) - before) / 5,
          'CPUs',
        ),
      ];
    } finally {
      for (const socket of sockets) socket.destroy();
      await gateway.end();
      await desk.end();
    }
  },
};

/** The handshake by hand: a client library's own memory is none of the gateway's, but its time would be. Its first frame says whose it is. */
async function openSocket(url: string, line: string, name: string): Promise<Socket> {
  const { hostname, port, host, origin } = new URL(url);
  const socket = connect(Number(port), hostname);
  const lines = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', `Origin: ${origin}`];
  const key = `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`;
  socket.write(['GET /live HTTP/1.1', `Host: ${host}`, ...lines, key, line, '', ''].join('\r\n'));
  let text = '';
  while (!text.includes('\r\n\r\n') || !text.endsWith(name)) {
    const [part] = (await once(socket, 'data', { signal: AbortSignal.timeout(20_000) })) as [Buffer];
    text += part.toString('latin1');
    if (!text.startsWith('HTTP/1.1 101 ')) throw new Error(`a WebSocket is answered with ${text.slice(0, 100)}`);
  }
  return socket;
}
