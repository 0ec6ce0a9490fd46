/** What has a place in a queue. */
export interface Positioned {
  readonly position: number;
}

/** An item, and when it came. */
interface Entry<Item> {
  readonly item: Item;
  readonly arrival: number;
}

/**
 * Items in the order of their positions, those of the same position in the order in which they came. However many there are,
 * and in whatever order they come, an item costs no more than the logarithm of their number in comparisons.
 */
export class PositionQueue<Item extends Positioned> {
  /** A binary heap: each entry comes before the two at twice its index, plus one and plus two. */
  readonly #heap: Entry<Item>[] = [];
  #arrivals = 0;

  get first(): Item | undefined {
    return this.#heap[0]?.item;
  }

  add(item: Item): void {
    const entry = { item, arrival: this.#arrivals++ };
    let index = this.#heap.push(entry) - 1;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = this.#heap[above];
      if (parent === undefined || isBefore(parent, entry)) break;
      this.#heap[index] = parent;
      index = above;
    }
    this.#heap[index] = entry;
  }

  takeFirst(): Item | undefined {
    const first = this.#heap[0];
    const last = this.#heap.pop();
    if (first !== last && last !== undefined) this.#sink(last);
    return first?.item;
  }

  /** Takes all of them, in no order. */
  takeAll(): Item[] {
    return this.#heap.splice(0).map(({ item }) => item);
  }

  /** Puts `entry` in place of the first, and moves it down to where it belongs. */
  #sink(entry: Entry<Item>): void {
    let index = 0;
    for (;;) {
      const left = 2 * index + 1;
      const child = this.#earlierOf(left, left + 1);
      const below = this.#heap[child];
      if (below === undefined || isBefore(entry, below)) break;
      this.#heap[index] = below;
      index = child;
    }
    this.#heap[index] = entry;
  }

  #earlierOf(left: number, right: number): number {
    const [one, other] = [this.#heap[left], this.#heap[right]];
    return one !== undefined && other !== undefined && isBefore(other, one) ? right : left;
  }
}

function isBefore<Item extends Positioned>(a: Entry<Item>, b: Entry<Item>): boolean {
  const distance = a.item.position - b.item.position;
  return distance === 0 ? a.arrival < b.arrival : distance < 0;
}
