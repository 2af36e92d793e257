import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

/** Where our sender takes the image from. "encrypted": from the file, and the stream is encrypted. */
export const sourceKinds = ["file", "store", "sealed", "encrypted"] as const;
export type SourceKind = (typeof sourceKinds)[number];

/** What the sender opens: see `openImageSource`. */
export type SourceOrder = {
  readonly path: string;
  readonly dataDir?: string;
  readonly storeKey?: string;
  readonly isEncrypted?: boolean;
};

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");
const node = join(root, "node_modules/.bin/node");

/** Makes the stores that these kinds need, in `directory`; the image is imported as a person does it. */
export async function prepareSources(
  kinds: readonly SourceKind[],
  image: string,
  directory: string,
): Promise<ReadonlyMap<SourceKind, SourceOrder>> {
  const orders = new Map<SourceKind, SourceOrder>();
  for (const kind of kinds) orders.set(kind, await prepare(kind, image, directory));
  return orders;
}

async function prepare(kind: SourceKind, image: string, directory: string): Promise<SourceOrder> {
  if (kind === "file") return { path: image };
  if (kind === "encrypted") return { path: image, isEncrypted: true };
  const dataDir = join(directory, kind);
  const bootcast = (...words: string[]) =>
    run(node, [join(root, "cli/main.ts"), ...words, "--data-dir", dataDir], { maxBuffer: 1 << 26 });
  await bootcast("image", "import", image, "--name", "golden");
  if (kind === "store") return { path: "golden", dataDir };
  const storeKey = join(directory, "store.key");
  await bootcast("image", "keys", "seal", "--store-key", storeKey);
  return { path: "golden", dataDir, storeKey };
}
