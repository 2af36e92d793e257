import assert from "node:assert/strict";
import { test } from "node:test";
import type { Disk } from "../../../agent/contract.ts";
import { settledDisks } from "../../../agent/disk/settled-disks.ts";
import { limits } from "../../../agent/limits.ts";
import { fakeClock } from "../fake-clock.ts";

function diskCalled(path: string, sizeBytes = 1024 ** 3): Disk {
  return {
    path,
    sizeBytes,
    sectorBytes: 512,
    model: "",
    serial: "",
    wwn: "",
    transport: "sata",
    isRemovable: false,
    isReadOnly: false,
    usedBy: [],
  };
}

const first = diskCalled("/dev/sda");
const second = diskCalled("/dev/sdb");

/** Looks at disks that change with the time; returns what counted, when, and what was said. */
async function settle(disksAt: (ms: number) => readonly Disk[]) {
  const clock = fakeClock();
  const said: string[] = [];
  const disks = await settledDisks(
    () => disksAt(clock.now()),
    clock,
    (line) => said.push(line),
  );
  return { disks, said, ms: clock.now() };
}

test("disks that are there from the start are known after 2 s", async () => {
  assert.deepEqual(await settle(() => [first]), { disks: [first], said: [], ms: 2000 });
});

test("a disk that comes late is waited for, and the wait begins anew", async () => {
  const late = await settle((ms) => (ms < 1800 ? [first] : [first, second]));
  assert.deepEqual(late, { disks: [first, second], said: [], ms: 4000 });
  // The medium, not only the name: a disk that spins up shows its size late.
  const spinning = await settle((ms) => [diskCalled("/dev/sda", ms < 1000 ? 0 : 1024)]);
  assert.deepEqual(spinning, { disks: [diskCalled("/dev/sda", 1024)], said: [], ms: 3000 });
});

test("a list that never settles counts as it is after 10 s, and this is said", async () => {
  const { disks, said, ms } = await settle((now) => (now % 1000 < 500 ? [first] : [first, second]));
  assert.equal(ms, limits.disksSettledMs);
  assert.deepEqual(disks, [first]);
  assert.deepEqual(said, ["The list of disks still changes after 10 s; the newest one counts."]);
});
