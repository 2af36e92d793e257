import assert from "node:assert/strict";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import {
  applyChanges,
  type Change,
  type Identity,
  type IdentityModule,
  type Plan,
} from "../../../agent/identity/change.ts";
import { VolumeFiles } from "../../../agent/identity/volume-files.ts";

/** A volume's root in a temporary directory. */
export function volumeRoot(
  t: { after(end: () => void): void },
  files: Readonly<Record<string, string | Uint8Array>>,
): string {
  const root = mkdtempSync(join(tmpdir(), "bootcast-root-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  writeFiles(root, files);
  return root;
}

export function writeFiles(root: string, files: Readonly<Record<string, string | Uint8Array>>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
}

/** Every file by its path: content, mode, owner and date. */
export function snapshot(root: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const name of readdirSync(root, { recursive: true, encoding: "utf8" })) {
    const stats = lstatSync(join(root, name));
    const about = `${stats.mode.toString(8)} ${stats.uid}:${stats.gid}`;
    if (stats.isFile()) {
      found.set(`/${name}`, `${about} ${stats.mtimeMs} ${readFileSync(join(root, name)).toString("base64")}`);
    } else if (stats.isSymbolicLink()) found.set(`/${name}`, `-> ${readlinkSync(join(root, name))}`);
    else found.set(`/${name}`, about);
  }
  return found;
}

/** The paths that a plan names. */
function named(changes: readonly Change[]): string[] {
  return changes.flatMap((change) => ("path" in change ? [change.path] : [change.from, change.to]));
}

/**
 * Plans and applies a module, and proves on the way: planning changes nothing, applying changes what the plan names
 * and nothing else, and a second plan is empty.
 */
export async function carryOut(module: IdentityModule, root: string, identity: Identity): Promise<Plan> {
  const volume = new VolumeFiles(root);
  const before = snapshot(root);
  const plan = await module.plan(volume, identity);
  assert(plan !== undefined, `${module.name} finds nothing of its kind`);
  assert.deepEqual(snapshot(root), before, "planning only reads");
  await applyChanges(volume, plan.changes);
  const after = snapshot(root);
  const paths = named(plan.changes);
  const changed = [...new Set([...before.keys(), ...after.keys()])].filter(
    (path) => before.get(path) !== after.get(path),
  );
  for (const path of changed) {
    assert(
      paths.some((name) => path === name || path.startsWith(`${name}/`)),
      `${path} was changed and not planned`,
    );
  }
  for (const path of paths) {
    assert(
      changed.some((name) => name === path || name.startsWith(`${path}/`)),
      `${path} was planned and not changed`,
    );
  }
  assert.deepEqual((await module.plan(volume, identity))?.changes ?? [], [], "a second time nothing changes");
  return plan;
}
