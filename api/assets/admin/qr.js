// QR codes (ISO/IEC 18004) of short texts, in bytes, with error correction L, versions 1 to 10, as SVG. Nothing leaves the page to draw one.
import { svg } from './dom.js';

// By version: codewords of data, codewords of correction per block, blocks, centres of alignment patterns.
const VERSIONS = [
  null,
  [19, 7, 1, []],
  [34, 10, 1, [6, 18]],
  [55, 15, 1, [6, 22]],
  [80, 20, 1, [6, 26]],
  [108, 26, 1, [6, 30]],
  [136, 18, 2, [6, 34]],
  [156, 20, 2, [6, 22, 38]],
  [194, 24, 2, [6, 24, 42]],
  [232, 30, 2, [6, 26, 46]],
  [274, 18, 4, [6, 28, 50]],
];

// The field of 256 elements over x^8 + x^4 + x^3 + x^2 + 1.
const times = (a, b) => {
  let product = 0;
  for (let bit = 7; bit >= 0; bit -= 1) product = (product << 1) ^ ((product >>> 7) * 0x11d) ^ (((b >>> bit) & 1) * a);
  return product;
};
const generator = (degree) => {
  const factors = new Array(degree).fill(0).with(-1, 1);
  let root = 1;
  for (let i = 0; i < degree; i += 1) {
    for (let j = 0; j < degree; j += 1) factors[j] = times(factors[j], root) ^ (factors[j + 1] ?? 0);
    root = times(root, 2);
  }
  return factors;
};
const correction = (data, factors) => {
  const rest = factors.map(() => 0);
  for (const byte of data) {
    const lead = byte ^ rest.shift();
    rest.push(0);
    factors.forEach((factor, i) => (rest[i] ^= times(factor, lead)));
  }
  return rest;
};

const codewords = (bytes, version) => {
  const [capacity, perBlock, blocks] = VERSIONS[version];
  const bits = [];
  const add = (value, count) => {
    for (let i = count - 1; i >= 0; i -= 1) bits.push((value >>> i) & 1);
  };
  add(4, 4);
  add(bytes.length, version < 10 ? 8 : 16);
  for (const byte of bytes) add(byte, 8);
  add(0, Math.min(4, capacity * 8 - bits.length));
  while (bits.length % 8) bits.push(0);
  const data = [];
  for (let i = 0; i < bits.length; i += 8) data.push(Number.parseInt(bits.slice(i, i + 8).join(''), 2));
  for (let pad = 0xec; data.length < capacity; pad ^= 0xec ^ 0x11) data.push(pad);
  const factors = generator(perBlock);
  const short = Math.floor(capacity / blocks);
  const parts = [];
  for (let block = 0, from = 0; block < blocks; block += 1) {
    const length = short + (block >= blocks - (capacity % blocks) ? 1 : 0);
    parts.push(data.slice(from, from + length));
    from += length;
  }
  const checks = parts.map((part) => correction(part, factors));
  const interleaved = (rows) =>
    Array.from({ length: Math.max(...rows.map((row) => row.length)) }, (_, i) => rows.flatMap((row) => row[i] ?? [])).flat();
  return [...interleaved(parts), ...interleaved(checks)];
};

// A code of `size` by `size` modules: `dark` and what is `fixed` of them, the patterns by which a reader finds its way.
const ground = (version) => {
  const size = version * 4 + 17;
  const dark = Array.from({ length: size }, () => new Array(size).fill(0));
  const fixed = dark.map((row) => row.slice());
  const set = (x, y, value) => {
    if (x < 0 || y < 0 || x >= size || y >= size) return;
    dark[y][x] = value ? 1 : 0;
    fixed[y][x] = 1;
  };
  for (let i = 0; i < size; i += 1) {
    set(6, i, i % 2 === 0);
    set(i, 6, i % 2 === 0);
  }
  const square = (cx, cy, reach, light) => {
    for (let y = -reach; y <= reach; y += 1)
      for (let x = -reach; x <= reach; x += 1) set(cx + x, cy + y, !light.includes(Math.max(Math.abs(x), Math.abs(y))));
  };
  for (const [x, y] of [
    [3, 3],
    [size - 4, 3],
    [3, size - 4],
  ])
    square(x, y, 4, [2, 4]);
  const centres = VERSIONS[version][3];
  const last = centres.at(-1);
  for (const x of centres)
    for (const y of centres) if (!((x === 6 && y === 6) || (x === 6 && y === last) || (x === last && y === 6))) square(x, y, 2, [1]);
  return { size, dark, fixed, set };
};

const remainder = (value, polynomial, degree) => {
  let rest = value;
  for (let i = 0; i < degree; i += 1) rest = (rest << 1) ^ ((rest >>> (degree - 1)) * polynomial);
  return rest;
};
// What says mask 0 and correction L, and from version 7 on the version.
const signs = ({ size, set }, version) => {
  const format = ((8 << 10) | remainder(8, 0x537, 10)) ^ 0x5412;
  for (let i = 0; i < 15; i += 1) {
    const bit = (format >>> i) & 1;
    set(8, i < 6 ? i : i < 8 ? i + 1 : size - 15 + i, bit);
    set(i < 8 ? size - 1 - i : i === 8 ? 7 : 14 - i, 8, bit);
  }
  set(8, size - 8, 1);
  if (version < 7) return;
  const number = (version << 12) | remainder(version, 0x1f25, 12);
  for (let i = 0; i < 18; i += 1) {
    const [a, b] = [size - 11 + (i % 3), Math.floor(i / 3)];
    set(a, b, (number >>> i) & 1);
    set(b, a, (number >>> i) & 1);
  }
};

// The rows of a text's code, 1 where it is dark; null for a text of more than 271 bytes.
export const encode = (text) => {
  const bytes = new TextEncoder().encode(text);
  const version = VERSIONS.findIndex((found, i) => found && bytes.length + (i < 10 ? 2 : 3) <= found[0]);
  if (version < 0) return null;
  const code = ground(version);
  signs(code, version);
  const bits = codewords(bytes, version).flatMap((word) => Array.from({ length: 8 }, (_, i) => (word >>> (7 - i)) & 1));
  let next = 0;
  for (let right = code.size - 1; right > 0; right -= right === 8 ? 3 : 2) {
    const upward = ((right + 1) & 2) === 0;
    for (let i = 0; i < code.size; i += 1) {
      const y = upward ? code.size - 1 - i : i;
      for (const x of [right, right - 1]) {
        if (code.fixed[y][x]) continue;
        code.dark[y][x] = (bits[next] ?? 0) ^ ((x + y) % 2 === 0 ? 1 : 0);
        next += 1;
      }
    }
  }
  return code.dark;
};

// The code as a picture, with the quiet zone that readers want; nothing for a text that is too long.
export const drawing = (text, label) => {
  const rows = encode(text);
  if (!rows) return null;
  const path = rows.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x + 4} ${y + 4}h1v1h-1z` : ''))).join('');
  const side = rows.length + 8;
  return svg(
    'svg',
    { class: 'qr', viewBox: `0 0 ${side} ${side}`, role: 'img', 'aria-label': label, 'shape-rendering': 'crispEdges' },
    svg('path', { d: path }),
  );
};
