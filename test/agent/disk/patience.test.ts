import assert from "node:assert/strict";
import { test } from "node:test";
import { bePatientWith } from "../../../agent/disk/patience.ts";
import { treeFiles } from "../machine/machine-tree.ts";

const disk = { path: "/dev/nvme0n1" };
const limit = "/sys/block/nvme0n1/queue/io_timeout";

const table: readonly { name: string; files: Record<string, string>; puts: readonly string[] }[] = [
  { name: "the kernel's usual 30 s become longer", files: { [limit]: "30000\n" }, puts: [`${limit} 255000`] },
  { name: "who is more patient stays so", files: { [limit]: "4294967\n" }, puts: [] },
  { name: "a driver without a limit", files: {}, puts: [] },
  { name: "another disk's", files: { "/sys/block/sda/queue/io_timeout": "30000\n" }, puts: [] },
];
for (const { name, files, puts } of table) {
  test(`patience with a disk: ${name}`, () => {
    const put: string[] = [];
    const tree = treeFiles({ files, links: {} });
    const isChanged = bePatientWith(disk, tree, (path, text) => void put.push(`${path} ${text}`));
    assert.deepEqual([put, isChanged], [puts, puts.length > 0]);
  });
}

test("patience with a disk: a kernel that refuses it is no reason to stop", () => {
  const tree = treeFiles({ files: { [limit]: "30000" }, links: {} });
  const refusing = () => {
    throw new Error("EACCES");
  };
  assert.equal(bePatientWith(disk, tree, refusing), false);
});
