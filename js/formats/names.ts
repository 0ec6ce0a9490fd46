/** What the option `format` can be, and what is written of it: known without loading any of the formats. */

/** Formats that are a folder: weights in one file or shards, config.json, and what lies beside them. */
export const FOLDER_FORMATS = ['mlx', 'compressed-tensors', 'bitsandbytes', 'mlc'] as const;

export type FolderFormatName = (typeof FOLDER_FORMATS)[number];

/** Formats with rules of their own; others are a container, and what the options say. */
export type FormatName = FolderFormatName;

export const isFolderFormat = (name: string): name is FolderFormatName =>
  (FOLDER_FORMATS as readonly string[]).includes(name);
