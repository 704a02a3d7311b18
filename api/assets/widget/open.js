// Opening and closing, what the page may call, and the start.

// Earlier turns of this tab's conversation, oldest first; none if the server no longer has them.
const recall = async () => {
  if (!conversation) return [];
  try {
    const now = await standing();
    const response = await authorised(ofConversation('/messages?limit=30'));
    const { items } = await response.json();
    // The newest come first; a question and its answer may have one millisecond.
    items.reverse().sort((a, b) => Date.parse(a.created_at) - Date.parse(b.created_at));
    const boxes = items.map((item) => {
      const { role, text, refused, sources, notes } = item;
      if (role === 'visitor') return mine(text);
      if (role === 'human') return personal(item);
      const body = el('div', { className: 'text' }, ...format(text, sources || []));
      const box = bubble('bot', t.bot, body);
      dress(box, body, refused, sources || [], [], notes);
      return box;
    });
    setTimeout(() => {
      become(now);
      if (now.offer_human) offer();
    });
    return boxes.filter(Boolean);
  } catch {
    return [];
  }
};

let greeted;
const greet = async () => {
  if (greeted) return;
  greeted = true;
  const body = el('div', { className: 'text' }, dots());
  const box = say(bubble('bot', t.bot, body));
  try {
    await join();
    body.replaceChildren(...format(session.greeting || texts.greeting || t.hello, []));
    const turns = await recall();
    follow(() => box.after(...[privacy(), ...turns].filter(Boolean)));
    suggest(session.suggestions, box);
  } catch (problem) {
    body.remove();
    // A question that is already on its way tells of the same trouble itself.
    if (running || log.querySelector('.user')) box.remove();
    else {
      const again = () => {
        box.remove();
        greeted = false;
        greet();
      };
      apologise(problem, box, again);
    }
  }
};
const fit = () => {
  if (visualViewport) panel.style.setProperty('--height', visualViewport.height + 'px');
  panel.setAttribute('aria-modal', String(fullScreen.matches));
};
const toggle = (show) => {
  if (panel.hidden !== show) return;
  panel.hidden = !show;
  launcher.setAttribute('aria-expanded', String(show));
  if (show) {
    fit();
    measure();
    greet();
  }
  (show ? field : launcher).focus();
  emit(show ? 'open' : 'close');
};
const open = () => toggle(true);
const close = () => toggle(false);
const ask = (question) => {
  open();
  field.value = String(question ?? '');
  measure();
  submit();
  field.focus();
};

launcher.onclick = () => toggle(panel.hidden);
closer.onclick = close;
stopper.onclick = () => {
  running?.abort('visitor');
  field.focus();
};
field.oninput = measure;
field.onkeydown = (event) => {
  // 229 is what Safari reports for the Enter that ends an input method's composition.
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  submit();
};
form.onsubmit = (event) => {
  event.preventDefault();
  submit();
};
root.onkeydown = (event) => {
  // Keys typed here are not shortcuts of the page.
  event.stopPropagation();
  if (event.key === 'Escape' && !event.isComposing) close();
  if (event.key !== 'Tab' || !fullScreen.matches || panel.hidden) return;
  const stops = [...panel.querySelectorAll('button,a,textarea,input,[tabindex]')].filter((node) => node.checkVisibility?.() !== false && !node.disabled);
  const edge = event.shiftKey ? stops[0] : stops.at(-1);
  if (shadow.activeElement !== edge) return;
  event.preventDefault();
  (event.shiftKey ? stops.at(-1) : stops[0]).focus();
};
visualViewport?.addEventListener('resize', fit);

const on = (name, listener) => {
  (listeners[name] ||= []).push(listener);
};
const mount = () => document.body.append(host);

setTheme();
relabel();
window.Omniops = { open, close, ask, on };
const run = ([name, ...rest]) => window.Omniops[name]?.(...rest);
const start = () => {
  mount();
  const queue = window.OmniopsQ;
  window.OmniopsQ = { push: (...calls) => calls.forEach(run) };
  if (Array.isArray(queue)) queue.forEach(run);
};
if (document.body) start();
else addEventListener('DOMContentLoaded', start);
