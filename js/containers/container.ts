import type { ByteRange, ByteSource } from '../io/byte-io.js';

/** What a container calls the bytes of an entry. */
export interface EntryType {
  /** `F16`, `Q4_K`, `U8`; for a number without a name, such as `ggml type 99`, what people call it. */
  readonly name: string;
  /** The number of a type that is known by that alone. */
  readonly id?: number | undefined;
  /** Whether the container does not know what such bytes are: if a codec has the same name, that says nothing. */
  readonly unknown?: true | undefined;
}

/** A named array, as a file lists it. What it means is for layouts to say. */
export interface Entry {
  readonly name: string;
  readonly type: EntryType;
  /** Sizes by dimension, the contiguous one last. */
  readonly shape: readonly number[];
  /** The shape before rows were joined to fill blocks, where the file tells. */
  readonly originalShape?: readonly number[] | undefined;
  readonly elements: number;
  /** Where its bytes lie: one range, or several that follow each other. */
  readonly data: readonly ByteRange[];
  /**
   * The column that it lies in, of containers whose files are tables. Entries with single values beside them have the name
   * and the shape of their row, whatever they hold of it themselves.
   */
  readonly column?: string | undefined;
  /** By column, the single values in its row; absent where the array in it is all that there is of the tensor. */
  readonly values?: ReadonlyMap<string, CellValue> | undefined;
}

/** A single value in a row of a table. */
export type CellValue = number | boolean | string;

/** One that is written, and as what; a text is UTF-8. */
export type PlannedValue =
  | { readonly type: 'U8' | 'U32'; readonly value: number }
  | { readonly type: 'BOOL'; readonly value: boolean }
  | { readonly type: 'TEXT'; readonly value: string };

/** One file of a model. */
export interface FilePart {
  readonly source: ByteSource;
  /** In the order of their bytes, or of the list that the file has of them. */
  readonly entries: readonly Entry[];
  /** Those in which layouts may have written what is laid out how. */
  readonly texts: ReadonlyMap<string, string>;
  /** Sentences on what was taken for the model, for reports. */
  readonly notes?: readonly string[];
}

/** A value of a model's metadata. */
export type FactValue = number | string | readonly number[];

type FactElement = number | bigint | boolean | string;
type FactElements = FactElement | readonly FactElement[];

/** What an output's metadata has to say besides what the input's said; containers of texts leave it out. */
export type Fact =
  /** A text is a default, unless it replaces what the input has under that key. */
  | { readonly key: string; readonly type: 'text'; readonly value: string; readonly replaces?: true | undefined }
  /** One that stands behind all others, as numbers do, instead of what the input has under that key. */
  | { readonly key: string; readonly type: 'lastText'; readonly value: string }
  | { readonly key: string; readonly type: 'u32'; readonly value: number }
  /** A value of a type that only the container knows, or an array of such. */
  | { readonly key: string; readonly type: 'pair'; readonly element: string; readonly value: FactElements }
  | { readonly key: string; readonly type: 'i32s'; readonly value: readonly number[] };

/** What only the container that made it understands, and takes over into an output of its own: a GGUF's key-value pairs. */
export interface Carried {
  readonly container: string;
}

/** An opened model: one file or all its shards. */
export interface OpenedFiles {
  /** Name of the container format. */
  readonly container: string;
  /** What error messages call it. */
  readonly name: string;
  /** Every file that it consists of, the index of a sharded one included, and first. */
  readonly sources: readonly ByteSource[];
  readonly parts: readonly FilePart[];
  /**
   * Texts that describe the model as people read them; of several files, the first that has a key. Those of layouts are
   * among them (`modelTexts` in js/layouts/read-tensors.ts leaves them out).
   */
  readonly texts: ReadonlyMap<string, string>;
  /** Those of the texts that are whole, as an output of another container may take them over. */
  readonly portableTexts: ReadonlyMap<string, string>;
  readonly carried: Carried | null;
  /** What the metadata says under a key; undefined when nothing, or nothing that rules look at. */
  fact(key: string): FactValue | undefined;
  close(): Promise<void>;
}

/** An entry of an output. */
export interface PlannedEntry {
  readonly name: string;
  readonly type: EntryType;
  /** Name of the container that a type without a codec comes from; undefined for types that codecs have. */
  readonly from?: string | undefined;
  readonly shape: readonly number[];
  readonly bytes: number;
  /** As in Entry. */
  readonly column?: string | undefined;
  /** Whether its bytes are no numbers, but what numbers are packed in. */
  readonly isPacked?: true | undefined;
}

/** A tensor of an output: its entries, one for each plane, lie in one file. */
export interface PlannedGroup {
  readonly entries: readonly PlannedEntry[];
  /** By column, the single values beside the entries, in a container whose files are tables. */
  readonly values?: ReadonlyMap<string, PlannedValue> | undefined;
}

