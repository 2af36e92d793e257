import assert from "node:assert/strict";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { Client } from "undici";
import type { Lab } from "../../scripts/lab/lab.ts";
import type { SessionBody, StatusBody } from "../../server/api/schemas.ts";
import { readSitePublicKey } from "../../server/store/keys.ts";
import { Person, Wire } from "./browser.ts";
import { Crowd } from "./crowd.ts";
import type { CrowdOrder } from "./crowd-program.ts";

const PASSWORD = "correct horse battery";
const minutes = 60_000;

/** A person at the pages of a lab's server, with a room full of machines: all that is ordered is clicked and typed. */
export class Desk {
  readonly crowd: Crowd;
  readonly person: Person;
  readonly #page: Page;
  readonly #wire: Wire;
  readonly #local: Client;

  private constructor(parts: { crowd: Crowd; person: Person; wire: Wire; local: Client }) {
    this.crowd = parts.crowd;
    this.person = parts.person;
    this.#page = parts.person.page;
    this.#wire = parts.wire;
    this.#local = parts.local;
  }

  static async open(
    lab: Lab,
    about: Pick<CrowdOrder, "simulated" | "real" | "directory" | "diskBytes">,
  ): Promise<Desk> {
    const local = new Client("http://bootcast", { socketPath: join(lab.dataDir, "control.sock") });
    const { addresses, https } = await ask<StatusBody>(local, "GET", "/status");
    const pages = new URL(https.servers[0]!);
    const { publicKey } = await readSitePublicKey(lab.dataDir);
    const crowd = await Crowd.open(lab, {
      ...about,
      server: addresses[0]!,
      pages: { host: pages.hostname, port: Number(pages.port) },
      trusted: publicKey.export({ type: "spki", format: "pem" }).toString(),
    });
    const wire = await Wire.to({ path: crowd.socket });
    return new Desk({ crowd, person: await Person.open(), wire, local });
  }

  async close(): Promise<void> {
    await this.person.close();
    this.#wire.close();
    await this.#local.close();
  }

  session(id: number): Promise<SessionBody> {
    return ask(this.#local, "GET", `/sessions/${id}`);
  }

  /** Follows the link that the server printed at its first start, and comes to the room. */
  async choosesPassword(): Promise<void> {
    const { code } = await ask<{ code: string }>(this.#local, "POST", "/users/admin/link");
    await this.#page.goto(`https://127.0.0.1:${this.#wire.port}/setup?once=${code}`);
    await this.#page.getByLabel("Password").fill(PASSWORD);
    await this.#page.getByLabel("Once more").fill(PASSWORD);
    await this.#button("Set password").click();
    await this.#heading("Room");
  }

  /** Waits until so many hosts are in the room. */
  async sees(hosts: number): Promise<void> {
    await this.#page.getByText(`${hosts} hosts`, { exact: true }).waitFor({ timeout: 10 * minutes });
  }

  /** Selects all hosts that are shown, reads the plan, types its word; the newest image is the only one. */
  async deploysToAll(hosts: number, screen: string): Promise<void> {
    const dialog = await this.#opensDialog();
    await dialog.getByRole("button", { name: "Show the plan" }).click();
    await dialog.getByText(`${hosts} hosts will be ERASED`).waitFor();
    assert.deepEqual(await this.person.lookEverywhere(screen), []);
    await this.#typesWord();
  }

  /** The same for those that a word finds, one first and the others in batches. Answers who goes first, and who else. */
  async deploysInWaves(word: string): Promise<{ canary: string; others: string[] }> {
    await this.#place("Room");
    await this.#page.getByLabel("Find a host").fill(word);
    await this.#page.locator(".tile", { hasNotText: "done" }).first().waitFor({ state: "detached" });
    const dialog = await this.#opensDialog();
    await dialog.getByText("More options").click();
    await dialog.getByLabel(/^Order/).selectOption("One first, then 25 at a time");
    await dialog.getByRole("button", { name: "Show the plan" }).click();
    const [, canary] = /First (\S+);/.exec((await dialog.getByText(/First \S+;/).textContent()) ?? "") ?? [];
    const names = await dialog.locator(".plan-name").allTextContents();
    assert(canary !== undefined && names.includes(canary), `${canary} of ${names}`);
    await this.#typesWord();
    return { canary, others: names.filter((name) => name !== canary) };
  }

  async #opensDialog() {
    await this.#page
      .getByRole("region", { name: "Without a group" })
      .getByLabel(/^Select all/)
      .check();
    await this.#button("Deploy an image …").click();
    return this.#page.getByRole("dialog");
  }

  async #typesWord(): Promise<void> {
    const dialog = this.#page.getByRole("dialog");
    const asked = (await dialog.getByText(/^Type .* to erase$/).textContent()) ?? "";
    await dialog.getByLabel(asked, { exact: true }).fill(/^Type (.*) to erase$/.exec(asked)?.[1] ?? "");
    await dialog.getByRole("button", { name: "Erase and deploy" }).click();
    await this.#heading(/^Session/);
  }

