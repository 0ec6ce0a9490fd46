import { TENSOR_TYPES } from 'arrowquant';
import { changeSettings } from '../../actions';
import type { RuleRow } from '../../settings';
import { settings } from '../../store';

let nextId = 0;

/** Patterns of names, and what becomes of the layers that match; the first that fits decides. */
export function RulesEditor() {
  const { rules, output } = settings.value;
  const change = (changed: readonly RuleRow[]): void => {
    changeSettings({ rules: changed });
  };
  return (
    <div class="field" role="group" aria-labelledby="rules-title">
      <span class="field-title" id="rules-title">
        Rules
      </span>
      {rules.length === 0 && (
        <span class="hint">
          Regular expressions for the names of layers that shall become something else, or stay as they are. A type is
          for what is quantized anyway; after “=”, for the one layer of that name.
        </span>
      )}
      {rules.map((rule, index) => (
        <Rule
          key={rule.id}
          rule={rule}
          number={index + 1}
          withTypes={output === 'gguf'}
          onChange={(changed) => {
            change(rules.map((one) => (one.id === rule.id ? changed : one)));
          }}
          onRemove={() => {
            change(rules.filter(({ id }) => id !== rule.id));
          }}
        />
      ))}
      <button
        type="button"
        class="button is-small"
        onClick={() => {
          change([...rules, { id: ++nextId, pattern: '', type: 'keep' }]);
        }}
      >
        Add a rule
      </button>
    </div>
  );
}

interface RuleProps {
  readonly rule: RuleRow;
  readonly number: number;
  /** GGUF files have a type for every tensor; in affine files a rule can only keep. */
  readonly withTypes: boolean;
  readonly onChange: (rule: RuleRow) => void;
  readonly onRemove: () => void;
}

function Rule({ rule, number, withTypes, onChange, onRemove }: RuleProps) {
  return (
    <div class="rule">
      <input
        type="text"
        value={rule.pattern}
        placeholder="attn|proj_out"
        spellcheck={false}
        autocomplete="off"
        aria-label={`Rule ${String(number)}: regular expression for names`}
        onInput={({ currentTarget }) => {
          onChange({ ...rule, pattern: currentTarget.value });
        }}
      />
      <select
        value={withTypes ? rule.type : 'keep'}
        aria-label={`Rule ${String(number)}: type`}
        onChange={({ currentTarget }) => {
          onChange({ ...rule, type: TENSOR_TYPES.find((type) => type === currentTarget.value) ?? 'keep' });
        }}
      >
        <option value="keep">keep</option>
        {withTypes && TENSOR_TYPES.map((type) => <option key={type}>{type}</option>)}
      </select>
      <button type="button" class="icon-button" aria-label={`Remove rule ${String(number)}`} onClick={onRemove}>
        <svg viewBox="0 0 16 16" aria-hidden="true">
          <path d="M4 4 L12 12 M12 4 L4 12" class="icon-stroke" />
        </svg>
      </button>
    </div>
  );
}
