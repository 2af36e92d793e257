import { existsSync, mkdirSync } from "node:fs";
import { connect, createServer, type NetConnectOpts, type Server, type Socket } from "node:net";
import { join } from "node:path";
import axe from "axe-core";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";

const executablePath = "/usr/bin/chromium";
const LOOKS = 4;
const LOOK_MS = 15_000;
/** Build output: looked at by people, not compared. */
const screens = join(import.meta.dirname, "../../build/screens");

/** Why no browser can be started here; undefined: one can. */
export function browserProblem(): string | undefined {
  return existsSync(executablePath) ? undefined : "chromium is not installed (apt-get install chromium)";
}

/** A person's browser: everything that it asks for, and every mistake that it sees, is noted. */
export class Person {
  readonly page: Page;
  /** What went wrong in the page: errors, and what its policy forbade. */
  readonly mistakes: string[] = [];
  readonly asked: string[] = [];
  readonly #browser: Browser;
  readonly #context: BrowserContext;

  private constructor(browser: Browser, context: BrowserContext, page: Page) {
    this.#browser = browser;
    this.#context = context;
    this.page = page;
    page.on("pageerror", (error) => this.mistakes.push(error.stack ?? error.message));
    page.on("console", (message) => {
      // What a server refuses is written there by the browser itself.
      const isRefusal = message.text().startsWith("Failed to load resource");
      if (["error", "warning"].includes(message.type()) && !isRefusal) this.mistakes.push(message.text());
    });
    page.on("request", (request) => this.asked.push(request.url()));
  }

  static async open(): Promise<Person> {
    const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
    const context = await browser.newContext({
      // The authority of a server that was made a moment ago is nobody's friend yet.
      ignoreHTTPSErrors: true,
      viewport: { width: 1440, height: 900 },
      locale: "en-GB",
      reducedMotion: "reduce",
      colorScheme: "light",
    });
    context.setDefaultTimeout(60_000);
    mkdirSync(screens, { recursive: true });
    return new Person(browser, context, await context.newPage());
  }

  async close(): Promise<void> {
    await this.#context.close();
    await this.#browser.close();
  }

  /** Keeps what is seen now: build/screens/NAME.png. */
  async look(name: string): Promise<void> {
    const path = join(screens, `${name}.png`);
    // Chromium sometimes waits for ever for a picture that it was to take while the page changed.
    for (let tries = 1; ; tries += 1) {
      try {
        await this.page.screenshot({ path, timeout: LOOK_MS });
        return;
      } catch (error) {
        if (tries === LOOKS) throw error;
      }
    }
  }

  /** The page in a large window, a small one and on a phone, in both themes. Answers where it scrolls sideways. */
  async lookEverywhere(name: string): Promise<string[]> {
    const tooWide: string[] = [];
    for (const [size, width, height, colorScheme] of [
      ["phone", 390, 844, "light"],
      ["small", 1024, 600, "dark"],
      ["large", 1440, 900, "light"],
    ] as const) {
      await this.page.setViewportSize({ width, height });
      await this.page.emulateMedia({ colorScheme });
      await this.look(`${name}-${size}-${colorScheme}`);
      const wide = await this.page.evaluate("document.documentElement.scrollWidth");
      if (Number(wide) > width) tooWide.push(`${name} at ${width}: ${wide}`);
    }
    return tooWide;
  }

  /** What axe finds, in both themes: one line for each thing. */
  async barriers(): Promise<string[]> {
    await this.page.evaluate(axe.source);
    const found: string[] = [];
    const all = '["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]';
    // Only the colours are others in the dark.
    for (const [colorScheme, rules] of [
      ["dark", '["color-contrast"]'],
      ["light", all],
    ] as const) {
      await this.page.emulateMedia({ colorScheme });
      const { violations } = await this.page.evaluate<axe.AxeResults>(
        `axe.run(document, { runOnly: ${rules}, resultTypes: ["violations"] })`,
      );
      for (const { id, nodes } of violations) {
        for (const { html, failureSummary } of nodes) found.push(`${colorScheme} ${id}: ${html} ${failureSummary}`);
      }
    }
    return found;
  }
}

/** The way from the browser to the server, which can be cut and mended. */
export class Wire {
  readonly #listener: Server;
  readonly #open = new Set<Socket>();
  #isCut = false;
  #port = 0;

  private constructor(listener: Server) {
    this.#listener = listener;
  }

  static async to(where: NetConnectOpts): Promise<Wire> {
    const wire: Wire = new Wire(
      createServer((near) => {
        if (wire.#isCut) {
          near.destroy();
          return;
        }
        const far = connect(where);
        for (const [one, other] of [
          [near, far],
          [far, near],
        ] as const) {
          wire.#open.add(one);
          one.pipe(other);
          one.on("error", () => other.destroy());
          one.on("close", () => {
            wire.#open.delete(one);
            other.destroy();
          });
        }
      }),
    );
    await new Promise<void>((resolve) => wire.#listener.listen(0, "127.0.0.1", resolve));
    const address = wire.#listener.address();
    if (typeof address === "object" && address !== null) wire.#port = address.port;
    return wire;
  }

  get port(): number {
    return this.#port;
  }

  cut(): void {
    this.#isCut = true;
    for (const socket of this.#open) socket.destroy();
  }

  mend(): void {
    this.#isCut = false;
  }

  close(): void {
    this.cut();
    this.#listener.close();
  }
}
