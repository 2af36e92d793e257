import { mkdir, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Fault } from "../../fault.ts";
import { ConsoleText } from "./console.ts";
import { type Machine, type MachineOptions, startMachine } from "./machine.ts";
import { type LabProcess, type Namespace, openNamespace, type RunOptions, type RunResult } from "./namespace.ts";

export const bridge = "br0";
export const serverAddress = "10.77.0.1";
const routerAddress = "10.77.0.2";
const routerPool = "10.77.0.100,10.77.0.150,255.255.255.0,1h";
const serverPool = "10.77.0.50-10.77.0.99";

export type LabOptions = {
  /** For the data directory, the configuration, the machines' disks. Made when it is not there; never removed by us. */
  readonly directory: string;
  /**
   * "proxy": the site has a DHCP server of its own, a real dnsmasq that knows
   * nothing of booting, and bootcast stands beside it. "full": bootcast is the
   * only DHCP server.
   */
  readonly dhcp: "proxy" | "full";
  /** Default `<directory>/data`. */
  readonly dataDir?: string;
  /** Configuration by the names in the file: `{ "multicast.rate": "20MB/s" }`. Added to what the lab needs itself. */
  readonly settings?: Readonly<Record<string, string | number | boolean | readonly string[]>>;
};

/** A network with a bootcast server and room for machines. Everything in it ends with it. */
export type Lab = {
  readonly namespace: Namespace;
  readonly dataDir: string;
  readonly configFile: string;
  /** Starts `bootcast serve` and waits until it serves. @throws {Fault} LAB_TIMEOUT, SERVER_ENDED */
  serve(): Promise<void>;
  /** Ends the server as an administrator would (SIGTERM). */
  stopServer(): Promise<void>;
  /** Kills the server, for tests of what survives. */
  killServer(): Promise<void>;
  /** Runs a `bootcast` command beside the server. @throws {Fault} LAB_COMMAND_FAILED, LAB_TIMEOUT */
  bootcast(args: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** The same, whatever its exit code is. */
  tryBootcast(args: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** Starts a `bootcast` command that runs on: `session watch`, `stream`. */
  spawnBootcast(args: readonly string[]): LabProcess;
  /** What the server has written so far, on both its outputs. */
  serverLog(): string;
  /** Waits for a line in the server's log, as `Machine.waitForLine` does on a console. */
  waitForServerLog(pattern: RegExp, deadlineMs: number, what: string, from?: number): Promise<RegExpMatchArray>;
  /** What the site's own DHCP server has written; empty in "full" mode. */
  routerLog(): string;
  /** Makes a machine on the lab's switch and switches it on. */
  startMachine(options: Omit<MachineOptions, "namespace" | "bridge" | "directory">): Promise<Machine>;
  close(): Promise<void>;
};

const projectRoot = resolve(import.meta.dirname, "../..");
const serveDeadlineMs = 60_000;
const routerDeadlineMs = 15_000;

/**
 * Builds the network: a switch, the server's address on it, and in proxy mode
 * the site's own DHCP server. The bootcast server is started by `serve()`.
 *
 * @throws {Fault} LAB_IMPOSSIBLE when this machine cannot have a lab
 */
export async function openLab(options: LabOptions): Promise<Lab> {
  const directory = resolve(options.directory);
  const dataDir = resolve(options.dataDir ?? join(directory, "data"));
  const configFile = join(directory, "bootcast.toml");
  await mkdir(directory, { recursive: true });
  await mkdir(dataDir, { recursive: true });
  await writeFile(configFile, labConfig(options));
  const namespace = await openNamespace();
  const env = { ...process.env, BOOTCAST_CONFIG: configFile, BOOTCAST_DATA_DIR: dataDir };
  const command = (args: readonly string[]) => [join(projectRoot, "cli/main.ts"), ...args];
  const serverText = new ConsoleText("server");
  const routerText = new ConsoleText("router");
  const machines: Machine[] = [];
  let server: LabProcess | undefined;

  const lab: Lab = {
    namespace,
    dataDir,
    configFile,

    async serve() {
      if (server !== undefined) return;
      serverText.reopen();
      const own = namespace.spawn(process.execPath, command(["serve"]), { env, cwd: projectRoot });
      server = own;
      read(own, serverText);
      void own.exited.then((exit) => {
        if (server === own) server = undefined;
        serverText.end(serverEnded(exit.signal ?? `exit code ${exit.exitCode}`, serverText.tail()));
      });
      const from = serverText.text.length;
      await serverText.waitFor(/^bootcast: ready/m, { deadlineMs: serveDeadlineMs, what: "the server to serve", from });
    },

    async stopServer() {
      const own = server;
      server = undefined;
      await own?.stop(10_000);
    },

    async killServer() {
      const own = server;
      server = undefined;
      own?.signal("SIGKILL");
      await own?.stop(1_000);
    },

    bootcast: (args, runOptions) =>
      namespace.run(process.execPath, command(args), { env, cwd: projectRoot, ...runOptions }),
    tryBootcast: (args, runOptions) =>
      namespace.tryRun(process.execPath, command(args), { env, cwd: projectRoot, ...runOptions }),
    spawnBootcast: (args) => namespace.spawn(process.execPath, command(args), { env, cwd: projectRoot }),
    serverLog: () => serverText.text,
    waitForServerLog: (pattern, deadlineMs, what, from = 0) => serverText.waitFor(pattern, { deadlineMs, what, from }),
    routerLog: () => routerText.text,

    async startMachine(machineOptions) {
      const machine = await startMachine({ ...machineOptions, namespace, bridge, directory });
      machines.push(machine);
      return machine;
    },

    async close() {
      for (const machine of machines) await machine.stop();
      await lab.stopServer();
      await namespace.close();
    },
  };

  try {
    await namespace.addBridge(bridge, `${serverAddress}/24`);
    if (options.dhcp === "proxy") await startRouter(namespace, directory, routerText);
    return lab;
  } catch (error) {
    await namespace.close();
    throw error;
  }
}

/** The site's own DHCP server: addresses, and not a word about booting. */
async function startRouter(namespace: Namespace, directory: string, text: ConsoleText): Promise<void> {
  const leases = join(directory, "router.leases");
  await rm(leases, { force: true });
  await namespace.addNetns("router", `${routerAddress}/24`, bridge);
  const router = namespace.spawn(
    "dnsmasq",
    [
      ...["--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--pid-file="],
      ...["--port=0", "--interface=eth0", "--no-ping", "--log-dhcp", "--log-facility=-"],
      ...[`--dhcp-range=${routerPool}`, "--dhcp-authoritative", `--dhcp-leasefile=${leases}`],
    ],
    { netns: "router" },
  );
  read(router, text);
  void router.exited.then((exit) => {
    text.end(serverEnded(`dnsmasq: ${exit.signal ?? `exit code ${exit.exitCode}`}`, text.tail()));
  });
  await text.waitFor(/DHCP, IP range/, { deadlineMs: routerDeadlineMs, what: "the site's DHCP server", from: 0 });
}

/** The configuration file of a lab's server. */
function labConfig(options: LabOptions): string {
  const settings: Record<string, unknown> = {
    "network.interfaces": [bridge],
    "network.dhcp": options.dhcp,
    ...(options.dhcp === "full" ? { "network.pool": serverPool } : {}),
    // A machine of the lab has no screen; what it says is read on its serial console.
    // ttyAMA0 is that of an arm64 machine; the last that exists is the agent's.
    // Emulated on a machine with other work, a disk may stand still for longer than the kernel's 30 s.
    "boot.kernel_args": "console=tty0 console=ttyAMA0 console=ttyS0,115200 nvme_core.io_timeout=255",
    ...options.settings,
  };
  const sections = Map.groupBy(Object.entries(settings), ([key]) => key.split(".")[0] ?? "");
  return [...sections]
    .map(([section, pairs]) => {
      const lines = pairs.map(([key, value]) => `${key.slice(section.length + 1)} = ${JSON.stringify(value)}`);
      return `[${section}]\n${lines.join("\n")}\n`;
    })
    .join("\n");
}

function read(process: LabProcess, text: ConsoleText): void {
  process.stdout.on("data", (bytes: Buffer) => text.append(bytes));
  process.stderr.on("data", (bytes: Buffer) => text.append(bytes));
}

function serverEnded(how: string, tail: string): Fault {
  return new Fault("SERVER_ENDED", {
    what: `The lab's server ended (${how}).`,
    why: `The end of what it wrote:\n${tail}`,
    fix: "See what it says.",
  });
}
