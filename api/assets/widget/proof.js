// Proof of work, for the rare address that the server has doubts about: a number which makes the SHA-256 (FIPS 180-4) of
// `challenge:number` begin with as many zero bits as asked. By ourselves, since `crypto.subtle` is missing on pages without
// TLS; in slices, so that the page stays quick.
const K = [];
const START = new Int32Array(8);
const rootBits = (n, power) => (n ** (1 / power) * 2 ** 32) | 0;
for (let n = 2, i; K.length < 64; n++) {
  for (i = 2; n % i; i++);
  if (i < n) continue;
  START[K.length] = rootBits(n, 2);
  K.push(rootBits(n, 3));
}
const turn = (x, n) => (x >>> n) | (x << (32 - n));
const turns = (x, i, j, k) => turn(x, i) ^ turn(x, j) ^ turn(x, k);
// The state after one block, whose 16 words become 64.
const mix = (state, w) => {
  const s = state.slice();
  for (let i = 0; i < 64; i++) {
    if (i > 15) {
      const x = w[i - 15];
      const y = w[i - 2];
      w[i] = w[i - 16] + w[i - 7] + (turn(x, 7) ^ turn(x, 18) ^ (x >>> 3)) + (turn(y, 17) ^ turn(y, 19) ^ (y >>> 10));
    }
    const one = s[7] + K[i] + w[i] + turns(s[4], 6, 11, 25) + ((s[4] & s[5]) ^ (~s[4] & s[6]));
    const two = one + turns(s[0], 2, 13, 22) + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
    s.copyWithin(1, 0);
    s[4] += one;
    s[0] = two;
  }
  return s.map((value, i) => value + state[i]);
};

// The answer to a challenge as its header has it: the number of bits, a space, and the text.
const prove = async (asked, signal) => {
  const [bits, text] = asked.split(' ');
  for (let n = 0, end = 0; ; n++) {
    if (performance.now() > end) {
      await new Promise((go) => setTimeout(go));
      signal?.throwIfAborted();
      end = performance.now() + 20;
    }
    const tried = text + ':' + n;
    const padded = tried + '\x80';
    let state = START;
    for (let at = 0; at < tried.length + 9; at += 64) {
      const words = new Int32Array(64);
      for (let i = 0; i < 64; i++) words[i >> 2] |= padded.charCodeAt(at + i) << (24 - (i % 4) * 8);
      if (at + 56 > tried.length) words[15] = tried.length * 8;
      state = mix(state, words);
    }
    if (!(state[0] >>> (32 - bits))) return tried;
  }
};
