// Proof of work, for the rare address that the server has doubts about: a number which makes the SHA-256 (FIPS 180-4) of
// `challenge:number` begin with as many zero bits as asked. By ourselves, since `crypto.subtle` is missing on pages without
// TLS; in slices, so that the page stays quick.
const SLICE_MS = 20;
const K = [];
const START = [];
for (let n = 2, sieve = []; K.length < 64; n++) {
  if (sieve[n]) continue;
  for (let i = n * n; i < 312; i += n) sieve[i] = 1;
  if (START.length < 8) START.push((n ** (1 / 2) * 2 ** 32) | 0);
  K.push((n ** (1 / 3) * 2 ** 32) | 0);
}
const turn = (x, n) => (x >>> n) | (x << (32 - n));
// The state after one block of 16 words, which becomes 64.
const mix = (state, w) => {
  let [a, b, c, d, e, f, g, h] = state;
  for (let i = 0; i < 64; i++) {
    if (i > 15) {
      const x = w[i - 15];
      const y = w[i - 2];
      w[i] = (w[i - 16] + w[i - 7] + (turn(x, 7) ^ turn(x, 18) ^ (x >>> 3)) + (turn(y, 17) ^ turn(y, 19) ^ (y >>> 10))) | 0;
    }
    const one = h + K[i] + w[i] + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g));
    const two = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = (d + one) | 0;
    d = c;
    c = b;
    b = a;
    a = (one + two) | 0;
  }
  return [a, b, c, d, e, f, g, h].map((value, i) => (value + state[i]) | 0);
};
const block = (text, at) => {
  const words = Array(16).fill(0);
  for (let i = 0; i < 64; i++) words[i >> 2] |= (text.charCodeAt(at + i) || 0) << (24 - (i % 4) * 8);
  return words;
};

// The answer to a challenge as its header has it: the number of bits, a space, and the text.
const prove = async (asked, signal) => {
  const [bits, text] = asked.split(' ');
  const head = text + ':';
  const whole = head.length & ~63;
  let begun = START;
  for (let at = 0; at < whole; at += 64) begun = mix(begun, block(head, at));
  const rest = head.slice(whole);
  for (let n = 0; ; ) {
    const end = performance.now() + SLICE_MS;
    do {
      const tail = rest + n + '\x80';
      const blocks = (tail.length + 71) >> 6;
      let state = begun;
      for (let at = 0; at < blocks; at++) {
        const words = block(tail, at * 64);
        if (at === blocks - 1) words[15] = (head + n).length * 8;
        state = mix(state, words);
      }
      if (!(state[0] >>> (32 - bits))) return head + n;
    } while (++n % 64 || performance.now() < end);
    await new Promise((go) => setTimeout(go));
    signal?.throwIfAborted();
  }
};
