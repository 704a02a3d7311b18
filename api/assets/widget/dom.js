// DOM.

// Makes an element; `props` are properties where the element has them, attributes otherwise.
const el = (tag, props, ...kids) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props || {})) {
    if (name in node) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...kids.filter((kid) => kid != null));
  return node;
};
const icon = (path, className = '') => {
  const make = (tag, attributes) => {
    const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const name in attributes) node.setAttribute(name, attributes[name]);
    return node;
  };
  const svg = make('svg', { viewBox: '0 0 24 24', 'aria-hidden': 'true', class: className });
  svg.append(make('path', { d: path }));
  return svg;
};
const BUBBLE = 'M4 11.5C4 7.4 7.6 4 12 4s8 3.4 8 7.5-3.6 7.5-8 7.5c-1 0-2-.2-2.9-.5L4.5 20l1.2-3.7C4.6 15 4 13.3 4 11.5ZM8.5 11.5h.01M12 11.5h.01M15.5 11.5h.01';
const CROSS = 'M6 6l12 12M18 6L6 18';
const SEND = 'M12 19V5M6 11l6-6 6 6';
const STOP = 'M7 7h10v10H7z';
const THUMB = 'M7 11v8H4v-8h3Zm0 0 4-7c1.2 0 2 .9 2 2v3h4.7c1.3 0 2.2 1.2 1.9 2.4l-1.3 5.5c-.2.7-.9 1.1-1.6 1.1H7';

// The address if it is http(s), else undefined: a source's URL is never trusted to be harmless.
const web = (address) => {
  try {
    const url = new URL(address);
    return /^https?:$/.test(url.protocol) ? url : undefined;
  } catch {
    return undefined;
  }
};
const link = (url, props, ...kids) =>
  el('a', { href: url.href, target: '_blank', rel: 'noopener nofollow', ...props }, ...kids, el('span', { className: 'sr' }, ` (${t.tab})`));
