/**
 * Loaded before each test file: a connection, datagram or name look-up that would leave the loopback range fails, and fails
 * the run even where the code under test handles the error. Names under `.invalid` fail to resolve, as they do everywhere.
 * A proxy of this machine's environment, which curl would send even localhost through, is kept from programs that tests run.
 */
import dgram from 'node:dgram';
import dns from 'node:dns';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';

for (const name of Object.keys(process.env)) if (/^(?:https?|all|no)_proxy$/i.test(name)) delete process.env[name];

const loopback = new net.BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');
loopback.addSubnet('::ffff:127.0.0.0', 104, 'ipv6');

/** Whether an address stays on this machine; the unspecified addresses do, as a target. */
export function isLoopback(address: string): boolean {
  if (address === '0.0.0.0' || address === '::') return true;
  return net.isIP(address) !== 0 && loopback.check(address, net.isIPv6(address) ? 'ipv6' : 'ipv4');
}

/** Whether a name may be looked up: it is an address on this machine, or a name that RFC 6761 reserves for it. */
export function isLocalName(name: string): boolean {
  return isLoopback(name) || /^(?:.+\.)?localhost\.?$/i.test(name);
}

function refusal(what: string): Error {
  const error = new Error(`${what} leaves this machine: tests reach 127.0.0.0/8, ::1 and localhost only`);
  process.stderr.write(`${error.stack}\n`);
  process.once('exit', () => {
    process.exitCode = 1;
  });
  return error;
}

function resolutionError(name: string): Error {
  if (!/\.invalid\.?$/i.test(name)) return refusal(`the look-up of ${name}`);
  const details = { code: 'ENOTFOUND', errno: -3008, syscall: 'getaddrinfo', hostname: name };
  return Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), details);
}

type Method = (this: unknown, ...parameters: unknown[]) => unknown;

/** Replaces one method of a built-in module by a wrapper that has the original at hand. */
function wrap(owner: object, name: string, wrapper: (original: Method) => Method): void {
  const original: unknown = Reflect.get(owner, name);
  if (typeof original === 'function') Reflect.set(owner, name, wrapper(original as Method));
}

const lookUps = ['lookup', ...Object.keys(dns).filter((name) => /^(?:resolve|reverse)/.test(name))];
for (const name of lookUps) {
  wrap(
    dns,
    name,
    (original) =>
      function guarded(...parameters) {
        const host = String(parameters[0]);
        if (isLocalName(host)) return original.apply(this, parameters);
        const answer = parameters.at(-1);
        const error = resolutionError(host);
        if (typeof answer !== 'function') throw error;
        return process.nextTick(() => answer(error));
      },
  );
  wrap(
    dns.promises,
    name,
    (original) =>
      function guarded(...parameters) {
        const host = String(parameters[0]);
        return isLocalName(host) ? original.apply(this, parameters) : Promise.reject(resolutionError(host));
      },
  );
}

/** The host that arguments of `connect` name: options, a port and a host, or a list that `net.connect` has normalised. */
function hostOf(parameters: readonly unknown[]): string | undefined {
  const first = Array.isArray(parameters[0]) ? parameters[0][0] : parameters[0];
  if (typeof first !== 'object' || first === null) return typeof parameters[1] === 'string' ? parameters[1] : undefined;
  return 'host' in first && typeof first.host === 'string' ? first.host : undefined;
}

wrap(
  net.Socket.prototype,
  'connect',
  (original) =>
    function guarded(...parameters) {
      const socket = this as net.Socket;
      const host = hostOf(parameters);
      if (host !== undefined && net.isIP(host) !== 0 && !isLoopback(host)) throw refusal(`a connection to ${host}`);
      socket.prependListener('lookup', (_error, address) => {
        if (address && !isLoopback(address)) socket.destroy(refusal(`a connection to ${host} (${address})`));
      });
      return original.apply(this, parameters);
    },
);

for (const name of ['send', 'connect']) {
  wrap(
    dgram.Socket.prototype,
    name,
    (original) =>
      function guarded(...parameters) {
        const address = parameters.findLast((parameter) => typeof parameter === 'string');
        if (typeof address === 'string' && net.isIP(address) !== 0 && !isLoopback(address))
          throw refusal(`a datagram to ${address}`);
        return original.apply(this, parameters);
      },
  );
}

syncBuiltinESMExports();
