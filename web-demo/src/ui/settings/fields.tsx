import type { ComponentChildren } from 'preact';

export function Field({ title, children }: { title: string; children: ComponentChildren }) {
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

export function Check({ title, hint, name, checked, onChange }: CheckProps) {
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
