/** The page's picture: the smooth distribution of a layer's weights, and the few levels that they are rounded to. */

const WIDTH = 420;
const HEIGHT = 320;
const BASE = 282;
const LEVELS = 13;

/** Height of the curve at x in [-1, 1]: a Lorentz curve, for the heavy tails of weights. */
const density = (x: number): number => 1 / (1 + (x / 0.24) ** 2);

const at = (x: number): readonly [number, number] => [WIDTH / 2 + x * (WIDTH / 2 - 18), BASE - density(x) * 232];

const curve = Array.from({ length: 121 }, (_, index) => at(-1 + index / 60))
  .map(([x, y], index) => `${index === 0 ? 'M' : 'L'}${x.toFixed(1)} ${y.toFixed(1)}`)
  .join(' ');

const bars = Array.from({ length: LEVELS }, (_, index) => {
  const [x, y] = at(-0.9 + (1.8 * index) / (LEVELS - 1));
  return { x, y };
});

export function StepGraphic() {
  return (
    <svg class="step-graphic" viewBox={`0 0 ${String(WIDTH)} ${String(HEIGHT)}`} aria-hidden="true">
      <path class="graphic-area" d={`${curve} V${String(BASE)} H18 Z`} />
      {bars.map(({ x, y }) => (
        <rect key={x} class="graphic-bar" x={x - 10} y={y} width="20" height={BASE - y} rx="3" />
      ))}
      <path class="graphic-curve" d={curve} />
      <path class="graphic-axis" d={`M10 ${String(BASE + 0.5)} H${String(WIDTH - 10)}`} />
      {bars.map(({ x }) => (
        <circle key={x} class="graphic-level" cx={x} cy={BASE + 16} r="3" />
      ))}
    </svg>
  );
}
