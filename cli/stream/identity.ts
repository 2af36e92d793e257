import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Manifest } from "../../images/manifest.ts";

/** One that was not used for so long is of a stream that nobody waits for. */
const KEPT_MS = 7 * 86_400_000;
const SECRET_BYTES = 32;

/** Under what a stream goes on when it is started again: so its receivers find it, and what they hold is of use. */
export type StreamIdentity = {
  readonly streamId: string;
  /** Where its receivers listen: not always the group that was asked for. */
  readonly group: string;
  /** What the key of an encrypted stream follows from. */
  readonly secret: Uint8Array;
};

/**
 * Where the identity of a stream of an image of this machine is. The signature is not part of the name: a file's may be
 * by another key every time, and its packs are the same all the same.
 *
 * @param output names what it is sent to
 */
export function identityPath(dataDir: string, { packs, root }: Manifest, output: string): string {
  const hash = createHash("sha256").update(root);
  for (const { digest } of packs) hash.update(digest, "hex");
  return join(dataDir, "streams", `${hash.digest("hex").slice(0, 16)}-${output}`);
}

/** Undefined when there is none, or none that is whole. */
export async function readIdentity(path: string): Promise<StreamIdentity | undefined> {
  const text = await readFile(path, "utf8").catch(() => "");
  const [, streamId, group, secret] = /^([0-9a-f]{16}) ([0-9.]+) ([0-9a-f]{64})$/.exec(text) ?? [];
  if (streamId === undefined || group === undefined || secret === undefined) return undefined;
  return { streamId, group, secret: Uint8Array.from(Buffer.from(secret, "hex").subarray(0, SECRET_BYTES)) };
}

/** Nobody but the owner may read it. Those beside it that nobody used for a week are removed. */
export async function keepIdentity(path: string, { streamId, group, secret }: StreamIdentity): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const text = `${streamId} ${group} ${Buffer.from(secret).toString("hex")}`;
  await writeFile(`${path}.new`, text, { mode: 0o600 });
  await rename(`${path}.new`, path);
}

/** Removes what nobody waits for in a directory of identities alone. */
export async function sweepIdentities(directory: string): Promise<void> {
  for (const name of await readdir(directory).catch(() => [])) {
    const path = join(directory, name);
    const found = await stat(path).catch(() => undefined);
    if (found?.isFile() === true && Date.now() - found.mtimeMs > KEPT_MS) await rm(path, { force: true });
  }
}

/** The stream has ended as it should: nobody comes back to it. */
export async function forgetIdentity(path: string): Promise<void> {
  await rm(path, { force: true });
}
