// @ts-nocheck: the browser's own, where the types of Node say nothing.
/* What the pages can do without, and are nicer with: show the password, warn of Caps Lock, send a form once only, count a lock-out down, go on after a login in another tab, try again while an application is away. */
for (const button of document.querySelectorAll('[data-reveal]')) {
  const input = document.getElementById(button.dataset.reveal);
  button.hidden = false;
  button.addEventListener('click', () => {
    const shown = input.type === 'text';
    input.type = shown ? 'password' : 'text';
    button.setAttribute('aria-pressed', String(!shown));
    button.setAttribute('aria-label', shown ? button.dataset.show : button.dataset.hide);
    input.focus();
  });
}

for (const hint of document.querySelectorAll('[data-caps-lock]')) {
  const input = document.getElementById(hint.dataset.capsLock);
  const look = (event) => {
    hint.hidden = !event.getModifierState?.('CapsLock');
  };
  input.addEventListener('keydown', look);
  input.addEventListener('keyup', look);
  input.addEventListener('blur', () => {
    hint.hidden = true;
  });
}

// A saved form may hold fields of any name, and those hide the form's own properties: nothing is read from the form.
const sent = new WeakSet();
const busy = new Map();

document.addEventListener('submit', (event) => {
  if (sent.has(event.target)) {
    event.preventDefault();
    return;
  }
  sent.add(event.target);
  // A shown password goes back to dots, or the browser would offer to remember it as plain text.
  for (const input of document.querySelectorAll('[autocomplete$="-password"]')) input.type = 'password';
  const button = event.submitter;
  if (!button?.dataset.busy) return;
  busy.set(button, button.textContent);
  button.setAttribute('aria-disabled', 'true');
  button.textContent = button.dataset.busy;
});

// The back button brings the page as it was left: ready again.
addEventListener('pageshow', (event) => {
  if (!event.persisted) return;
  for (const form of document.forms) sent.delete(form);
  for (const [button, text] of busy) {
    button.removeAttribute('aria-disabled');
    button.textContent = text;
  }
  busy.clear();
});

// A lock-out counts down. The page says how long without this, too.
for (const wait of document.querySelectorAll('[data-wait]')) {
  const end = Date.now() + Number(wait.dataset.wait) * 1000;
  const shown = wait.querySelector('span');
  const words = (count, unit) =>
    new Intl.NumberFormat(document.documentElement.lang, { style: 'unit', unit, unitDisplay: 'long' }).format(count);
  const tick = () => {
    const left = Math.ceil((end - Date.now()) / 1000);
    if (left > 0) {
      shown.textContent = left < 90 ? words(left, 'second') : words(Math.ceil(left / 60), 'minute');
      return;
    }
    clearInterval(timer);
    wait.textContent = wait.dataset.waited;
  };
  const timer = setInterval(tick, 1000);
}

// Somebody has signed in: the other tabs go on. A tab that leaves its login page says so, and whoever waits asks once whether it
// has signed in; so does a tab that its user comes back to, since a way over an identity provider leaves no page of ours.
const waiting = document.querySelector('[data-go-on]');
if (waiting && 'BroadcastChannel' in globalThis) {
  const channel = new BroadcastChannel('gatehouse-login');
  const look = async () => {
    try {
      const answer = await fetch('/_gate/session', { headers: { accept: 'application/json' }, cache: 'no-store' });
      if (answer.ok && !document.hidden) location.replace(waiting.dataset.goOn);
      else if (answer.ok) document.addEventListener('visibilitychange', look, { once: true });
    } catch {
      // The gateway cannot be asked: the form will say so.
    }
  };
  channel.addEventListener('message', look);
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) void look();
  });
  addEventListener('pagehide', () => channel.postMessage('left'));
}

// An application that is away, or the gateway itself: asked again, less and less often and not for ever, while somebody looks.
// What is shown stays as it is until there is something else to show.
const away = document.querySelector('[data-retry]');
if (away) {
  const pauses = [2, 4, 8, 15, 30, 30, 30, 30, 30, 30, 30, 30];
  // A page that comes back the same has used up what the one before it has.
  const key = 'gatehouse-retry';
  const { href, left, at } = JSON.parse(sessionStorage.getItem(key) ?? '{}');
  if (href === away.dataset.retry && Date.now() - at < 600_000) pauses.splice(0, pauses.length - left);
  const again = async () => {
    const gone = new AbortController();
    try {
      const { status } = await fetch(away.dataset.retry, {
        headers: { accept: 'text/html' },
        cache: 'no-store',
        redirect: 'manual',
        signal: gone.signal,
      });
      gone.abort();
      if (status !== 502 && status !== 503) {
        const used = { href: away.dataset.retry, left: pauses.length, at: Date.now() };
        sessionStorage.setItem(key, JSON.stringify(used));
        location.replace(away.dataset.retry);
        return;
      }
    } catch {
      // Nobody answers at all.
    }
    next();
  };
  const next = (least = 0) => {
    const pause = pauses.shift();
    away.hidden = pause === undefined;
    if (pause === undefined) return;
    setTimeout(() => {
      if (document.hidden) document.addEventListener('visibilitychange', again, { once: true });
      else void again();
    }, Math.max(pause, least) * 1000);
  };
  next(Number(away.dataset.after ?? 0));
}
