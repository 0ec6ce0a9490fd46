import { changeSettings } from '../../actions';
import { FORMATS, formatType, type FormatOutput } from '../../outputs';
import type { Settings } from '../../settings';
import { Field, Segments } from './fields';

interface FormatSettingsProps {
  readonly output: FormatOutput;
  readonly current: Settings;
}

/** The types of another program's format, and what can be chosen of them. */
export function FormatSettings({ output, current: { formatTypes, formatGroupSize } }: FormatSettingsProps) {
  const type = formatType(output, formatTypes[output]);
  const [usual] = type.groupSizes ?? [];
  const sizes = [...(type.groupSizes ?? [])].sort((a, b) => Number(a) - Number(b));
  return (
    <>
      <Field title="Type">
        <select
          name="type"
          value={type.name}
          onChange={({ currentTarget }) => {
            changeSettings({
              formatTypes: { ...formatTypes, [output]: currentTarget.value },
              formatGroupSize: null,
            });
          }}
        >
          {FORMATS[output].types.map(({ name, remark }) => (
            <option key={name} value={name}>
              {name}: {remark}
            </option>
          ))}
        </select>
      </Field>
      {usual !== undefined && (
        <Segments
          title="Weights that share a scale"
          name="group-size"
          value={sizes.find((size) => size === formatGroupSize) ?? usual}
          choices={sizes.map((size) => [size, String(size)] as const)}
          onChange={(chosen) => {
            changeSettings({ formatGroupSize: chosen });
          }}
        />
      )}
    </>
  );
}
