import type { RefObject } from 'preact';
import { useEffect, useState } from 'preact/hooks';

/** Rows beyond the visible ones, so that scrolling does not show gaps. */
const MARGIN = 6;

/** Which of `count` rows of equal height need to be there for what is visible of `scroller`: [first, last). */
export function useVirtualRows(
  scroller: RefObject<HTMLElement>,
  count: number,
  rowHeight: number,
): { readonly first: number; readonly last: number } {
  const [extent, setExtent] = useState({ top: 0, height: 600 });
  useEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    // Only whole rows matter: most scroll events change nothing.
    const look = (): void => {
      const top = Math.floor(element.scrollTop / rowHeight) * rowHeight;
      const height = element.clientHeight;
      setExtent((known) => (known.top === top && known.height === height ? known : { top, height }));
    };
    look();
    element.addEventListener('scroll', look, { passive: true });
    const observer = new ResizeObserver(look);
    observer.observe(element);
    return () => {
      element.removeEventListener('scroll', look);
      observer.disconnect();
    };
  }, [scroller, rowHeight]);
  const visible = Math.ceil(extent.height / rowHeight) + 1;
  const first = Math.max(0, Math.min(extent.top / rowHeight - MARGIN, count - visible - MARGIN));
  return { first, last: Math.min(count, first + visible + 2 * MARGIN) };
}
