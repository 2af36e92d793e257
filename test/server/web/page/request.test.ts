import assert from "node:assert/strict";
import { test } from "node:test";
import type { DeployPlanBody, ImageBody } from "../../../../server/api/schemas.ts";
import { confirmedRequest, firstChoice, isConfirmed, requestOf } from "../../../../server/web/page/deploy/request.ts";

const image = (name: string, version: number) => ({ name, version }) as ImageBody;

test("the dialog begins with the only image there is, in its newest version", () => {
  const found = [image("lab", 2), image("lab", 10)];
  assert.deepEqual(
    [firstChoice({ hostIds: ["a"] }, found).image, firstChoice({ hostIds: [] }, found).version],
    ["lab", 10],
  );
  const many = [...found, image("kiosk", 1)];
  assert.deepEqual(
    [firstChoice({ hostIds: [] }, many).image, firstChoice({ hostIds: [] }, many).version],
    ["", undefined],
  );
  assert.equal(firstChoice({ hostIds: [], image: "lab", version: 2 }, many).version, 2);
});

test("an order holds what was chosen, and only that", () => {
  const choice = { ...firstChoice({ hostIds: ["b", "a"] }, [image("lab", 3)]), beginAt: "" };
  const plain = {
    image: "lab",
    imageVersion: 3,
    to: ["b", "a"],
    erase: "quick",
    verify: "whole",
    afterwards: "reboot",
  };
  assert.deepEqual(requestOf(choice), plain);
  const later = requestOf({ ...choice, batch: 5, beginAt: "2026-11-22T22:00" });
  assert.deepEqual(later.waves, { canary: 1, batch: 5 });
  assert.equal(later.startAtMs, new Date(2026, 10, 22, 22).getTime());
});

test("an order that is given again keeps what the dialog does not ask for, but not its time", () => {
  const again = {
    image: "lab",
    imageVersion: 2,
    to: ["a"],
    erase: "none",
    disk: "smallest",
    startAtMs: 5,
    retryOf: 41,
  } as const;
  const choice = firstChoice({ hostIds: ["a"], again: { ...again, to: ["a"] } }, [image("lab", 3)]);
  assert.deepEqual(requestOf(choice, { ...again, to: ["a"] }), {
    image: "lab",
    imageVersion: 2,
    to: ["a"],
    erase: "none",
    verify: "whole",
    afterwards: "reboot",
    disk: "smallest",
    retryOf: 41,
  });
});

test("what is ordered is what was shown: these hosts, this version, these disks", () => {
  const shown = {
    image: { version: 4 },
    hosts: [
      { id: "a", contents: ["/dev/sda: ext4"] },
      { id: "b", contents: [] },
    ],
  } as unknown as DeployPlanBody;
  assert.deepEqual(confirmedRequest({ image: "lab", to: ["a", "b", "c"] }, shown), {
    image: "lab",
    imageVersion: 4,
    to: ["a", "b"],
    confirmed: ["/dev/sda: ext4"],
  });
});

test("only the word confirms, and nothing confirms an order without hosts", () => {
  assert(isConfirmed(" room-b ", "room-b"));
  assert(!isConfirmed("Room-B", "room-b"));
  assert(!isConfirmed("", ""));
});
