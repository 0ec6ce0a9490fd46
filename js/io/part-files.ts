/** One output that several runs write together, each of them some of its files. */

/** What the names of manifests end with: a part's is called as its first file is, and this. */
export const MANIFEST_ENDING = '.part.json';

/** Far more than any of ours has. */
export const MOST_MANIFEST_BYTES = 2 ** 20;

/** A file as it was written. */
export interface FileSum {
  /** Without folders. */
  readonly name: string;
  readonly bytes: number;
  /** In hexadecimal digits. */
  readonly sha256: string;
}

/** What a sink is told of one part of an output; other runs may write the others at the same time, on other machines, too. */
export interface PlannedPart {
  /** The names of all files that the output is going to have, those of other parts among them. */
  readonly allNames: readonly string[];
  /** A small file that takes its name after those of the part, and says what they are. */
  readonly manifest: {
    readonly name: string;
    readonly textOf: (files: readonly FileSum[]) => string;
  };
}

/** A file of text that was read. */
export interface ReadText {
  readonly text: string;
  /** When it was last changed, in milliseconds since 1970. */
  readonly changed: number;
}

/** Looks at outputs that have been written; only runtimes have it where outputs are paths. What cannot be read rejects. */
export interface OutputFiles {
  /** The path of a file of the output at `output`, which is a folder, or beside which it lies. */
  pathOf(output: string, isFolder: boolean, name: string): string;
  isFolder(output: string): Promise<boolean>;
  /** The names of what lies in the folder, or in that of the file; none where there is no such folder. */
  list(output: string, isFolder: boolean): Promise<readonly string[]>;
  /** Null where there is no such file. Rejects for one that is longer than `mostBytes`. */
  readText(file: string, mostBytes: number): Promise<ReadText | null>;
  /** Size and sum of a file; null where there is none. */
  sumOf(file: string, signal: AbortSignal | undefined): Promise<FileSum | null>;
  remove(file: string): Promise<void>;
}