/** What goes into an output. */
export interface OutputContents {
  /** Tensor by tensor, in the order in which containers that keep an order list them. */
  readonly groups: readonly PlannedGroup[];
  /** What describes the model. */
  readonly texts: ReadonlyMap<string, string>;
  /** Texts that the layout adds for those of the groups that lie in one file. */
  readonly layoutTexts: (groups: readonly number[]) => ReadonlyMap<string, string>;
  /** Keys of such texts, of every layout there is: a text of the model's own with the same key gets another one. */
  readonly layoutKeys: readonly string[];
  readonly facts: readonly Fact[];
  readonly carried: Carried | null;
  /** Keys of what is carried that would be wrong in the output. */
  readonly staleKeys: readonly string[];
  /** Name of the output; of several files' names, what they are made from. */
  readonly file: string;
  /** What the programs that the file is for can read; undefined for the container's own limits. */
  readonly limits: ReaderLimits | undefined;
  /** Most bytes of one file; undefined for a single file of any size. */
  readonly splitBytes: number | undefined;
  /** Where files end, as the number of the group that the next one begins with; the last is how many there are. */
  readonly fileEnds?: readonly number[] | undefined;
  /** Whether the output takes bytes in order only: then the entries of one tensor lie together. */
  readonly inOrder: boolean;
  /** How an index of the files is written; default: the container's own, where there are several files. */
  readonly index?: IndexStyle | undefined;
}

/** An entry of an output, and the file that it lies in. */
export interface IndexedEntry {
  readonly name: string;
  readonly bytes: number;
  /** Without folders. */
  readonly file: string;
}

/** How an index of files is written. */
export interface IndexStyle {
  /** Whether a single file has one, too. */
  readonly isAlwaysWritten: boolean;
  /** The whole text; entries are sorted by name, as Python sorts texts. */
  textOf(entries: readonly IndexedEntry[]): string;
}

/** What programs that open a file stop at. */
export interface ReaderLimits {
  readonly dimensions: number;
  readonly nameBytes: number;
}

/** Bytes that a file has at some place among its entries. */
export interface Literal {
  readonly position: number;
  readonly bytes: Uint8Array;
}

/** One file of an output, complete but for the entries' bytes; what is neither header, literal nor entry is zeros. */
export interface OutputFile {
  readonly name: string;
  /** The first bytes of the file; all of them for one without entries, such as an index. */
  readonly header: Uint8Array;
  /** In the order of their positions, none of them among the bytes of an entry. */
  readonly literals?: readonly Literal[] | undefined;
  readonly fileBytes: number;
  /** What all of the file is copied from; then it has no header. */
  readonly copyOf?: ByteSource | undefined;
}

/** Where an entry's first byte goes. */
export interface Place {
  /** Index of the file. */
  readonly file: number;
  readonly position: number;
}

/** A complete output but for the tensors' bytes. */
export interface FileLayout {
  readonly files: readonly OutputFile[];
  /** For each group, in the same order, the places of its entries. */
  readonly places: readonly (readonly Place[])[];
  /** Sums of files that other files have in them. */
  readonly digests?: Digests | undefined;
}

/** What can be known only when files are complete: their MD5, in hexadecimal. */
export interface Digests {
  /** Indices of the files that are summed up; they have no gaps between their entries. */
  readonly files: readonly number[];
  /** The bytes with their sums in them, given these in the order of `files`. */
  readonly place: (sums: readonly string[]) => readonly PlacedBytes[];
}

/** Bytes of a file. */
export interface PlacedBytes extends Place {
  readonly bytes: Uint8Array;
}

/** How a model is opened. */
export interface Opening {
  /** The columns, besides those of weights, that layouts look at in files that are tables; others are not read. */
  readonly columns: ReadonlySet<string>;
  /** Ends long work on what has been read. */
  readonly signal?: AbortSignal | undefined;
}

/** A file format that models are read from. It knows no codec. A new one is a folder, or a file, and a line in table.ts. */
export interface InputContainer {
  readonly name: string;
  /** How sentences call a file of it: `a GGUF`, `a safetensors file`. */
  readonly title: string;
  /** Whether tensors have the names and shapes in it that programs that run the model expect: they stay as they are. */
  readonly hasFinalNames: boolean;
  /** What the names of its files end with, in lower case: damaged ones are known by that. Absent where it says nothing. */
  readonly extension?: string;
  /** Whether a file that begins with `head` is in this format. */
  recognizes(head: Uint8Array): boolean;
  /**
   * Reads and checks everything but the entries' bytes. What it gives closes `source`; if this rejects, the caller does.
   * Rejects with `invalid_file`, `unsupported_dtype`, `missing_tensor`, `missing_shard` or `unreadable_input`.
   */
  open(source: ByteSource, opening: Opening): Promise<OpenedFiles>;
  /** The same of one file, which an index of shards lists; absent where models have no such index. */
  readPart?(source: ByteSource): Promise<FilePart>;
}

/** How the files that an index lists, or that are numbered, are read. */
export type ShardFormat = Required<Pick<InputContainer, 'name' | 'recognizes' | 'readPart'>>;

/** A file format that models are written in, too. */
export interface Container extends InputContainer {
  /** What the names of its files end with, in lower case. */
  readonly extension: string;
  /** Whether what whole files can be is what llama.cpp calls types of files, and its rules say which tensor becomes what. */
  readonly takesFileTypes: boolean;
  /** Whether its files are tables, in which a tensor is a row; then it holds entries with columns, and values beside them. */
  readonly hasColumns?: true;
  /** Whether it can hold entries of a type. `from` is the container that the type comes from, undefined for a codec's. */
  holds(type: EntryType, from: string | undefined): boolean;
  /** What the files of an output are called that is split into `count` files, such as an index is among them. */
  partNames(file: string, count: number): readonly string[];
  /** Lays out an output. Throws a `QuantizeError` for what the format cannot hold. */
  layOut(contents: OutputContents): FileLayout;
}
