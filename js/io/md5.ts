/** MD5 (RFC 1321), for formats that list the sums of their files; browsers have none of their own. */

const BLOCK = 64;

/** Bits by which each step turns: four rounds of four, four times each. */
const TURNS = [
  [7, 12, 17, 22],
  [5, 9, 14, 20],
  [4, 11, 16, 23],
  [6, 10, 15, 21],
].flatMap((round) => [...round, ...round, ...round, ...round]);

/** The whole part of 2^32 · |sin(step + 1)|. */
const SINES = Int32Array.from({ length: BLOCK }, (_, step) => Math.floor(2 ** 32 * Math.abs(Math.sin(step + 1))));

/** Which word of a block each step takes. */
const WORDS = Uint8Array.from({ length: BLOCK }, (_, step) => {
  const [factor = 1, offset = 0] = [[1], [5, 1], [3, 5], [7]][step >> 4] ?? [];
  return (factor * step + offset) % 16;
});

/** The sum of bytes that come one after the other. */
export class Md5 {
  readonly #state = Int32Array.of(0x67452301, 0xefcdab89 | 0, 0x98badcfe | 0, 0x10325476);
  readonly #block = new Uint8Array(BLOCK);
  readonly #words = new Int32Array(16);
  #bytes = 0;

  update(bytes: Uint8Array): void {
    let at = 0;
    const filled = this.#bytes % BLOCK;
    this.#bytes += bytes.length;
    if (filled > 0) {
      at = Math.min(BLOCK - filled, bytes.length);
      this.#block.set(bytes.subarray(0, at), filled);
      if (filled + at < BLOCK) return;
      this.#mix(this.#block, 0);
    }
    for (; at + BLOCK <= bytes.length; at += BLOCK) this.#mix(bytes, at);
    this.#block.set(bytes.subarray(at));
  }

  /** The sum in hexadecimal; to be called once, after the last bytes. */
  digest(): string {
    const bits = BigInt(this.#bytes) * 8n;
    const padding = new Uint8Array(((BLOCK + 55 - (this.#bytes % BLOCK)) % BLOCK) + 9);
    padding[0] = 0x80;
    new DataView(padding.buffer).setBigUint64(padding.length - 8, BigInt.asUintN(64, bits), true);
    this.update(padding);
    const sum = new DataView(new ArrayBuffer(16));
    for (const [index, word] of this.#state.entries()) sum.setInt32(4 * index, word, true);
    return [...new Uint8Array(sum.buffer)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  }

  #mix(bytes: Uint8Array, at: number): void {
    const words = this.#words;
    for (let word = 0; word < 16; ++word) {
      const byte = at + 4 * word;
      words[word] =
        (bytes[byte] ?? 0) |
        ((bytes[byte + 1] ?? 0) << 8) |
        ((bytes[byte + 2] ?? 0) << 16) |
        ((bytes[byte + 3] ?? 0) << 24);
    }
    let [a = 0, b = 0, c = 0, d = 0] = this.#state;
    for (let step = 0; step < BLOCK; ++step) {
      const mixed =
        step < 16 ? (b & c) | (~b & d) : step < 32 ? (d & b) | (~d & c) : step < 48 ? b ^ c ^ d : c ^ (b | ~d);
      const sum = (a + mixed + (SINES[step] ?? 0) + (words[WORDS[step] ?? 0] ?? 0)) | 0;
      const turn = TURNS[step] ?? 0;
      [a, d, c] = [d, c, b];
      b = (b + ((sum << turn) | (sum >>> (32 - turn)))) | 0;
    }
    const state = this.#state;
    for (const [index, word] of [a, b, c, d].entries()) state[index] = (state[index] ?? 0) + word;
  }
}
