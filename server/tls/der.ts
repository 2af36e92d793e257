/** DER (ITU-T X.690): the few shapes that a certificate is made of, as bytes. */

const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

function tagged(tag: number, content: Uint8Array): Buffer {
  const { length } = content;
  // X.690 8.1.3: one byte below 128, otherwise the number of bytes of the length, and these.
  const lengthBytes = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...lengthBytes]), content]);
}

export function sequence(...parts: readonly Uint8Array[]): Buffer {
  return tagged(tags.sequence, Buffer.concat(parts));
}

export function set(...parts: readonly Uint8Array[]): Buffer {
  return tagged(tags.set, Buffer.concat(parts));
}

export function octetString(content: Uint8Array): Buffer {
  return tagged(tags.octetString, content);
}

export function utf8String(text: string): Buffer {
  return tagged(tags.utf8String, Buffer.from(text));
}

export const derTrue: Buffer = tagged(tags.boolean, Buffer.from([0xff]));

/** A number that is not negative, as big-endian bytes of any length. */
export function integer(bytes: Uint8Array): Buffer {
  let at = 0;
  while (at < bytes.length - 1 && bytes[at] === 0) at += 1;
  const shortest = bytes.subarray(at);
  // The first bit is the sign.
  return tagged(tags.integer, (shortest[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.from([0]), shortest]) : shortest);
}

/** Bits from the left; the last `unused` of them are padding. */
export function bitString(bytes: Uint8Array, unused = 0): Buffer {
  return tagged(tags.bitString, Buffer.concat([Buffer.from([unused]), bytes]));
}

/** "1.2.840.10045.4.3.2" as X.690 8.19 packs it. */
export function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const groups = [arc & 0x7f];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128))
      groups.unshift((left & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return tagged(tags.objectIdentifier, Buffer.from(bytes));
}

/** Whole seconds UTC; RFC 5280 4.1.2.5: two digits for the year until 2049, four from then on. */
export function time(atMs: number): Buffer {
  const digits = new Date(atMs).toISOString().replaceAll(/[-:T]|\..*$/g, "");
  const isShort = Number(digits.slice(0, 4)) < 2050;
  return tagged(isShort ? tags.utcTime : tags.generalizedTime, Buffer.from(`${isShort ? digits.slice(2) : digits}Z`));
}

/** `[number]` around whole elements (explicit). */
export function around(number: number, ...parts: readonly Uint8Array[]): Buffer {
  return tagged(0xa0 | number, Buffer.concat(parts));
}

/** `[number]` in the place of a plain element's own tag (implicit). */
export function instead(number: number, content: Uint8Array): Buffer {
  return tagged(0x80 | number, content);
}
