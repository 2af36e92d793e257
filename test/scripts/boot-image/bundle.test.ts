import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { hostArchitecture } from "../../../scripts/boot-image/architecture.ts";
import { addKoffi, bundleAgent } from "../../../scripts/boot-image/bundle.ts";
import { FileTree } from "../../../scripts/boot-image/file-tree.ts";

test("the bundle is one file that runs itself, and finds koffi beside it", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "bootcast-bundle-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, "part.ts"), "export const word: string = 'koffi';\n");
  await writeFile(
    join(folder, "main.ts"),
    `import { word } from "./part.ts";
import { createRequire } from "node:module";
const koffi = createRequire(import.meta.filename)(word);
export function main(): void { console.log(typeof koffi.load, __filename); }
if (import.meta.main) main();
`,
  );
  const tree = new FileTree();
  const version = await addKoffi(tree, "image", hostArchitecture, folder);
  assert.match(version ?? "", /^\d+\.\d+/);
  tree.addFile("image/agent.cjs", await bundleAgent(join(folder, "main.ts")));
  for (const entry of tree.entries()) {
    if (entry.type !== "file") continue;
    await mkdir(dirname(join(folder, entry.path)), { recursive: true });
    await writeFile(join(folder, entry.path), entry.content);
  }
  const agent = join(folder, "image", "agent.cjs");
  assert.equal(execFileSync(process.execPath, [agent], { encoding: "utf8" }), `function ${agent}\n`);
});

test("the threads of the agent are in its one file", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "bootcast-bundle-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const agentFolder = join(import.meta.dirname, "../../../agent");
  await writeFile(
    join(folder, "main.ts"),
    `import { openThreadedUnpacker } from ${JSON.stringify(join(agentFolder, "stream/threaded-unpacker.ts"))};
import { openCellThreads } from ${JSON.stringify(join(agentFolder, "threads/cell-threads.ts"))};
export async function main(): Promise<void> {
  const memory = new Uint8Array(new SharedArrayBuffer(64));
  const log = { warn: console.log } as never;
  const unpacker = await openThreadedUnpacker({ symbolsPerBlock: 4, symbolBytes: 16 }, memory, log);
  const names = { digest: "00", cellIds: new Uint8Array(32) };
  await unpacker?.unpack({ pack: 0, pieces: [memory] }, names).catch((error) => console.log(error.code));
  await unpacker?.close();
  const threads = await openCellThreads(log);
  const cell = threads.take(512).fill(7);
  const [id] = await threads.identify([cell]);
  console.log(id?.length, cell.buffer instanceof SharedArrayBuffer);
  await threads.close();
}
if (import.meta.main) void main();
`,
  );
  await mkdir(join(folder, "alone"));
  const agent = join(folder, "alone", "agent.cjs");
  await writeFile(agent, await bundleAgent(join(folder, "main.ts")));
  assert.equal(execFileSync(process.execPath, [agent], { encoding: "utf8" }), "PACK_DAMAGED\n32 true\n");
});

test("an agent that cannot be bundled is a Fault that says why", async () => {
  await assert.rejects(bundleAgent("/nowhere/main.ts"), { code: "BOOT_IMAGE_AGENT_UNBUILT", why: /nowhere/ });
});
