import assert from "node:assert/strict";
import { readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { pino } from "pino";
import type { Disk } from "../../../agent/contract.ts";
import { withReadOnlyDisk } from "../../../agent/disk/read-only.ts";
import type { Tools } from "../../../agent/machine/tools.ts";
import { Fault } from "../../../fault.ts";

const directory = await mkdtemp(join(tmpdir(), "bootcast-read-only-"));
after(() => rmSync(directory, { recursive: true }));
const path = join(directory, "disk");
writeFileSync(path, Buffer.alloc(4096, 7));
const disk = { path, sizeBytes: 4096, isReadOnly: false } as Disk;
const log = pino({ level: "silent" });

/** How this process has the disk open now: the access mode of each open file (proc(5), fdinfo). */
function accessModes(): number[] {
  const numbers = readdirSync("/proc/self/fd").filter((number) => {
    try {
      return readlinkSync(`/proc/self/fd/${number}`) === path;
    } catch {
      return false;
    }
  });
  return numbers.map((number) => {
    const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${number}`, "utf8"))?.[1] ?? "";
    return Number.parseInt(flags, 8) & 3;
  });
}

function recorded(refuse: readonly string[] = []): { said: string[]; tools: Tools } {
  const said: string[] = [];
  const tools: Tools = {
    run: async (command, args) => {
      said.push([command, ...args].join(" "));
      if (refuse.includes(args[0] ?? "")) throw new Fault("TOOL_FAILED", { what: "No.", why: "No.", fix: "No." });
      return "";
    },
  };
  return { said, tools };
}

test("the disk is opened to be read only, and the kernel is told so; afterwards it is as it was", async () => {
  const { said, tools } = recorded();
  const read = await withReadOnlyDisk(disk, { tools, log }, async (source) => {
    assert.deepEqual(accessModes(), [0], "O_RDONLY");
    assert.deepEqual(said, [`blockdev --flushbufs ${path}`, `blockdev --setro ${path}`]);
    return source.read(512, 2);
  });
  assert.deepEqual([...read], [7, 7]);
  assert.deepEqual(accessModes(), []);
  assert.equal(said.at(-1), `blockdev --setrw ${path}`);
});

test("after a failure it is closed and as it was; a disk that was read-only stays so; a kernel that cannot is fine", async () => {
  const failing = recorded();
  const fails = withReadOnlyDisk(disk, { tools: failing.tools, log }, () => Promise.reject(new Error("cut")));
  await assert.rejects(fails, /cut/);
  assert.deepEqual([accessModes(), failing.said.at(-1)], [[], `blockdev --setrw ${path}`]);

  const locked = recorded();
  await withReadOnlyDisk({ ...disk, isReadOnly: true }, { tools: locked.tools, log }, async () => undefined);
  assert.deepEqual(locked.said, [`blockdev --flushbufs ${path}`]);

  const refusing = recorded(["--setro", "--setrw"]);
  await withReadOnlyDisk(disk, { tools: refusing.tools, log }, async (source) => assert.equal(source.sizeBytes, 4096));
});
