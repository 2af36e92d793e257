/** A table as the property list carries it. */
export type ListedTable = { readonly id: number; readonly name: string; readonly bytes: Buffer };

const PLST_BYTES = 1032;
/** 52 characters of base64: Apple's lines. */
const LINE_BYTES = 39;
const LINES_PER_PIECE = 4096;

/**
 * The property list of a .dmg exactly in Apple's shape (tabs, order, length of
 * lines), in pieces: that of a disk of a TiB has 60 MiB. `plst` is always there
 * and of zeros.
 */
export function* encodePropertyList(tables: readonly ListedTable[]): Generator<string> {
  yield `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
\t<key>resource-fork</key>
\t<dict>
\t\t<key>blkx</key>
\t\t<array>
`;
  for (const { id, name, bytes } of tables) yield* resource(bytes, id, name, name);
  yield "\t\t</array>\n\t\t<key>plst</key>\n\t\t<array>\n";
  yield* resource(Buffer.alloc(PLST_BYTES), 0, "");
  yield "\t\t</array>\n\t</dict>\n</dict>\n</plist>\n";
}

function* resource(bytes: Buffer, id: number, name: string, cfName?: string): Generator<string> {
  yield "\t\t\t<dict>\n\t\t\t\t<key>Attributes</key>\n\t\t\t\t<string>0x0050</string>\n";
  if (cfName !== undefined) yield `\t\t\t\t<key>CFName</key>\n\t\t\t\t<string>${escaped(cfName)}</string>\n`;
  yield "\t\t\t\t<key>Data</key>\n\t\t\t\t<data>\n";
  for (let at = 0; at < bytes.length; at += LINE_BYTES * LINES_PER_PIECE) {
    const text = bytes.toString("base64", at, Math.min(bytes.length, at + LINE_BYTES * LINES_PER_PIECE));
    yield text.replaceAll(/.{1,52}/g, "\t\t\t\t$&\n");
  }
  yield `\t\t\t\t</data>\n\t\t\t\t<key>ID</key>\n\t\t\t\t<string>${id}</string>\n`;
  yield `\t\t\t\t<key>Name</key>\n\t\t\t\t<string>${escaped(name)}</string>\n\t\t\t</dict>\n`;
}

/** A partition's name may hold anything; XML 1.0 has no control characters. */
function escaped(text: string): string {
  const signs: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };
  return text
    .toWellFormed()
    .replaceAll(/[\u0000-\u001f\u007f\ufffe\uffff]/g, "")
    .replaceAll(/[&<>]/g, (sign) => signs[sign]!);
}
