import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { FileTree } from "../../../agent/identity/file-tree.ts";
import { MountedTree } from "../../../agent/identity/mounted-tree.ts";
import { PlannedTree } from "../../../agent/identity/planned-tree.ts";
import { snapshot, volumeRoot } from "./volume-root.ts";

const paths = ["/a", "/b", "/d/a", "/d/b", "/d/e/a", "/new", "/d/new"];

/** What a tree shows, of everything that is below its root. */
async function shown(tree: FileTree, path = "/"): Promise<string[]> {
  const lines: string[] = [];
  for (const name of (await tree.list(path)).sort()) {
    const below = path === "/" ? `/${name}` : `${path}/${name}`;
    const stats = await tree.lstat(below);
    if (stats?.isDirectory()) lines.push(`${below}/`, ...(await shown(tree, below)));
    else if (stats?.isSymbolicLink()) lines.push(`${below} -> ${await tree.readLink(below)}`);
    else lines.push(`${below} ${stats?.size} ${await tree.read(below)}`);
  }
  return lines;
}

test("a volume as it is planned to be is the volume as it then is", async (t) => {
  const step = fc.record({
    kind: fc.constantFrom("write", "remove", "removeTree", "rename", "copy", "link"),
    one: fc.constantFrom(...paths, "/d", "/d/e"),
    other: fc.constantFrom(...paths, "/moved"),
  });
  const replaced = [
    { kind: "removeTree", one: "/d", other: "/a" },
    { kind: "write", one: "/d", other: "/a" },
    { kind: "remove", one: "/d/e/a", other: "/a" },
  ];
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const root = volumeRoot(t, { "/a": "a", "/d/a": "da", "/d/b": "db", "/d/e/a": "dea" });
      const before = snapshot(root);
      const real = new MountedTree(root);
      const planned = new PlannedTree(new MountedTree(root));
      const done: ((tree: FileTree) => Promise<void>)[] = [];
      for (const { kind, one, other } of steps) {
        const there = await planned.lstat(one);
        const parent = await planned.lstat(one.slice(0, one.lastIndexOf("/")) || "/");
        const target = await planned.lstat(other);
        const targetParent = await planned.lstat(other.slice(0, other.lastIndexOf("/")) || "/");
        const isFree = target === undefined && targetParent?.isDirectory() === true && !other.startsWith(`${one}/`);
        let change: ((tree: FileTree) => Promise<void>) | undefined;
        if (kind === "write" && parent?.isDirectory() && (there === undefined || there.isFile()))
          change = (tree) => tree.write(one, Buffer.from(`by ${done.length} ${other}`), 0o644);
        if (kind === "remove" && !there?.isDirectory()) change = (tree) => tree.remove(one);
        if (kind === "removeTree") change = (tree) => tree.removeTree(one);
        if (kind === "rename" && there !== undefined && isFree) change = (tree) => tree.rename(one, other);
        if (kind === "copy" && there?.isFile() && isFree) change = (tree) => tree.copy(one, other);
        if (kind === "link" && there === undefined && parent?.isDirectory()) change = (tree) => tree.link(one, other);
        if (change === undefined) continue;
        const number = done.length;
        const numbered: (tree: FileTree) => Promise<void> =
          kind === "write" ? (tree) => tree.write(one, Buffer.from(`by ${number} ${other}`), 0o644) : change;
        await numbered(planned);
        done.push(numbered);
      }
      assert.deepEqual(snapshot(root), before, "planning only reads");
      const expected = await shown(planned);
      for (const change of done) await change(real);
      assert.deepEqual(expected, await shown(real));
    }),
    { numRuns: 150, examples: [[replaced]] },
  );
});
