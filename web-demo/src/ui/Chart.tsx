import { useEffect, useRef } from 'preact/hooks';
import { createChart, disposeChart } from '../charts/echarts';
import { indexOf, type ChartOption } from '../charts/options';
import { paletteAt, type Palette } from '../charts/palette';
import { theme } from '../theme';

interface ChartProps {
  /** What a screen reader says of the plot. */
  readonly label: string;
  readonly kind: 'errors' | 'histogram' | 'map' | 'treemap';
  /** Makes the plot; called again when theme or width change. Kept by its identity. */
  readonly option: (palette: Palette, width: number) => ChartOption;
  readonly onPick?: (index: number) => void;
}

/** A plot that follows the theme and the width of the page. */
export function Chart({ label, kind, option, onPick }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<ReturnType<typeof createChart> | null>(null);
  const current = useRef({ option, onPick });
  current.current = { option, onPick };
  const draw = (): void => {
    if (chart.current === null || place.current === null) return;
    chart.current.setOption(current.current.option(paletteAt(place.current), place.current.clientWidth), true);
  };
  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const made = createChart(element);
    chart.current = made;
    made.on('click', (about) => current.current.onPick?.(indexOf(about)));
    let width = element.clientWidth;
    const observer = new ResizeObserver(() => {
      made.resize();
      if (element.clientWidth !== width) draw();
      width = element.clientWidth;
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      disposeChart(made);
      chart.current = null;
    };
  }, []);
  useEffect(draw, [option, theme.value]);
  return <div ref={place} class={`chart is-${kind}`} role="img" aria-label={label} />;
}
