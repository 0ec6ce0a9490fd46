/** Records for the raw module's `submit`, by the names of their words. */
export class RawJobs {
  #module;
  #words;
  #codecs;
  #memory;

  /** Room for `most` records and outcomes. */
  constructor(module, most = 4) {
    this.#module = module;
    this.#words = module.jobWords();
    this.#codecs = module.codecs();
    this.records = most;
    this.#memory = module.allocate(most * this.recordBytes * 2);
  }

  get recordBytes() {
    return this.#words.job.count * 8;
  }

  /** Where the records lie, and where the outcomes go. */
  get address() {
    return this.#memory;
  }

  get outcomes() {
    return this.#memory + this.records * this.recordBytes;
  }

  release() {
    this.#module.release(this.#memory);
  }

  /** Writes record `index`: `source` and `target` are { codec, bits, groupSize, symmetric, scale, planes }. */
  write({ source, target, ...own }, index = 0) {
    const { job, operand, verbs } = this.#words;
    const words = new Float64Array(this.#module.HEAPU8.buffer, this.#memory + index * this.recordBytes, job.count);
    words.fill(0);
    for (const [name, value] of Object.entries(own))
      words[job[name]] = name === 'verb' ? (verbs[value] ?? value) : value;
    for (const [at, side] of [
      [job.source, source],
      [job.target, target],
    ]) {
      const { codec, planes = [], ...rest } = { scale: 1, ...side };
      const found = this.#codecs.findIndex(({ name }) => name === codec);
      words[at + operand.codec] = found < 0 ? codec : found;
      for (const [name, value] of Object.entries(rest)) words[at + operand[name]] = value;
      planes.forEach((address, plane) => (words[at + operand.planes + plane] = address));
    }
  }

  submit(count = 1) {
    return this.#module.submit(this.address, count, this.outcomes);
  }

  /** One word of what became of a record. */
  outcome(name, index = 0) {
    const { count, ...places } = this.#words.outcome;
    const at = this.outcomes + (index * count + places[name]) * 8;
    return new Float64Array(this.#module.HEAPU8.buffer, at, 1)[0];
  }
}
