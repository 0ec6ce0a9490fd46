import { QuantizeError } from '../../../errors.js';
import { joinBytes } from '../../../io/join-bytes.js';
import type { Literal, OutputFile, Place } from '../../container.js';
import type { Model, OnnxTensor } from '../graph.js';
import { inlineTensors, tensorsOfModel } from '../tensors.js';
import { encodeModel } from './model.js';
import { externalTensor, inlineTensor, partOf, type ExternalPlace } from './tensor.js';
import { bytesOf, type Encoded, type Part } from './wire.js';

/** The most that a file of protocol buffers can have. */
export const MOST_MODEL_BYTES = 2 ** 31 - 1;

/** Fewer bytes stay in the model: what Python needs for 991 and itself are 1024. */
const LEAST_EXTERNAL_BYTES = 991;

/** How the elements of tensors are written. */
export interface OnnxForm {
  /** Into a file of their own; `auto`: where they have no room in the model. */
  readonly externalData: boolean | 'auto';
  /** The most bytes of the model itself. */
  readonly mostBytes: number;
}

/** Files of an output, and where the elements of tensors go that are room in them. */
export interface OnnxLayout {
  readonly files: readonly OutputFile[];
  readonly places: ReadonlyMap<OnnxTensor, Place>;
}

/** Lays a model out; `file` is its name. Throws `invalid_option` for a model that no file has room for. */
export function layOutModel(model: Model, { externalData, mostBytes }: OnnxForm, file: string): OnnxLayout {
  const inline = externalData === true ? null : encodeModel(model, inlineTensor);
  if (inline !== null && inline.bytes <= mostBytes) return laidOut([{ name: file, content: inline }]);
  if (externalData === false) throw tooLarge(file, `${inline?.bytes ?? 0} bytes`, mostBytes);
  const { places, content } = externalContent(model, `${file}_data`);
  const small = encodeModel(model, (tensor, isInitializer) => {
    const place = places.get(tensor);
    return place === undefined ? inlineTensor(tensor, isInitializer) : externalTensor(tensor, place);
  });
  if (small.bytes > mostBytes) throw tooLarge(file, `${small.bytes} bytes without its weights`, mostBytes);
  const data = places.size === 0 ? [] : [{ name: `${file}_data`, content }];
  return laidOut([{ name: file, content: small }, ...data]);
}

const tooLarge = (file: string, size: string, mostBytes: number): QuantizeError =>
  new QuantizeError('invalid_option', {
    file,
    detail: `the model has ${size}, an ONNX file ${mostBytes} at most; let its weights lie in a file of their own`,
  });

/** Elements one after the other, in the order and with the threshold of the package onnx. */
function externalContent(
  model: Model,
  name: string,
): { readonly places: ReadonlyMap<OnnxTensor, ExternalPlace>; readonly content: Encoded } {
  const location = name.replace(/^.*[/\\]/s, '');
  const places = new Map<OnnxTensor, ExternalPlace>();
  const parts: Part[] = [];
  const inline = new Set(inlineTensors(model).map(({ tensor }) => tensor));
  let offset = 0;
  for (const { tensor, node } of tensorsOfModel(model)) {
    const part = isRaw(tensor) && !inline.has(tensor) ? partOf(tensor, node === null) : null;
    const bytes = part === null ? 0 : bytesOf(part);
    if (part === null || bytes < LEAST_EXTERNAL_BYTES) continue;
    places.set(tensor, { location, offset, bytes });
    parts.push(part);
    offset += bytes;
  }
  return { places, content: { parts, bytes: offset } };
}

const isRaw = ({ data }: OnnxTensor): boolean =>
  data.kind === 'plane' || ((data.kind === 'stored' || data.kind === 'bytes') && data.field === 'raw_data');

/** Puts bytes that follow each other together, and finds where each tensor's elements go. */
function laidOut(contents: readonly { readonly name: string; readonly content: Encoded }[]): OnnxLayout {
  const places = new Map<OnnxTensor, Place>();
  const files = contents.map(({ name, content }, file): OutputFile => {
    const literals: Literal[] = [];
    let open: Uint8Array[] = [];
    let position = 0;
    const close = (): void => {
      const bytes = joinBytes(open);
      if (bytes.length > 0) literals.push({ position: position - bytes.length, bytes });
      open = [];
    };
    for (const part of content.parts) {
      if (part instanceof Uint8Array) open.push(part);
      else {
        close();
        if (places.has(part.tensor)) throw new RangeError(`${part.tensor.name ?? 'a tensor'} is in the graph twice`);
        places.set(part.tensor, { file, position });
      }
      position += bytesOf(part);
    }
    close();
    return { name, header: new Uint8Array(), literals, fileBytes: content.bytes };
  });
  return { files, places };
}
