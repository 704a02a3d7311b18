// The demo page: makes a button of each example question, and copies the script tag. No inline script, so that the
// page's CSP needs no more than 'self'. The questions come as JSON in the list's data-questions attribute.
(() => {
  'use strict';
  const list = document.querySelector('[data-questions]');
  for (const question of JSON.parse(list.dataset.questions || '[]')) {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = question;
    // The queue takes the call whether or not the widget has loaded yet.
    button.addEventListener('click', () => (window.OmniopsQ ||= []).push(['ask', question]));
    const item = document.createElement('li');
    item.append(button);
    list.append(item);
  }
  document.getElementById('examples').hidden = !list.children.length;

  const copy = document.getElementById('copy');
  const copied = document.getElementById('copied');
  // The clipboard exists in secure contexts only (HTTPS or localhost).
  copy.hidden = !navigator.clipboard;
  copy.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(document.getElementById('tag').textContent);
      copied.textContent = 'Copied.';
    } catch {
      copied.textContent = 'The browser refused to copy; please select the text.';
    }
  });
})();
