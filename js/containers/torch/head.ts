/** A pickle of protocol 2 that begins with an integer of ten bytes, which is always the same. */
const BEGIN = [0x80, 2, 0x8a, 10];

/** Whether a file begins as those of torch.save before PyTorch 1.6. */
export const looksOld = (head: Uint8Array): boolean => BEGIN.every((byte, at) => head[at] === byte);

const ZIP = [0x50, 0x4b, 0x03, 0x04];

/** Whether a file begins as zip archives do. */
export const looksZipped = (head: Uint8Array): boolean => ZIP.every((byte, at) => head[at] === byte);
