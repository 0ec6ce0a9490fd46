/** In the page: `watched` gets the frames of a job and its longest task, both of the page's own thread. */
export function watchJob() {
  const watched = { begin: 0, end: 0, frames: 0, longestTask: 0 };
  globalThis.watched = watched;
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) watched.longestTask = Math.max(watched.longestTask, duration);
  }).observe({ type: 'longtask' });
  const look = () => {
    const runs = document.querySelector('[role=progressbar]') !== null;
    if (runs && watched.begin === 0) watched.begin = performance.now();
    if (runs) ++watched.frames;
    if (!runs && watched.begin > 0) watched.end = performance.now();
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}