  /** Who waits, who is slow and who failed stands on the session's page, and in the room. */
  async seesTrouble(slow: string, failed: string, what: string): Promise<void> {
    const page = this.#page;
    const receiving = page.getByRole("cell", { name: "receiving" });
    // All may be ready before somebody looks.
    await page
      .getByText(/hosts? ready/)
      .or(receiving)
      .first()
      .waitFor({ timeout: 3 * minutes });
    await this.person.look("full-session-waiting");
    await receiving.first().waitFor({ timeout: 5 * minutes });
    await this.person.look("full-session-begins");
    await page
      .getByRole("region", { name: "Slower than the others" })
      .getByText(slow)
      .waitFor({ timeout: 5 * minutes });
    await page
      .getByRole("row", { name: failed })
      .getByText(what)
      .waitFor({ timeout: 5 * minutes });
    assert.deepEqual(await this.person.lookEverywhere("full-session"), []);
    await this.#place("Room");
    await page
      .locator(".tile", { has: this.#host(failed) })
      .getByText(what)
      .waitFor();
    assert.deepEqual(await this.person.lookEverywhere("full-room"), []);
    await page.getByRole("radio", { name: "Rows" }).check();
    await this.#row(slow).waitFor();
    assert.deepEqual(await this.person.lookEverywhere("full-rows"), []);
    await page.getByRole("radio", { name: "Tiles" }).check();
  }

  /** The session has stopped by itself; the person ends it. */
  async seesItStopped(): Promise<void> {
    await this.#page.getByRole("region", { name: "It has stopped" }).getByText("What to do").waitFor();
    assert.deepEqual(await this.person.lookEverywhere("full-halted"), []);
  }

  async stopsIt(): Promise<void> {
    await this.#button("Stop …").click();
    await this.#page.getByRole("dialog").getByRole("button", { name: "Stop it" }).click();
    await this.#page.getByText("stopped", { exact: true }).first().waitFor();
  }

  /** The first session is over, but for the one that failed. */
  async seesAllDone(done: number, of: number): Promise<void> {
    await this.#place("Sessions");
    await this.#page.getByRole("link", { name: "1", exact: true }).click();
    await this.#page
      .getByText(`${done} of ${of} hosts done`)
      .first()
      .waitFor({ timeout: 5 * minutes });
    assert.deepEqual(await this.person.lookEverywhere("full-done"), []);
    await this.#place("Repairs");
    await this.#heading("Repairs");
    await this.person.lookEverywhere("full-repairs");
  }

  #host(name: string) {
    return this.#page.getByRole("link", { name, exact: true });
  }

  #row(name: string) {
    return this.#page.getByRole("row").filter({ has: this.#host(name) });
  }

  #button(name: string) {
    return this.#page.getByRole("button", { name });
  }

  #heading(name: string | RegExp): Promise<void> {
    return this.#page.getByRole("heading", { name, level: 1 }).waitFor();
  }

  #place(name: string): Promise<void> {
    return this.#page.getByRole("navigation").getByRole("link", { name }).click();
  }
}

async function ask<T>(client: Client, method: "GET" | "POST", path: string): Promise<T> {
  const { statusCode, body } = await client.request({ method, path: `/api/v1${path}` });
  const text = await body.text();
  assert(statusCode < 300, `${path}: ${text}`);
  return JSON.parse(text) as T;
}
