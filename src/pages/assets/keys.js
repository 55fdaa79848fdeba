// @ts-nocheck: the browser's own, where the types of Node say nothing.
/* Asks for a touch of a security key, or for a passkey, and posts what it answers. The question stands in the page; nothing is fetched. */
const read = { create: 'parseCreationOptionsFromJSON', get: 'parseRequestOptionsFromJSON' };

for (const place of document.querySelectorAll('[data-key]')) {
  const { key: ceremony, options, denied, known, failed } = place.dataset;
  const form = place.closest('form');
  const answer = form.querySelector('[data-key-answer]');
  const button = place.querySelector('[data-key-start]');
  const status = place.querySelector('[data-key-status]');
  // Without the interface the page says what else there is; that stands in it already.
  if (!globalThis.PublicKeyCredential?.[read[ceremony]]) continue;
  for (const part of form.querySelectorAll('[data-key-without]')) part.hidden = true;
  button.hidden = false;

  let isUnderWay = false;
  const ask = async (isByItself) => {
    if (isUnderWay) return;
    isUnderWay = true;
    button.setAttribute('aria-disabled', 'true');
    status.hidden = true;
    try {
      const publicKey = PublicKeyCredential[read[ceremony]](JSON.parse(options));
      const credential = await navigator.credentials[ceremony]({ publicKey });
      answer.value = JSON.stringify(credential.toJSON());
      // A field may hide the form's own method.
      HTMLFormElement.prototype.requestSubmit.call(form);
    } catch (error) {
      answer.value = '';
      // Some browsers ask for a click first: then nothing has failed.
      if (isByItself) return;
      status.hidden = false;
      status.textContent = { NotAllowedError: denied, InvalidStateError: known }[error?.name] ?? failed;
      button.focus();
    } finally {
      isUnderWay = false;
      button.removeAttribute('aria-disabled');
    }
  };
  button.addEventListener('click', () => void ask(false));
  if (place.dataset.keyAtOnce !== undefined && document.visibilityState === 'visible') void ask(true);
}
