/**
 * `promise`, or a rejection that says what did not come in time: a browser that hangs has to end as a failure.
 *
 * @template T
 * @param {number} milliseconds
 * @param {string} what continues "… within 10 s"
 * @param {Promise<T>} promise
 * @returns {Promise<T>}
 */
export async function within(milliseconds, what, promise) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} within ${milliseconds / 1000} s`)), milliseconds);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}
