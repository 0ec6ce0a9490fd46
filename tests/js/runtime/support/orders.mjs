const rising = (count) => Array.from({ length: count }, (_, index) => index);

/** Numbers from 0 on in an order that only looks like chance. */
function shuffled(count) {
  const numbers = rising(count);
  let random = 42;
  for (let last = count - 1; last > 0; --last) {
    random = (random * 48271) % 2147483647;
    const other = random % (last + 1);
    [numbers[last], numbers[other]] = [numbers[other], numbers[last]];
  }
  return numbers;
}

/** The numbers from 0 to `count`, in the orders in which pieces may come. */
export const kOrders = {
  'in order': rising,
  'in reverse': (count) => rising(count).reverse(),
  'in any order': shuffled,
  'from two ends': (count) => rising(count).map((index) => (index % 2 === 0 ? index / 2 : count - (index + 1) / 2)),
};
