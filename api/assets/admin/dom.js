// Elements made of values. Text is always text: nothing here, or in any other module, makes markup from a string. An address that comes with data
// leads to http(s) or nowhere.

// A field's value is its default, so that `reset` brings it back.
const PROPERTIES = new Set(['defaultValue', 'defaultChecked', 'disabled', 'hidden', 'open']);

// The address if it is http(s), also when it is relative; else null.
export const safe = (address) => {
  if (!address) return null;
  try {
    const url = new URL(address, location.href);
    return /^https?:$/.test(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
};

const dress = (node, attributes) => {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') node.addEventListener(name, value);
    else if (PROPERTIES.has(name)) node[name] = value;
    else if (/^on|^style$|^srcdoc$/.test(name)) throw new TypeError(`${name} is not set here`);
    else if (name === 'href' || name === 'src') {
      const address = safe(value);
      if (address) node.setAttribute(name, address);
    } else node.setAttribute(name, value === true ? '' : value);
  }
  return node;
};

const fill = (node, kids) => {
  const present = kids.flat(Infinity).filter((kid) => kid !== null && kid !== undefined && kid !== false && kid !== '');
  node.append(...present);
  return node;
};

// el('button', { type: 'button', click: act }, 'Text'): functions listen to events, the rest are attributes.
export const el = (tag, attributes, ...kids) => fill(dress(document.createElement(tag), attributes), kids);

export const svg = (tag, attributes, ...kids) => fill(dress(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes), kids);

// Replaces what stands in a node.
export const put = (node, ...kids) => {
  node.replaceChildren();
  return fill(node, kids);
};

// A link to a page of somebody's site: opened beside this one, which it learns nothing of.
export const out = (address, text = address) =>
  safe(address) ? el('a', { href: address, target: '_blank', rel: 'noopener noreferrer', dir: 'auto' }, text) : el('span', { dir: 'auto' }, text);

let next = 0;
// A fresh id, for labels and descriptions.
export const id = (prefix) => `${prefix}-${(next += 1)}`;
