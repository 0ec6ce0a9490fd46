import { useRef } from 'preact/hooks';
import { changeSettings } from '../../actions';
import type { Settings } from '../../settings';

/** What people call such files who publish them. */
const ENDINGS = '.gguf,.dat,.imatrix,.gguf_file';

export function ImportanceField({ imatrix }: Pick<Settings, 'imatrix'>) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <div class="field" role="group" aria-label="Importance matrix">
      <span class="field-title" aria-hidden="true">
        Importance matrix
      </span>
      <div class="button-row">
        <button type="button" class="button is-small" onClick={() => input.current?.click()}>
          {imatrix?.name ?? 'Choose a file'}
        </button>
        {imatrix !== null && (
          <button
            type="button"
            class="button is-small"
            onClick={() => {
              changeSettings({ imatrix: null });
            }}
          >
            Without
          </button>
        )}
      </div>
      <span class="hint">Of this model, as llama-imatrix writes it: says which columns of the weights count more</span>
      <input
        ref={input}
        class="visually-hidden"
        type="file"
        name="imatrix"
        accept={ENDINGS}
        aria-label="Importance matrix file"
        tabIndex={-1}
        onChange={({ currentTarget }) => {
          const [file] = currentTarget.files ?? [];
          // So that choosing the same file again is a change.
          currentTarget.value = '';
          if (file !== undefined) changeSettings({ imatrix: file });
        }}
      />
    </div>
  );
}
