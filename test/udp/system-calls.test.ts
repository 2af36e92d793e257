import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { hostArchitecture } from "../../scripts/boot-image/architecture.ts";
import { addKoffi, bundleAgent } from "../../scripts/boot-image/bundle.ts";
import { FileTree } from "../../scripts/boot-image/file-tree.ts";

test("system calls are there in the boot image, where the agent is one file with koffi beside it", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "bootcast-system-calls-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const own = JSON.stringify(join(import.meta.dirname, "../../udp/system-calls.ts"));
  const program = `import { loadSystemCalls } from ${own};\nconsole.log(typeof loadSystemCalls()?.recvmmsg);\n`;
  await writeFile(join(folder, "main.ts"), program);
  const tree = new FileTree();
  await addKoffi(tree, "image", hostArchitecture, folder);
  tree.addFile("image/agent.cjs", await bundleAgent(join(folder, "main.ts")));
  for (const entry of tree.entries()) {
    if (entry.type !== "file") continue;
    await mkdir(dirname(join(folder, entry.path)), { recursive: true });
    await writeFile(join(folder, entry.path), entry.content);
  }
  const said = execFileSync(process.execPath, [join(folder, "image", "agent.cjs")], { encoding: "utf8" });
  assert.equal(said, "function\n");
});
