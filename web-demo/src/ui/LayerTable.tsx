import { useComputed, useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { selectLayer } from '../actions';
import type { TensorReport } from 'arrowquant';
import * as format from '../format';
import { reports, result, run, view, type LayerRow } from '../store';
import { LayerName } from './LayerName';
import { useVirtualRows } from './virtual-rows';

type SortKey = 'order' | 'name' | 'size' | 'error';

const ROW_HEIGHT = 44;

/** All layers: what they are, what they become, and, as far as that is known, what they lose. */
export function LayerTable({ rows }: { rows: readonly LayerRow[] }) {
  const filter = useSignal('');
  const sort = useSignal<SortKey>('order');
  const source = useSignal(rows);
  source.value = rows;
  const shown = useComputed(() => arranged(source.value, filter.value, sort.value));
  const scroller = useRef<HTMLDivElement>(null);
  const { first, last } = useVirtualRows(scroller, shown.value.length, ROW_HEIGHT);
  useEffect(() => {
    scroller.current?.scrollTo({ top: 0 });
  }, [filter.value, sort.value]);
  useEffect(() => {
    if (run.value.status === 'running' && scroller.current !== null) follow(scroller.current, shown.value);
  }, [reports.value]);
  return (
    <section class="card layers" aria-labelledby="layers-title">
      <div class="layers-head">
        <h2 id="layers-title">Layers</h2>
        <input
          type="search"
          class="layers-filter"
          placeholder="Find by name"
          aria-label="Find layers by name"
          value={filter.value}
          onInput={({ currentTarget }) => {
            filter.value = currentTarget.value;
          }}
        />
      </div>
      <div ref={scroller} class="layers-scroll" tabIndex={0} role="region" aria-label="List of layers">
        <table class="layers-table" role="table" aria-labelledby="layers-title" aria-rowcount={shown.value.length + 1}>
          <thead role="rowgroup">
            <tr role="row" aria-rowindex={1}>
              <SortHeading title="Layer" kind="name" sort={sort} />
              <th scope="col" role="columnheader">
                Type
              </th>
              <SortHeading title="Size" kind="size" sort={sort} />
              <SortHeading title="Error" kind="error" sort={sort} />
            </tr>
          </thead>
          <tbody role="rowgroup">
            <Spacer rows={first} />
            {shown.value.slice(first, last).map((row, index) => (
              <Row key={row.name} row={row} index={first + index} />
            ))}
            <Spacer rows={shown.value.length - last} />
          </tbody>
        </table>
        {shown.value.length === 0 && <p class="layers-empty">No layer has that in its name.</p>}
      </div>
    </section>
  );
}

/** Keeps the layer that was finished last in sight, unless someone is looking at the list. */
function follow(scroller: HTMLElement, rows: readonly LayerRow[]): void {
  const last = [...reports.value.keys()].at(-1);
  if (last === undefined || scroller.matches(':hover, :focus-within')) return;
  const index = rows.findIndex(({ name }) => name === last);
  scroller.scrollTo({ top: Math.max(0, (index + 3) * ROW_HEIGHT - scroller.clientHeight) });
}

function arranged(rows: readonly LayerRow[], filter: string, sort: SortKey): readonly LayerRow[] {
  const wanted = filter.trim().toLowerCase();
  const found = wanted === '' ? [...rows] : rows.filter(({ name }) => name.toLowerCase().includes(wanted));
  if (sort === 'name') found.sort((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)));
  if (sort === 'size') found.sort((a, b) => b.bytesBefore - a.bytesBefore);
  if (sort === 'error') {
    const errors = reports.value;
    const errorOf = ({ name }: LayerRow): number => errors.get(name)?.relativeRmse ?? -1;
    found.sort((a, b) => errorOf(b) - errorOf(a));
  }
  return found;
}

interface SortHeadingProps {
  readonly title: string;
  readonly kind: SortKey;
  readonly sort: { value: SortKey };
}

function SortHeading({ title, kind, sort }: SortHeadingProps) {
  const isChosen = sort.value === kind;
  return (
    <th scope="col" role="columnheader" aria-sort={isChosen ? (kind === 'name' ? 'ascending' : 'descending') : 'none'}>
      <button
        type="button"
        class="sort-button"
        onClick={() => {
          sort.value = isChosen ? 'order' : kind;
        }}
      >
        {title}
        <span aria-hidden="true">{isChosen ? (kind === 'name' ? '▴' : '▾') : ''}</span>
      </button>
    </th>
  );
}

/** Stands for the rows that are out of sight. */
function Spacer({ rows }: { rows: number }) {
  if (rows <= 0) return null;
  return (
    <tr aria-hidden="true">
      <td
        colSpan={4}
        class="spacer"
        ref={(cell) => cell?.style.setProperty('height', `${String(rows * ROW_HEIGHT)}px`)}
      />
    </tr>
  );
}

function Row({ row, index }: { row: LayerRow; index: number }) {
  const { name, shape, plan } = row;
  const report = reports.value.get(name);
  const isChosen = view.value.status !== 'none' && view.value.name === name;
  const state = report === undefined ? (run.value.status === 'running' ? 'is-waiting' : '') : 'is-done';
  return (
    <tr role="row" class={`${state} ${isChosen ? 'is-chosen' : ''}`} aria-rowindex={index + 2}>
      <th scope="row" role="rowheader">
        {result.value === null ? (
          <LayerName name={name} />
        ) : (
          <button type="button" class="link-button" onClick={() => void selectLayer(name)}>
            <LayerName name={name} />
          </button>
        )}
        <span class="layer-shape">{format.shape(shape)}</span>
      </th>
      <td role="cell">
        <span class="type-before">{row.from}</span>
        {plan !== null && plan.to !== row.from && (
          <>
            <span class="arrow" aria-label="becomes">
              →
            </span>
            <span class={plan.kept ? 'type-kept' : 'type-after'} title={plan.rule ?? undefined}>
              {plan.to}
            </span>
          </>
        )}
        {plan !== null && plan.rule !== null && <span class="layer-rule">{plan.rule}</span>}
      </td>
      <td role="cell" class="number">
        {format.bytes(plan?.bytesAfter ?? row.bytesBefore)}
        {plan !== null && <span class="number-before">{format.bytes(row.bytesBefore)}</span>}
      </td>
      <td role="cell" class="number">
        <ErrorCell report={report} />
      </td>
    </tr>
  );
}

function ErrorCell({ report }: { report: TensorReport | undefined }) {
  if (report === undefined) return <span class="quiet">–</span>;
  if (report.relativeRmse === null) return <span class="quiet">{report.kept ? 'kept' : 'done'}</span>;
  return (
    <>
      {format.percent(report.relativeRmse)}
      {report.cosine !== null && <span class="number-before">cos {report.cosine.toFixed(5)}</span>}
    </>
  );
}
