// Turns of the conversation, and what stands around them.

const listeners = {};
const emit = (name, detail) => {
  for (const listener of listeners[name] || []) {
    try {
      listener(detail);
    } catch (error) {
      reportError(error);
    }
  }
};
const announce = (text) => (status.textContent = text);

// Keeps the newest line in view, unless the visitor has scrolled up to read.
const follow = (change) => {
  const near = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  const result = change();
  if (near) log.scrollTop = log.scrollHeight;
  return result;
};
const bubble = (className, who, ...kids) =>
  el('div', { className: 'msg ' + className }, el('span', { className: 'sr' }, who + ': '), ...kids);
const mine = (text) => bubble('user', t.you, el('span', { dir: 'auto' }, text));
const say = (box) => follow(() => log.appendChild(box));
const dots = () => el('div', { className: 'dots', 'aria-hidden': 'true' }, el('i'), el('i'), el('i'));

const contactLink = () => {
  const url = web(session?.contact?.url);
  if (url) return link(url, { className: 'button' }, t.contact);
  return /^[^\s@?&]+@[^\s@?&]+$/.test(session?.contact?.email || '')
    ? el('a', { className: 'button', href: 'mailto:' + session.contact.email }, t.contact)
    : null;
};

const explain = ({ status: code, wait }) => {
  if (code === 429) return t.busy + (wait ? ` (${wait} s)` : '');
  return [403, 404, 503].includes(code) ? t.off : t.err;
};

// Shows what went wrong, with ways to repeat it and to reach a person.
const apologise = (problem, box, again) => {
  const text = explain(problem);
  const retry = el('button', { type: 'button', className: 'button' }, t.retry);
  const card = el('div', { className: 'calm bad' }, el('p', {}, text), el('div', { className: 'acts' }, retry, contactLink()));
  retry.onclick = () => {
    card.remove();
    field.focus();
    again();
  };
  follow(() => box.append(card));
  announce(text);
  emit('error', { status: problem.status, code: problem.code });
};

const sourceList = (sources) =>
  el(
    'ol',
    { className: 'list' },
    ...sources.map((source) => {
      const url = web(source.url);
      if (!url) return null;
      let path = url.host + url.pathname;
      try {
        path = decodeURI(path);
      } catch {
        // A malformed escape is shown as it is.
      }
      const words = el('span', {}, el('b', { dir: 'auto' }, source.title || url.host), el('span', { className: 'where' }, path.replace(/\/$/, '')));
      return el('li', {}, link(url, {}, el('span', { className: 'n' }, String(source.n)), words));
    }),
  );

const productList = (products) =>
  el(
    'ul',
    { className: 'list' },
    ...products.map((product) => {
      const url = web(product.url);
      let price = product.price ?? '';
      try {
        if (price !== '' && product.currency) {
          price = new Intl.NumberFormat(locale, { style: 'currency', currency: product.currency }).format(price);
        }
      } catch {
        price = `${price} ${product.currency}`;
      }
      const stock = product.in_stock == null ? '' : product.in_stock ? t.in : t.out;
      const words = [
        el('span', {}, el('b', { dir: 'auto' }, product.title || product.name || ''), el('span', { className: 'where' }, stock)),
        el('span', { className: 'price' }, String(price)),
      ];
      return url && el('li', {}, link(url, {}, ...words));
    }),
  );

// What a visitor should know of how an answer came to be. That the smaller model wrote it is nobody's concern.
const NOTES = { provider_unavailable: 'quoted', budget_reached: 'quoted', cut_short: 'early' };
const noted = (notes = []) => [...new Set(notes.map((note) => t[NOTES[note]]).filter(Boolean))];

// What stands around an answer's text: what to know of it, the calm card and contact of a refusal, products, sources.
const dress = (box, body, refused, sources, products, notes) => {
  if (refused) {
    body.classList.add('calm');
    const way = contactLink();
    if (way) body.append(el('div', { className: 'acts' }, way));
  }
  box.append(...noted(notes).map((text) => el('p', { className: 'note', role: 'note' }, text)));
  if (products.length) box.append(productList(products));
  if (sources.length) box.append(el('p', { className: 'meta' }, t.sources), sourceList(sources));
};
