import assert from "node:assert/strict";
import { test } from "node:test";
import type { StoredEvent } from "../../../server/events.ts";
import { messageOf } from "../../../server/notify/message.ts";
import { topicOf } from "../../../server/notify/topics.ts";
import { Core, machine } from "../core.ts";

test("every event that somebody is told of has words of its own", async (t) => {
  const core = await Core.open();
  t.after(() => core.db.destroy());
  const { hostId } = await core.hosts.register(machine(1));
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: ["lab-01"] });
  const fault = { code: "X", what: "Two of three failed.", why: "Their disks broke.", fix: "Look at them." };
  const lines = [
    [
      "host.registered",
      { isNew: true, mac: "m", isApproved: false },
      "A new host appeared: lab-01",
      /host approve lab-01$/,
    ],
    ["deploy.created", {}, "Session 1 is ordered (lab-debian version 1)", /^For 1 host\.$/],
    ["deploy.ended", {}, "Session 1 is done (lab-debian version 1): 1 pending", /^$/],
    ["deploy.cancelled", {}, "Session 1 was stopped (lab-debian version 1): 1 pending", /^$/],
    ["deploy.halted", { fault }, "Session 1 stopped by itself (lab-debian version 1)", /^Two .*\nTheir .*\nLook/],
    ["deploy.host-failed", {}, "lab-01 failed in session 1 (lab-debian version 1)", /^$/],
    ["schedule.started", { schedule: "k", lateMs: 5 }, "Schedule k begins", /Later than planned/],
    ["schedule.ended", { schedule: "k", why: "2 done." }, "Schedule k: 2 done.", /^$/],
    ["schedule.missed", { schedule: "k", why: "Down.", count: 3 }, "Schedule k was missed", /^Down\. \(3 times\)$/],
    ["schedule.skipped", { schedule: "k", why: "Busy." }, "Schedule k was left out", /^Busy\.$/],
    ["doctor.changed", { appeared: [{ detail: "A.", fix: "B" }] }, "A.", /^A\. B$/],
    ["doctor.changed", { appeared: [{ detail: "A." }, { detail: "C." }] }, "2 new problems", /^A\.\nC\.$/],
    [
      "dhcp.other-server",
      { server: "10.0.0.1" },
      "Another DHCP or boot server answers on this network",
      /server: 10\.0\.0\.1/,
    ],
    ["dhcp.conflict", { address: "10.0.0.9" }, "An address is used twice", /address: 10\.0\.0\.9/],
    ["menu.locked", {}, "The menu of machines was locked after wrong PINs", /^$/],
    ["notify.given-up", { target: "chat", why: "It is gone." }, "chat could not be told", /^It is gone\.$/],
    ["server.started", { version: "1.0" }, "The server started", /^Version 1\.0\.$/],
  ] as const;
  for (const [kind, data, title, text] of lines) {
    const isOfSession = kind.startsWith("deploy.");
    const event: StoredEvent = {
      ...{ id: 9, atMs: 1, kind, data, actor: null },
      hostId: kind.startsWith("host.") || kind === "deploy.host-failed" ? hostId : null,
      deployId: isOfSession ? deployId : null,
    };
    const topic = topicOf(event);
    assert(topic !== undefined, kind);
    const message = await messageOf(core.db, "chat", topic, event);
    assert.equal(message.title, title);
    assert.match(message.text, text, kind);
    assert.equal(message.id, "chat-9");
  }
});

test("a host that was forgotten, and a session that is not there, are told by what the event knows", async (t) => {
  const core = await Core.open();
  t.after(() => core.db.destroy());
  const event = { id: 3, atMs: 1, kind: "deploy.host-failed", hostId: "h-gone", deployId: 99, data: {}, actor: null };
  const { title } = await messageOf(core.db, "chat", "host-failed", event);
  assert.equal(title, "h-gone failed in session 99");
});
