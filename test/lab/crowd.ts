import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { bridge, type Lab } from "../../scripts/lab/lab.ts";
import type { LabProcess } from "../../scripts/lab/namespace.ts";
import type { CrowdOrder, CrowdSaid, CrowdWish } from "./crowd-program.ts";
import { ProgramLines } from "./program-lines.ts";

const NETWORK = "crowd";
/** Of the lab's network, where neither DHCP server gives any. */
const addresses = Array.from({ length: 50 }, (_, at) => `10.77.0.${151 + at}`);

/** A room full of machines on a lab's switch, in a network and a process of their own: crowd-program.ts. */
export class Crowd {
  /** Names of those that are simulated. */
  readonly simulated: readonly string[];
  /** A UNIX socket that leads to the lab's pages. */
  readonly socket: string;
  readonly lines: ProgramLines<CrowdSaid>;
  readonly #process: LabProcess;

  private constructor(about: Pick<Crowd, "simulated" | "socket" | "lines">, process: LabProcess) {
    this.simulated = about.simulated;
    this.socket = about.socket;
    this.lines = about.lines;
    this.#process = process;
  }

  /** @returns when all are registered */
  static async open(lab: Lab, about: Omit<CrowdOrder, "addresses" | "socket">): Promise<Crowd> {
    await mkdir(about.directory, { recursive: true });
    const { namespace } = lab;
    await namespace.addNetns(NETWORK, `${addresses[0]}/24`, bridge);
    const more = addresses.slice(1).map((address) => `address add ${address}/24 dev eth0\n`);
    await namespace.run("ip", ["-n", NETWORK, "-batch", "-"], { input: more.join("") });
    const socket = join(about.directory, "pages.sock");
    const order: CrowdOrder = { ...about, socket, addresses };
    const program = join(import.meta.dirname, "crowd-program.ts");
    const child = namespace.spawn(process.execPath, [program, JSON.stringify(order)], { netns: NETWORK });
    const lines = new ProgramLines<CrowdSaid>(child);
    const { simulated } = await lines.hears("all to be registered", (said) =>
      said.find((one) => one.type === "registered"),
    );
    return new Crowd({ simulated, socket, lines }, child);
  }

  wish(wish: CrowdWish): void {
    this.#process.stdin.write(`${JSON.stringify(wish)}\n`);
  }
}
