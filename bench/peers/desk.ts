/** An upstream for the bench: a desk that answers polls with the user it has heard of, and tells each WebSocket the same at its start. */
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const [port = '0'] = process.argv.slice(2);
const block = Buffer.alloc(65_536, 'x');

const server = createServer((request, response) => {
  const heard = String(request.headers['x-remote-user'] ?? '');
  const [path = '', query = ''] = (request.url ?? '/').split('?');
  if (path.startsWith('/events')) {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const say = (): boolean => response.write(`data: ${heard}\n\n`);
    const timer = setInterval(say, 500);
    say();
    return void response.once('close', () => clearInterval(timer));
  }
  if (path === '/upload') {
    let bytes = 0;
    request.on('data', (part: Buffer) => {
      bytes += part.length;
    });
    return void request.on('end', () => response.end(String(bytes)));
  }
  const length = Number(new URLSearchParams(query).get('bytes') ?? Number.NaN);
  response.setHeader('x-heard', heard);
  if (!Number.isFinite(length)) {
    request.resume();
    return void response.end(heard);
  }
  response.setHeader('content-length', length);
  let left = length;
  const send = (): void => {
    while (left > 0 && !response.destroyed) {
      const part = left < block.length ? block.subarray(0, left) : block;
      left -= part.length;
      if (!response.write(part)) return;
    }
    response.end();
  };
  response.on('drain', send);
  send();
});
const sockets = new WebSocketServer({ server, perMessageDeflate: false });
sockets.on('connection', (socket, request) => {
  socket.on('error', () => {}).on('message', (data) => socket.send(data));
  socket.send(String(request.headers['x-remote-user'] ?? ''));
});
server.keepAliveTimeout = 300_000;
server.listen(Number(port), '127.0.0.1', 8192);
