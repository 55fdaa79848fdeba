// @ts-nocheck: the browser's own, where the types of Node say nothing.
/* What the pages can do without, and are nicer with: show the password, warn of Caps Lock, send a form once only. */
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
