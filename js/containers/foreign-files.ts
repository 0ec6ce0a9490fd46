import { aboutLfsPointer, aboutWebPage } from '../addresses.js';
import { invalidFile, quoted } from './invalid-file.js';
import type { ByteSource } from '../io/byte-io.js';

/** As many of a file's first bytes as a container needs to know it by. */
const FORMAT_BYTES = 16;

/** As many as tell what else it may be. */
const HEAD_BYTES = 512;

/** A file that ends before it should: how that mostly comes about. */
export const CUT_OFF = 'was it downloaded to its end?';

const CONVERT = 'convert it to safetensors first';
const UNPACK = 'unpack it first';
const TO_ARROW = 'pyarrow.feather.write_feather(table, "model.arrow", compression="uncompressed")';
const UTF16 = 'it is a text in UTF-16; save it as UTF-8';
const OLD_GGML = "it is of a ggml format from before GGUF; convert it with llama.cpp's convert_llama_ggml_to_gguf.py";

/** What people take for models. */
interface Signature {
  /** What it has at `at`, in Latin-1. */
  readonly bytes: string;
  /** Default: 0. */
  readonly at?: number;
  /** A text that is somewhere in it as well. */
  readonly holds?: string;
  /** What it is, and what to do. */
  readonly what: string;
}

/** The first one that fits counts. */
const SIGNATURES: readonly Signature[] = [
  // Alone it would have been opened.
  { bytes: 'PK\x03\x04', what: "it is a zip archive or a PyTorch checkpoint, which the model's other files are not" },
  ...['\x02', '\x03', '\x04', '\x05'].map((protocol) => ({
    bytes: `\x80${protocol}`,
    what: `it is a Python pickle; ${CONVERT}`,
  })),
  { bytes: '\x1f\x8b', what: `it is compressed with gzip; ${UNPACK}` },
  { bytes: '\x28\xb5\x2f\xfd', what: `it is compressed with zstd; ${UNPACK}` },
  { bytes: '\xfd7zXZ\0', what: `it is compressed with xz; ${UNPACK}` },
  { bytes: 'BZh', what: `it is compressed with bzip2; ${UNPACK}` },
  { bytes: '7z\xbc\xaf\x27\x1c', what: `it is a 7z archive; ${UNPACK}` },
  { bytes: 'Rar!', what: `it is a RAR archive; ${UNPACK}` },
  { bytes: 'ustar', at: 257, what: `it is a tar archive; ${UNPACK}` },
  { bytes: '\x89HDF', what: `it is an HDF5 file, as Keras writes them; ${CONVERT}` },
  { bytes: '\x93NUMPY', what: `it is a NumPy array; ${CONVERT}` },
  {
    bytes: 'PAR1',
    what: `it is a Parquet file, whose weights are not read where they lie; write an Arrow file of it, in Python by pyarrow.parquet.read_table and ${TO_ARROW}`,
  },
  { bytes: 'FEA1', what: `it is a Feather file of the first version; write it again, with ${TO_ARROW}` },
  { bytes: 'TFL3', at: 4, what: `it is a TensorFlow Lite model; ${CONVERT}` },
  ...['lmgg', 'fmgg', 'tjgg', 'algg'].map((bytes) => ({ bytes, what: OLD_GGML })),
  { bytes: '\xff\xfe', what: UTF16 },
  { bytes: '\xfe\xff', what: UTF16 },
  { bytes: '\0'.repeat(HEAD_BYTES), what: `its first bytes are all zeros; ${CUT_OFF}` },
];

const LFS_POINTER = 'version https://git-lfs.github.com/';
/** No comment can be divided in two ways, so that hostile texts take no longer than others. */
const WEB_PAGE = /^(\xef\xbb\xbf)?\s*(<!--(?:(?!-->)[^])*-->\s*)*<(!doctype\s+html|html|head|body|script|title)\b/i;
const MARKUP = /^(\xef\xbb\xbf)?\s*<[!?a-z]/i;
/** Printable ASCII and UTF-8, and the white space of texts. */
const TEXT = /^[\t\n\r\x20-\x7e\x80-\xff]+$/;
const SHOWN_CHARACTERS = 60;

/** What a file is that begins with `head` and that no container knows, and what to do; null when nobody can tell. */
function foreignKind(head: Uint8Array, { name }: Pick<ByteSource, 'name'>): string | null {
  if (head.length === 0) return `it is empty, 0 bytes are too few for a model; ${CUT_OFF}`;
  const latin = Array.from(head, (byte) => String.fromCharCode(byte)).join('');
  if (latin.startsWith(LFS_POINTER)) return aboutLfsPointer(name);
  if (WEB_PAGE.test(latin)) return aboutWebPage(name);
  if (MARKUP.test(latin)) return 'it is an XML or HTML text, not a model';
  const known = SIGNATURES.find(
    ({ bytes, at = 0, holds = '' }) => latin.startsWith(bytes, at) && latin.toLowerCase().includes(holds),
  );
  if (known !== undefined) return known.what;
  if (!TEXT.test(latin)) return null;
  const [line = ''] = new TextDecoder()
    .decode(head)
    .trim()
    .split(/[\r\n]/);
  return `it is in no format that can be read: it is a text that begins with ${quoted(line.slice(0, SHOWN_CHARACTERS))}`;
}

/** Throws `invalid_file` where all of a file is a Git LFS pointer: what reads any text would take it for one. */
export function refusePointer(bytes: Uint8Array, source: ByteSource): void {
  const isPointer = Array.from(LFS_POINTER).every((character, at) => bytes[at] === character.charCodeAt(0));
  if (isPointer) throw invalidFile(source, aboutLfsPointer(source.name));
}

/** Whether a file that begins like that is in a format. */
export type Recognizer = (head: Uint8Array) => boolean;

/** The first bytes of a source. Throws `invalid_file` for what `recognizes` does not know, but we do. */
export async function readHead(source: ByteSource, recognizes: Recognizer): Promise<Uint8Array> {
  const head = await firstBytes(source, FORMAT_BYTES);
  if (recognizes(head)) return head;
  const foreign = foreignKind(await firstBytes(source, HEAD_BYTES), source);
  if (foreign !== null) throw invalidFile(source, foreign);
  return head;
}

async function firstBytes(source: ByteSource, most: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(Math.min(source.size, most));
  await source.read(bytes, 0);
  return bytes;
}
