// Formatting: an answer's Markdown as nodes.

const INLINE = /`([^`\n]+)`|\*\*(.+?)\*\*|\[([^\]\n]+)\]\((https?:[^\s)]+)\)|\[(\d{1,2}(?:\s*,\s*\d{1,2})*)\]/g;

// The address if it is a source's or the customer's own; every other stays plain text.
const home = (address, sources) => {
  const url = web(address);
  const own = url && [location.host, domain].includes(url.host) && !url.username && !url.password;
  return own || sources.some((source) => source.url === address) ? url : undefined;
};

// One line's code, bold, links and citations.
const inline = (text, sources) => {
  const nodes = [];
  const cite = (n) => {
    const source = sources.find((s) => String(s.n) === n.trim());
    const url = source && web(source.url);
    return url
      ? link(url, { className: 'cite', 'aria-label': `${t.sources} ${source.n}: ${source.title || url.host} (${t.tab})` }, String(source.n))
      : el('span', { className: 'cite' }, n.trim());
  };
  let at = 0;
  for (const match of text.matchAll(INLINE)) {
    const [all, code, bold, words, address, marks] = match;
    nodes.push(text.slice(at, match.index));
    at = match.index + all.length;
    if (code) nodes.push(el('code', {}, code));
    else if (bold) nodes.push(el('strong', {}, ...inline(bold, sources)));
    else if (words) {
      const known = home(address, sources);
      nodes.push(known ? link(known, {}, words) : words);
    } else nodes.push(...marks.split(',').map(cite));
  }
  nodes.push(text.slice(at));
  return nodes;
};

// Paragraphs, lists and fenced code of an answer, as nodes. Unknown markup stays visible as plain text.
const format = (text, sources) => {
  const blocks = [];
  let open;
  let fence;
  const start = (tag, props) => {
    open = el(tag, { dir: 'auto', ...props });
    blocks.push(open);
  };
  for (const line of text.split(/\r?\n/)) {
    const item = /^\s*(?:[-*•]|(\d{1,3})[.)])\s+(.*)/s.exec(line);
    if (/^\s*```/.test(line)) {
      if (!fence) blocks.push(el('pre', { tabIndex: 0, dir: 'ltr' }, (fence = el('code'))));
      else fence = null;
      open = null;
    } else if (fence) fence.append(line + '\n');
    else if (!line.trim()) {
      if (open?.tagName === 'P') open = null;
    } else if (item) {
      const tag = item[1] ? 'ol' : 'ul';
      if (open?.localName !== tag) start(tag, item[1] ? { start: +item[1] } : {});
      open.append(el('li', {}, ...inline(item[2], sources)));
    } else {
      const heading = /^#{1,6}\s+(.*)/s.exec(line);
      if (open?.lastElementChild?.localName === 'li' && /^\s{2,}/.test(line)) {
        open.lastElementChild.append(' ', ...inline(line.trim(), sources));
        continue;
      }
      if (heading || open?.localName !== 'p') start('p');
      else open.append(el('br'));
      open.append(...(heading ? [el('strong', {}, ...inline(heading[1], sources))] : inline(line, sources)));
      if (heading) open = null;
    }
  }
  return blocks;
};
