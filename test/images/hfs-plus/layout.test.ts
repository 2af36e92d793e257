import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { checkedVolume } from "./checked-volume.ts";
import { type MadeEntry, madeVolume } from "./made-volume.ts";

test("any entries make a whole volume in which each is found with its content", async () => {
  const name = fc.stringMatching(/^[a-z0-9 ._é漢-]{1,12}$/u).filter((text) => text !== "." && text !== "..");
  const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => `f/${parts.join("/d/")}`);
  const content = fc.oneof(
    fc.constant(""),
    fc.string({ maxLength: 300 }),
    fc.nat(20_000).map((size) => "x".repeat(size)),
  );
  const shared = fc.option(fc.constantFrom("1", "2"), { nil: undefined });
  const entry = fc.record({ path, content, sharedAs: shared });
  const different = { maxLength: 30, selector: ({ path: one }: { path: string }) => one };
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(entry, different), async (drawn) => {
      const free = drawn.filter(({ path: one }) => !drawn.some(({ path: other }) => other.startsWith(`${one}/`)));
      // Names of one file have one content.
      const first = new Map(free.toReversed().map(({ sharedAs, content: text }) => [sharedAs, text]));
      const listed: MadeEntry[] = free.map(({ path: one, content: text, sharedAs }) =>
        sharedAs === undefined ? { path: one, content: text } : { path: one, content: first.get(sharedAs)!, sharedAs },
      );
      const entries = checkedVolume(await madeVolume(listed));
      for (const { path: one, content: text } of listed)
        assert.equal(entries.get(`/${one.normalize("NFD")}`)?.content?.toString(), text, one);
    }),
    { numRuns: 60 },
  );
});

test("names of a shared file know each other, and the file how many they are", async () => {
  const entries = checkedVolume(
    await madeVolume(["a", "b", "c"].map((path) => ({ path, content: "text", sharedAs: "1", uid: 501 }))),
  );
  const [a, b, c] = ["/a", "/b", "/c"].map((path) => entries.get(path)!);
  const chain = [a, b, c].map((one) => [one!.record.readUInt32BE(32), one!.record.readUInt32BE(36)]);
  assert.deepEqual(chain, [
    [0, b!.id],
    [a!.id, c!.id],
    [b!.id, 0],
  ]);
  const file = [...entries.values()].find(({ path }) => path.includes("iNode"))!;
  assert.deepEqual(
    [file.record.readUInt32BE(4), file.record.readUInt32BE(44), file.record.readUInt32BE(32)],
    [a!.id, 3, 501],
  );
  // Flags: a thread, and a chain of links; the name's date is that of the folder that it leads to.
  assert.deepEqual([a!.record.readUInt16BE(2), file.record.readUInt16BE(2)], [0x22, 0x22]);
  const folder = entries.get("/\0\0\0\0HFS+ Private Data")!;
  assert.equal(a!.record.readUInt32BE(12), folder.record.readUInt32BE(12));
});

test("a volume of a given size is as large, or refused when its files need more", async () => {
  const listed = [{ path: "big", content: "x".repeat(1 << 20) }];
  const volume = await madeVolume(listed, 4 << 20);
  assert.equal(volume.length, 4 << 20);
  checkedVolume(volume);
  await assert.rejects(madeVolume(listed, 1 << 20), { code: "VOLUME_TOO_SMALL" });
});

test("the same entries give the same bytes, and a new name in between moves no content", async () => {
  const listed = [
    { path: "one", content: "1".repeat(9000) },
    { path: "two", content: "2".repeat(9000) },
  ];
  const volume = await madeVolume(listed);
  assert(volume.equals(await madeVolume(listed)));
  const more = await madeVolume([...listed, { path: "a", content: "" }]);
  const at = volume.indexOf("2222");
  assert.equal(more.indexOf("2222"), at);
});
