const ASCII = /^[\0-\x7f]*$/u;
const ENCODER = new TextEncoder();

/** Bytes that a text takes in UTF-8. */
export const utf8Bytes = (text: string): number => (ASCII.test(text) ? text.length : ENCODER.encode(text).length);
