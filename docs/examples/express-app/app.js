/** An application with the gateway inside it: who may see what stands in gatehouse.yaml and beside the handlers. */
import express from 'express';
import { gatehouse, requireRole } from 'gatehouse';

const guard = gatehouse({ config: new URL('gatehouse.yaml', import.meta.url) });
const app = express();

// Before everything else: before body parsers, static files and routers, and at the root.
app.use(guard);

app.get('/', (request, response) => {
  const links = '<a href="/desk/">Desk</a> <a href="/report">Report</a> <a href="/_gate/logout">Sign out</a>';
  response.send(page(request.principal ? `Hello, ${nameOf(request.principal)}.` : 'Hello, whoever you are.', links));
});

app.get('/desk/', (request, response) => {
  response.send(page(`The desk of ${nameOf(request.principal)}.`, '<form method="post"><input name="note"><button>Save</button></form>'));
});

app.post('/desk/', express.urlencoded({ extended: false }), (request, response) => {
  response.send(page(`Noted for ${request.principal.subject}: ${request.body.note}`));
});

// The configuration lets anybody near this address; the handler asks for more.
app.get('/report', requireRole('supervisor'), (request, response) => {
  response.json({ for: request.principal.subject, roles: [...request.principal.roles], calls: 42 });
});

// Ends when the user signs out.
app.get('/desk/events', (request, response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const timer = setInterval(() => response.write(`data: ${Date.now()}\n\n`), 1000);
  response.on('close', () => clearInterval(timer));
});

/** The name that the directory knows, else the user name. */
function nameOf({ attributes, subject }) {
  return attributes.name?.[0] ?? subject;
}

function page(text, more = '') {
  const escaped = text.replace(/[&<>"']/g, (sign) => `&#${sign.codePointAt(0)};`);
  return `<!doctype html><title>Example</title><p>${escaped}</p>${more}`;
}

await guard.ready();
const server = app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', (error) => {
  if (error) throw error;
  console.log(`listening on ${server.address().port}`);
});

process.once('SIGTERM', () => {
  server.close(() => guard.close());
  server.closeAllConnections();
});
