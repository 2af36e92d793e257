import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Page } from "playwright-core";
import { Client } from "undici";
import { ServerProcess } from "../cli/program.ts";
import { browserProblem, Person, Wire } from "./browser.ts";
import { SimulatedRoom } from "./simulated-room.ts";

/**
 * An evening with bootcast, in a browser: the first password, machines that appear, an image for a room, one bad cable,
 * one machine that fails, a connection that breaks. Everything is clicked and typed as a person does it.
 */
const PASSWORD = "correct horse battery";
const MACHINES = 12;

describe("the pages, in a browser", { skip: browserProblem() ?? false }, () => {
  let server: ServerProcess;
  let local: Client;
  let wire: Wire;
  let person: Person;
  let page: Page;
  let room: SimulatedRoom;
  let base: string;

  async function ask(method: "GET" | "POST", path: string, body?: object): Promise<Record<string, never>> {
    const headers = body === undefined ? {} : { "content-type": "application/json" };
    const response = await local.request({
      method,
      path: `/api/v1${path}`,
      headers,
      body: JSON.stringify(body) ?? null,
    });
    const answer = (await response.body.json()) as Record<string, never>;
    assert(response.statusCode < 300, `${path}: ${JSON.stringify(answer)}`);
    return answer;
  }

  const tile = (name: string) => page.locator(".tile", { has: page.getByRole("link", { name, exact: true }) });
  const heading = (name: string | RegExp) => page.getByRole("heading", { name, level: 1 }).waitFor();
  const place = (name: string) => page.getByRole("navigation").getByRole("link", { name }).click();
  const button = (name: string | RegExp) => page.getByRole("button", { name });

  /** One part of the evening: what comes after one that failed would only wait for what is not there. */
  let hasFailed = false;
  const step = (name: string, work: () => Promise<void>) =>
    test(name, async (t) => {
      if (hasFailed) return t.skip("a step before it failed");
      try {
        await work();
      } catch (error) {
        hasFailed = true;
        await person.look("failed");
        throw error;
      }
    });

  before(async () => {
    server = await ServerProcess.start();
    local = new Client("http://bootcast", { socketPath: join(server.dataDir, "control.sock") });
    const raw = join(server.dataDir, "golden.raw");
    for (const [name, notes] of [
      ["kiosk", "library kiosks"],
      ["lab-2026", "spring term"],
      ["lab-2026", "autumn term"],
    ] as const) {
      writeFileSync(raw, randomBytes(4 << 20));
      const imported = await server.run("image", "import", raw, "--name", name, "--notes", notes);
      assert.equal(imported.code, 0, imported.stderr);
    }
    const { https } = (await ask("GET", "/status")) as unknown as { https: { servers: string[] } };
    wire = await Wire.to({ host: "127.0.0.1", port: Number(new URL(https.servers[0]!).port) });
    base = `https://127.0.0.1:${wire.port}`;
    room = new SimulatedRoom(server.address);
    person = await Person.open();
    page = person.page;
  });
  after(async () => {
    await person?.close();
    wire?.close();
    await local?.close();
    await server?.stop();
    server?.remove();
  });

  step("nobody is let in without a password, and a wrong one is told with what helps", async () => {
    await page.goto(base);
    await page.getByLabel("User").fill("admin");
    await page.getByLabel("Password").fill("not the right one");
    await button("Log in").click();
    await page.getByRole("alert").filter({ hasText: "LOGIN_WRONG" }).waitFor();
    assert.deepEqual(await person.barriers(), []);
    assert.deepEqual(await person.lookEverywhere("login"), []);
  });

  step("the link for a first password leads to the room, which says what to do next", async () => {
    const { code } = await ask("POST", "/users/admin/link");
    await page.goto(`${base}/setup?once=${code}`);
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByLabel("Once more").fill(PASSWORD);
    await button("Set password").click();
    await heading("Room");
    await page.getByText("Start a Mac with N held down").waitFor();
    await page.getByText("live", { exact: true }).waitFor();
    await person.look("room-empty");
    assert.deepEqual(await person.barriers(), []);
  });

  step("machines appear by themselves, and are found, grouped and locked", async () => {
    await room.arrive(MACHINES);
    await page.getByText(`${MACHINES} hosts`).waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("imac12");
    await page
      .locator(".tile")
      .nth(MACHINES / 3)
      .waitFor({ state: "detached" });
    await page.getByLabel("Find a host").fill("");
    for (const agent of room.agents.slice(0, 4)) await tile(agent.name).getByRole("checkbox").check();
    await button("Group …").click();
    await page.getByLabel("Group", { exact: true }).fill("library");
    await button("Save").click();
    await page.getByRole("heading", { name: "library 4" }).waitFor();
    await page.keyboard.press("Escape");
    // The whole tile selects, not only its small box.
    await tile(room.agents[4]!.name).click({ position: { x: 60, y: 60 } });
    await page.getByText("1 selected").waitFor();
    await button("Lock …").click();
    await page.getByLabel("Why?").fill("exam machine");
    await page.getByRole("dialog").getByRole("button", { name: "Lock", exact: true }).click();
    await tile(room.agents[4]!.name).getByText("locked", { exact: true }).waitFor();
    await page.keyboard.press("Escape");
    assert.deepEqual(await person.barriers(), []);
    await person.look("room-idle");
  });

  step("with the keyboard alone: past the menu, onto a host, and back", async () => {
    await page.goto(`${base}/#/images`);
    await heading("Images");
    await page.goto(`${base}/#/`);
    await heading("Room");
    await page.locator(".tile").first().waitFor();
    const skip = button("Skip to content");
    await skip.focus();
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate("document.activeElement.id"), "content");
    const box = tile(room.agents[0]!.name).getByRole("checkbox");
    await box.focus();
    await page.keyboard.press("Space");
    await page.getByText("1 selected").waitFor();
    await page.keyboard.press("Escape");
    await page.getByText("1 selected").waitFor({ state: "detached" });
    await tile(room.agents[0]!.name).getByRole("link").focus();
    await page.keyboard.press("Enter");
    await heading(room.agents[0]!.name);
  });

  step("an order is planned, says who is left alone and why, and wants its word typed", async () => {
    await place("Room");
    const group = page.getByRole("region", { name: "Without a group" });
    await group.getByLabel(/^Select all/).check();
    await button("Deploy an image …").click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel(/^lab-2026/).check();
    assert.deepEqual(await person.barriers(), []);
    await dialog.getByText("More options").click();
    await person.look("deploy-options");
    await dialog.getByRole("button", { name: "Show the plan" }).click();
    await dialog.getByText(`${MACHINES - 5} hosts will be ERASED`).waitFor();
    assert.match((await dialog.getByText("exam machine").textContent()) ?? "", /^lab-05 locked by/);
    assert.deepEqual(await person.lookEverywhere("plan"), []);
    assert.deepEqual(await person.barriers(), []);
    const erase = dialog.getByRole("button", { name: "Erase and deploy" });
    assert(await erase.isDisabled());
    const field = dialog.getByLabel(/^Type .* to erase$/);
    await field.fill("yes");
    await page.keyboard.press("Enter");
    assert(await erase.isDisabled(), "only the word orders");
    const { sessions } = await ask("GET", "/sessions");
    assert.deepEqual(sessions, [], "nothing was ordered so far");
    await field.fill(`${MACHINES - 5}-hosts`);
    await erase.click();
    await heading("Session 1");
  });

  step("the session shows who receives, who is slow and why, and who failed with what helps", async () => {
    const agents = room.agents.slice(5);
    const [bad, broken, ...good] = agents;
    assert(bad !== undefined && broken !== undefined);
    for (const agent of agents) await agent.begin();
    await page.getByRole("cell", { name: "checking" }).first().waitFor();
    for (const agent of agents) await agent.report("erasing", { percent: 50 });
    await broken.report("failed", {
      fault: {
        code: "DISK_TOO_SMALL",
        what: "The disk is too small.",
        why: "It has 120 GB, and the image needs 128 GB.",
        fix: "Put a larger disk in.",
      },
    });
    await broken.receive("failed", { done: 0, received: 0, lost: 0 });
    // What nobody sent could not be lost: the server would not believe it.
    await page.getByText(/^\d+(\.\d)? MB$/).waitFor();
    for (const [at, agent] of good.entries()) {
      await agent.receive("receiving", { done: 55 + at, received: 500, lost: 1 });
      await agent.report("receiving", { percent: 55 + at, detail: "The stream is running." });
    }
    await bad.receive("receiving", { done: 41, received: 400, lost: 24 });
    await bad.report("receiving", { percent: 41, detail: "The stream is running." });
    await page
      .getByRole("region", { name: "Slower than the others" })
      .getByText(/loses (5\.7|6) %/)
      .waitFor();
    await page.getByRole("row", { name: broken.name }).getByText("Put a larger disk in.").waitFor();
    await page.getByText("1 failed", { exact: false }).first().waitFor();
    assert.deepEqual(await person.lookEverywhere("session"), []);
    assert.deepEqual(await person.barriers(), []);
    await place("Room");
    await tile(broken.name).getByText("The disk is too small.").waitFor();
    await tile(bad.name).getByText("41 %").waitFor();
    assert.deepEqual(await person.lookEverywhere("room"), []);
    assert.deepEqual(await person.barriers(), []);
    await page.getByRole("radio", { name: "Rows" }).check();
    await page.getByRole("row", { name: bad.name }).waitFor();
    assert.deepEqual(await person.barriers(), []);
    await page.getByRole("radio", { name: "Tiles" }).check();
  });

  step("a connection that breaks is told, and what was missed is there when it is back", async () => {
    const host = tile(room.agents[7]!.name);
    wire.cut();
    const banner = page.getByRole("status").filter({ hasText: "Connection lost, retrying" });
    await banner.waitFor();
    await person.look("connection-lost");
    await room.agents[7]!.report("verifying", { percent: 30 });
    assert.equal(await host.getByText("verifying").count(), 0);
    wire.mend();
    await banner.waitFor({ state: "detached" });
    await host.getByText("verifying").waitFor();
  });

  step("the failed one is ordered again, the rest is finished, and the report is for paper", async () => {
    const [, broken, ...good] = room.agents.slice(5);
    for (const agent of [room.agents[5]!, ...good]) {
      await agent.receive("done", { done: 100, received: 10, lost: 0 });
      await agent.report("rebooting");
      await agent.report("done");
    }
    await place("Sessions");
    await page.getByRole("link", { name: "1", exact: true }).click();
    await heading("Session 1");
    await page.emulateMedia({ media: "print" });
    await page.getByText("Report: Session 1").waitFor();
    assert.match((await page.locator(".report").textContent()) ?? "", new RegExp(`${broken!.name}[^]*DISK_TOO_SMALL`));
    await person.look("report");
    await page.emulateMedia({ media: "screen" });
    await button("Retry 1 failed …").click();
    await button("Show the plan").click();
    await page.getByLabel(`Type ${broken!.name} to erase`).fill(broken!.name);
    await button("Erase and deploy").click();
    await heading("Session 2");
    await button("Stop …").click();
    await page.getByRole("dialog").getByRole("button", { name: "Stop it" }).click();
    await page.getByText("stopped", { exact: true }).first().waitFor();
    assert.deepEqual(await person.barriers(), []);
  });

  step("one goes first; when it fails the others are left alone, until a person says go on", async () => {
    await place("Room");
    await page
      .getByRole("region", { name: "library" })
      .getByLabel(/^Select all/)
      .check();
    await button("Deploy an image …").click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel(/^kiosk/).check();
    await dialog.getByText("More options").click();
    await dialog.getByLabel(/^Order/).selectOption("One first, then 2 at a time");
    await dialog.getByRole("button", { name: "Show the plan" }).click();
    const [, first] = /First (\S+);/.exec((await dialog.getByText(/First \S+;/).textContent()) ?? "") ?? [];
    const canary = room.agents.find(({ name }) => name === first);
    assert(canary !== undefined);
    // A group that is chosen whole is confirmed by its name, or by how many hosts it is.
    await dialog.getByLabel("Type library to erase").fill("4 hosts");
    await dialog.getByRole("button", { name: "Erase and deploy" }).click();
    await heading("Session 3");
    await canary.begin();
    const fault = { code: "DISK_DAMAGED", what: "Its disk is broken.", why: "It said so.", fix: "Exchange it." };
    await canary.report("failed", { fault });
    const halted = page.getByRole("region", { name: "It has stopped" });
    await halted.getByText("What to do").waitFor();
    await person.look("session-halted");
    assert.deepEqual(await person.barriers(), []);
    await halted.getByRole("button", { name: "Go on" }).click();
    await halted.waitFor({ state: "detached" });
    await button("Stop …").click();
    await page.getByRole("dialog").getByRole("button", { name: "Stop it" }).click();
    await page.getByText("stopped", { exact: true }).first().waitFor();
  });

  step("a schedule is planned and typed like an order, paused and removed", async () => {
    await place("Schedule");
    await page.getByText("Nothing is scheduled").waitFor();
    await button("Add a schedule …").click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name of the schedule").fill("kiosks");
    await dialog.getByLabel("Image").selectOption("kiosk");
    await dialog.getByLabel(/^Hosts, groups/).fill("library");
    await dialog.getByRole("button", { name: "Show the plan" }).click();
    const word = /^Type (\S+) to erase$/.exec((await dialog.getByText(/^Type .* to erase$/).textContent()) ?? "")?.[1];
    assert(word !== undefined);
    await dialog.getByLabel(/^Type .* to erase$/).fill(word);
    assert.deepEqual(await person.barriers(), []);
    await dialog.getByRole("button", { name: "Schedule it" }).click();
    await page.getByRole("heading", { name: "kiosks" }).waitFor();
    assert.deepEqual(await person.lookEverywhere("schedule"), []);
    assert.deepEqual(await person.barriers(), []);
    await button("Pause (kiosks)").click();
    await page.getByText("paused").waitFor();
    await button("Remove … (kiosks)").click();
    await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
    await page.getByText("Nothing is scheduled").waitFor();
  });

  step("images, repairs, settings and a host have what they should, without barriers", async () => {
    await place("Images");
    await page.getByRole("heading", { name: "lab-2026" }).waitFor();
    assert.deepEqual(await person.lookEverywhere("images"), []);
    assert.deepEqual(await person.barriers(), []);
    await place("Repairs");
    await page.getByText("boot-image build").waitFor();
    assert.deepEqual(await person.lookEverywhere("repairs"), []);
    assert.deepEqual(await person.barriers(), []);
    await place("Room");
    await page.getByRole("link", { name: room.agents[6]!.name }).click();
    await heading(room.agents[6]!.name);
    await page.getByText("the agent registers").waitFor();
    assert.deepEqual(await person.lookEverywhere("host"), []);
    assert.deepEqual(await person.barriers(), []);
    await place("Settings");
    await page.getByText("can log in").waitFor();
    assert.deepEqual(await person.lookEverywhere("settings"), []);
    assert.deepEqual(await person.barriers(), []);
    await page.getByRole("radio", { name: "Deutsch" }).check();
    await heading("Einstellungen");
    assert.equal(await page.evaluate("document.documentElement.lang"), "de");
    await person.look("settings-german");
    await page.getByRole("radio", { name: "English" }).check();
  });

  step(
    "with the keyboard alone: a dialog begins at its field and gives the focus back, also when its line is gone",
    async () => {
      const focus = () => page.evaluate("document.activeElement.textContent || document.activeElement.type");
      const add = button("Make a token …");
      await add.focus();
      await page.keyboard.press("Enter");
      const dialog = page.getByRole("dialog");
      await dialog.waitFor();
      assert.equal(await focus(), "text");
      await page.keyboard.press("Escape");
      await dialog.waitFor({ state: "detached" });
      assert.equal(await focus(), "Make a token …");
      await page.keyboard.press("Enter");
      await dialog.waitFor();
      await page.keyboard.type("script");
      await page.keyboard.press("Enter");
      await page.getByLabel(/^script\./).waitFor();
      assert.equal(await focus(), "Make a token …");
      const remove = button("Remove … (script)");
      await remove.focus();
      await page.keyboard.press("Enter");
      await dialog.waitFor();
      assert.equal(await focus(), "Cancel", "Enter twice removes nothing");
      await page.keyboard.press("Tab");
      await page.keyboard.press("Enter");
      await remove.waitFor({ state: "detached" });
      assert.equal(await focus(), "Tokens for programs", "not the top of the page");
    },
  );

  step("a token is made and shown once, a viewer is let in and has no button that orders", async () => {
    await button("Make a token …").click();
    await page.getByRole("dialog").getByLabel("Name").fill("ci");
    await button("Make it").click();
    assert.match(await page.getByLabel(/^ci\./).inputValue(), /^\S{20,}$/);
    await button("Add somebody …").click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name").fill("guest");
    await dialog.getByLabel("Role").selectOption("viewer");
    await dialog.getByRole("button", { name: "Make a link" }).click();
    const link = await page.getByLabel(/^Give this to guest/).inputValue();
    await button("Log out").click();
    await page.goto(`${base}/setup${new URL(link).search}`);
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByLabel("Once more").fill(PASSWORD);
    await button("Set password").click();
    await heading("Room");
    await page.locator(".tile").first().waitFor();
    assert.equal(await page.getByRole("checkbox").count(), 0);
    for (const where of ["Sessions", "Images", "Schedule", "Repairs", "Settings"]) {
      await place(where);
      await heading(where);
      const names = await page.locator("main").getByRole("button").allInnerTexts();
      assert(!names.some((name) => /deploy|capture|add|stop|make|look/i.test(name)), `${where}: ${names}`);
    }
  });

  step("nothing was asked for outside, and the page made no mistake", async () => {
    const outside = person.asked.filter((url) => !url.startsWith(`${base}/`));
    assert.deepEqual(outside, []);
    assert.deepEqual(person.mistakes, []);
  });
});
