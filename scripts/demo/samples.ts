/** The first page of each application: enough to tell them apart and to find one's way. */
import { type Html, html, type Part } from '../../src/pages/html.ts';
import { type App, apps } from './apps.ts';
import { callsPerHour, queueFigures, recordings } from './figures.ts';
import type { Identity } from './identity.ts';

/** What an application shows on its first page. */
export function firstPage(app: App, identity: Identity): Html {
  const samples: Readonly<Record<string, () => Html>> = {
    fingerboard: launcher,
    assistant: contacts,
    ccmanager: queueTable,
  };
  const more: Readonly<Record<string, () => Html>> = {
    configmgt: rights,
    kibana: chart,
    recording: calls,
    spagobi: reports,
  };
  const sample = samples[app.id] ?? more[app.id] ?? (() => desktop(identity));
  return sample();
}

function launcher(): Html {
  return html`<ul class="tiles">${apps.map(
    (app) =>
      html`<li class="app-${app.id}"><a href="${app.path || '/'}"><b>${app.name}</b><span>${app.purpose}</span></a></li>`,
  )}</ul>
<section class="tour">
<h2>In five minutes</h2>
<ol>${tour.map(([href, place, what]) => html`<li><a href="${href}">${place}</a> ${what}</li>`)}</ol>
</section>`;
}

const tour = [
  ['/ccagent/', 'CC Agent', 'shows each header that it was sent about you, and verifies the signed assertion.'],
  ['/ccmanager/', 'CC Manager', 'refuses an agent, and says who may pass and whom to ask; a supervisor is let in.'],
  ['/ccagent/live', 'Live', 'has a WebSocket and an event stream: sign out in another tab, and both end.'],
  ['/ccagent/form', 'Form', 'keeps what you typed: sign out in another tab, then save, and sign in again.'],
  ['/ccagent/trouble', 'Trouble', 'leads to applications that break: see what their users are told.'],
  [
    '/_gate/session',
    'Your sessions',
    'lists where you are signed in: sign in from a second browser, and end it from here.',
  ],
] as const;

function desktop({ name, user }: Identity): Html {
  return html`<p class="hello">Hello ${name ?? user ?? 'agent'}, you are <b class="state">ready</b> on line 2500.</p>
${table(
  ['Queue', 'Waiting', 'Longest wait'],
  queueFigures(Date.now()).map((queue) => [queue.queue, queue.waiting, `${queue.maxWaitSeconds} s`]),
)}`;
}

function contacts(): Html {
  return table(
    ['Contact', 'Number', 'Presence'],
    [
      ['Amélie Perrin', '2501', 'available'],
      ['David Le Goff', '2507', 'on the phone'],
      ['Reception', '2000', 'available'],
      ['Gaëlle Morvan', '2512', 'away'],
    ],
  );
}

function queueTable(): Html {
  return table(
    ['Queue', 'Waiting', 'Ready', 'Talking', 'Answered'],
    queueFigures(Date.now()).map((queue) => [
      queue.queue,
      queue.waiting,
      queue.agentsReady,
      queue.agentsTalking,
      `${queue.answeredPercent} %`,
    ]),
  );
}

function rights(): Html {
  return table(
    ['Profile', 'Queues', 'Recording', 'Callbacks'],
    [
      ['Supervisor', 'Sales, Support', 'listen', 'assign'],
      ['Administrator', 'all', 'listen, delete', 'assign, delete'],
      ['Teacher', 'Support', 'listen', '–'],
    ],
  );
}

function chart(): Html {
  const highest = Math.max(...callsPerHour.map(([, calls]) => calls));
  const bars = callsPerHour.map(([hour, calls], i) => {
    const height = Math.round((calls / highest) * 160);
    return html`<g><rect x="${i * 46 + 8}" y="${180 - height}" width="34" height="${height}" rx="3"/><text x="${i * 46 + 25}" y="198">${hour}h</text><text x="${i * 46 + 25}" y="${172 - height}">${calls}</text></g>`;
  });
  return html`<svg class="chart" viewBox="0 0 476 204" role="img" aria-label="Calls per hour, from 8 to 17 o’clock">${bars}</svg>`;
}

function calls(): Html {
  return table(
    ['Recording', 'Agent', 'Caller', 'Queue', 'Length', 'File'],
    recordings.map((call) => [
      `#${call.id}`,
      call.agent,
      call.caller,
      call.queue,
      `${call.seconds} s`,
      html`<a href="/recording/download?id=${String(call.id)}" download>Download</a>`,
    ]),
  );
}

function reports(): Html {
  return table(
    ['Report', 'Period', 'Rows'],
    [
      ['Agents by day', 'last week', 1840],
      ['Queues by hour', 'yesterday', 96],
      ['Abandoned calls', 'last month', 412],
    ],
  );
}

function table(head: readonly string[], rows: readonly (readonly Part[])[]): Html {
  return html`<table><thead><tr>${head.map((cell) => html`<th scope="col">${cell}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${row.map((cell) => html`<td>${cell}</td>`)}</tr>`)}</tbody></table>`;
}
