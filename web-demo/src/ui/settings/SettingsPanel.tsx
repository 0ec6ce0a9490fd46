import { ARCHITECTURES } from 'arrowquant';
import { changeSettings } from '../../actions';
import { BIT_WIDTHS, EFFORT_TITLES, FILE_TYPES, GROUP_SIZES, PROGRAM_TITLES, type Settings } from '../../settings';
import { FORMATS, isFolder, isFormat, outputsFor, type OutputName } from '../../outputs';
import { isBusy, isForLlama, model, settings } from '../../store';
import { Check, Field, Segments } from './fields';
import { FormatSettings } from './FormatSettings';
import { ImportanceField } from './ImportanceField';
import { RulesEditor } from './RulesEditor';

export function SettingsPanel() {
  const current = settings.value;
  return (
    <section class="card" aria-labelledby="settings-title">
      <h2 id="settings-title">How</h2>
      <fieldset class="settings" disabled={isBusy.value}>
        <legend class="visually-hidden">How to quantize</legend>
        <Output output={current.output} />
        {isFormat(current.output) && <FormatSettings output={current.output} current={current} />}
        {current.output === 'gguf' && <GgufSettings {...current} />}
        {current.output === 'safetensors' && <AffineSettings {...current} />}
        <RulesEditor />
      </fieldset>
    </section>
  );
}

const titleOf = (output: OutputName): string =>
  isFormat(output) ? FORMATS[output].title : output === 'gguf' ? 'GGUF' : 'safetensors';

/** What can be made of the model that is open. */
function Output({ output }: { output: OutputName }) {
  const current = model.value;
  const offered = outputsFor(current.status === 'open' ? current.inspection.container : '');
  const groups = [
    ['One file', offered.filter((one) => !isFolder(one))],
    ['A folder', offered.filter(isFolder)],
  ] as const;
  return (
    <Field title="Output">
      <select
        name="output"
        value={output}
        onChange={({ currentTarget }) => {
          const chosen = offered.find((one) => one === currentTarget.value);
          if (chosen !== undefined) changeSettings({ output: chosen, formatGroupSize: null });
        }}
      >
        {groups.map(
          ([title, outputs]) =>
            outputs.length > 0 && (
              <optgroup key={title} label={title}>
                {outputs.map((one) => (
                  <option key={one} value={one}>
                    {titleOf(one)}
                  </option>
                ))}
              </optgroup>
            ),
        )}
      </select>
      {isFormat(output) && <span class="hint">{FORMATS[output].hint}</span>}
    </Field>
  );
}

function GgufSettings({ type, pure, architecture, program, effort, imatrix }: Settings) {
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
          <option value="">found out by itself</option>
          {ARCHITECTURES.map((one) => (
            <option key={one} value={one}>
              {one === 'none' ? 'none: any model, by general rules' : one}
            </option>
          ))}
        </select>
      </Field>
      {!isForLlama.value && (
        <Segments
          title="Program that opens a diffusion model"
          name="program"
          value={program}
          choices={PROGRAM_TITLES}
          onChange={(chosen) => {
            changeSettings({ program: chosen });
          }}
        />
      )}
      <Segments
        title="Search for less error"
        name="effort"
        value={effort}
        choices={EFFORT_TITLES}
        onChange={(chosen) => {
          changeSettings({ effort: chosen });
        }}
      />
      <ImportanceField imatrix={imatrix} />
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
