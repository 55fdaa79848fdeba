// @ts-nocheck: the browser's own, where the types of Node say nothing.
/* The live page: figures over a WebSocket, news over an event stream. Neither comes back once the session has ended. */
const queues = document.getElementById('queues');
const news = document.getElementById('news');

function cell(row, text) {
  row.insertCell().textContent = text;
}

function connect() {
  const state = document.getElementById('socket-state');
  const form = document.getElementById('echo-form');
  const socket = new WebSocket(new URL(queues.dataset.socket, location.href.replace(/^http/, 'ws')));
  socket.addEventListener('open', () => {
    state.textContent = 'WebSocket: open';
  });
  socket.addEventListener('close', (event) => {
    state.textContent = `WebSocket: closed (${event.code}${event.reason ? ` ${event.reason}` : ''})`;
  });
  socket.addEventListener('message', (event) => {
    const message = JSON.parse(event.data);
    if (message.type === 'echo') {
      document.getElementById('echoed').textContent = `The socket said: ${message.text}`;
      return;
    }
    queues.replaceChildren();
    for (const queue of message.queues) {
      const row = queues.insertRow();
      cell(row, queue.queue);
      cell(row, queue.waiting);
      cell(row, `${queue.longestWaitSeconds} s`);
      cell(row, queue.agentsReady);
      cell(row, queue.agentsTalking);
    }
  });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (socket.readyState === WebSocket.OPEN) socket.send(document.getElementById('echo').value);
  });
}

function listen() {
  const state = document.getElementById('stream-state');
  const stream = new EventSource(news.dataset.stream);
  stream.addEventListener('open', () => {
    state.textContent = 'Event stream: open';
  });
  stream.addEventListener('error', () => {
    state.textContent =
      stream.readyState === EventSource.CLOSED ? 'Event stream: closed' : 'Event stream: cut, trying again';
  });
  stream.addEventListener('message', (event) => {
    const item = document.createElement('li');
    item.textContent = event.data;
    news.prepend(item);
    while (news.children.length > 12) news.lastChild.remove();
  });
}

if (queues) connect();
if (news) listen();
