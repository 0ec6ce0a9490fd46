import { ARCHITECTURES } from 'arrowquant';
import type { ComponentChildren } from 'preact';
import { changeSettings } from '../actions';
import { BIT_WIDTHS, FILE_TYPES, GROUP_SIZES, PROGRAM_TITLES, type Settings } from '../settings';
import { isBusy, settings } from '../store';
import { RulesEditor } from './RulesEditor';

export function SettingsPanel() {
  const current = settings.value;
  return (
    <section class="card" aria-labelledby="settings-title">
      <h2 id="settings-title">How</h2>
      <fieldset class="settings" disabled={isBusy.value}>
        <legend class="visually-hidden">How to quantize</legend>
        <Segments
          title="Output"
          name="output"
          value={current.output}
          choices={[
            ['gguf', 'GGUF'],
            ['safetensors', 'safetensors'],
          ]}
          onChange={(output) => {
            changeSettings({ output });
          }}
        />
        {current.output === 'gguf' ? <GgufSettings {...current} /> : <AffineSettings {...current} />}
        <RulesEditor />
      </fieldset>
    </section>
  );
}

function GgufSettings({ type, pure, architecture, program }: Settings) {
  return (
    <>
      <Field title="Type">
        <select
          name="type"
          value={type}
          onChange={({ currentTarget }) => {
            const chosen = FILE_TYPES.flatMap((group) => group.types).find(([name]) => name === currentTarget.value);
            if (chosen !== undefined) changeSettings({ type: chosen[0] });
          }}
        >
          {FILE_TYPES.map(({ title, types }) => (
            <optgroup key={title} label={title}>
              {types.map(([name, remark]) => (
                <option key={name} value={name}>
                  {name}: {remark}
                </option>
              ))}
            </optgroup>
          ))}
        </select>
      </Field>
      <Field title="Architecture">
        <select
          name="architecture"
          value={architecture ?? ''}
          onChange={({ currentTarget }) => {
            changeSettings({ architecture: ARCHITECTURES.find((one) => one === currentTarget.value) ?? null });
          }}
        >
          <option value="">found out from the names</option>
          {ARCHITECTURES.map((one) => (
            <option key={one} value={one}>
              {one === 'none' ? 'none: any model, by general rules' : one}
            </option>
          ))}
        </select>
      </Field>
      <Segments
        title="Program that opens a diffusion model"
        name="program"
        value={program}
        choices={PROGRAM_TITLES}
        onChange={(chosen) => {
          changeSettings({ program: chosen });
        }}
      />
      <Check
        title="Pure"
        hint="This type for every layer that is quantized, no better one for the sensitive ones"
        name="pure"
        checked={pure}
        onChange={(checked) => {
          changeSettings({ pure: checked });
        }}
      />
    </>
  );
}

function AffineSettings({ bits, groupSize, symmetric, mode }: Settings) {
  return (
    <>
      <Segments
        title="Bits"
        name="bits"
        value={bits}
        choices={BIT_WIDTHS.map((width) => [width, String(width)] as const)}
        onChange={(chosen) => {
          changeSettings({ bits: chosen });
        }}
      />
      <Segments
        title="Weights that share a scale"
        name="group-size"
        value={groupSize}
        choices={GROUP_SIZES.map((size) => [size, size === 'tensor' ? 'all' : String(size)] as const)}
        onChange={(chosen) => {
          changeSettings({ groupSize: chosen });
        }}
      />
      <Segments
        title="Which layers"
        name="mode"
        value={mode}
        choices={[
          ['diffusion', 'Diffusion model'],
          ['base', 'Any model'],
        ]}
        onChange={(chosen) => {
          changeSettings({ mode: chosen });
        }}
      />
      <Check
        title="Symmetric"
        hint="Levels around zero, no zero points"
        name="symmetric"
        checked={symmetric}
        onChange={(checked) => {
          changeSettings({ symmetric: checked });
        }}
      />
    </>
  );
}

function Field({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <label class="field">
      <span class="field-title">{title}</span>
      {children}
    </label>
  );
}

interface CheckProps {
  readonly title: string;
  readonly hint: string;
  readonly name: string;
  readonly checked: boolean;
  readonly onChange: (checked: boolean) => void;
}

function Check({ title, hint, name, checked, onChange }: CheckProps) {
  return (
    <label class="check">
      <input
        type="checkbox"
        name={name}
        checked={checked}
        onChange={({ currentTarget }) => {
          onChange(currentTarget.checked);
        }}
      />
      <span>
        <span class="field-title">{title}</span>
        <span class="hint">{hint}</span>
      </span>
    </label>
  );
}

interface SegmentsProps<Value extends string | number> {
  readonly title: string;
  readonly name: string;
  readonly value: Value;
  readonly choices: readonly (readonly [Value, string])[];
  readonly onChange: (value: Value) => void;
}

/** Radio buttons side by side. */
export function Segments<Value extends string | number>({
  title,
  name,
  value,
  choices,
  onChange,
}: SegmentsProps<Value>) {
  return (
    <div class="field" role="radiogroup" aria-label={title}>
      <span class="field-title" aria-hidden="true">
        {title}
      </span>
      <div class="segments">
        {choices.map(([choice, text]) => (
          <label key={choice} class="segment">
            <input
              type="radio"
              name={name}
              value={choice}
              checked={choice === value}
              onChange={() => {
                onChange(choice);
              }}
            />
            <span>{text}</span>
          </label>
        ))}
      </div>
    </div>
  );
}
