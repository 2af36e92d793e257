import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { Fault } from "../../fault.ts";
import { labProblem } from "./problem.ts";
import { childrenOf } from "./processes.ts";

export { labProblem } from "./problem.ts";

export type CommandOptions = {
  /** Run in this network of the lab, made by `addNetns`; without it in the lab's first network. */
  readonly netns?: string;
  readonly cwd?: string;
  /** Replaces the whole environment. */
  readonly env?: NodeJS.ProcessEnv;
};

export type RunOptions = CommandOptions & {
  /** After this long the command is killed and `run` throws LAB_TIMEOUT. Default 30 000. */
  readonly timeoutMs?: number;
  /** Given to the command on its standard input. */
  readonly input?: string | Uint8Array;
};

export type RunResult = { readonly stdout: string; readonly stderr: string; readonly exitCode: number };

export type Exit = { readonly exitCode: number | null; readonly signal: NodeJS.Signals | null };

/** A command that runs on in the lab. It dies with the lab, whatever happens to us. */
export type LabProcess = {
  /** Its process id outside the lab; undefined before it runs and after it ended. */
  readonly pid: number | undefined;
  readonly stdin: NonNullable<ChildProcess["stdin"]>;
  readonly stdout: NonNullable<ChildProcess["stdout"]>;
  readonly stderr: NonNullable<ChildProcess["stderr"]>;
  readonly exited: Promise<Exit>;
  /** Sends a signal to the command itself; nothing happens when it has ended. */
  signal(signal: NodeJS.Signals): void;
  /** SIGTERM, and SIGKILL when it has not ended after `graceMs` (default 5 000). */
  stop(graceMs?: number): Promise<Exit>;
};

/**
 * A network of our own: nothing in it is seen outside, nothing outside is touched.
 *
 * It is held by one process, PID 1 of a new PID namespace, that waits for the
 * end of a pipe from us. When we end, in whatever way, the pipe ends, PID 1
 * ends, and the kernel kills every process in the lab and removes its network.
 */
export type Namespace = {
  /** Runs a command to its end and gives what it wrote, whatever its exit code is. @throws {Fault} LAB_TIMEOUT */
  tryRun(program: string, args: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** The same, and throws when it fails. @throws {Fault} LAB_COMMAND_FAILED, LAB_TIMEOUT */
  run(program: string, args: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** Starts a command that runs on. Its output must be read or it will stop writing. */
  spawn(program: string, args: readonly string[], options?: CommandOptions): LabProcess;
  /** A switch in the lab's first network; `address` ("10.77.0.1/24") makes the lab itself reachable on it. */
  addBridge(name: string, address?: string): Promise<void>;
  /** A further network, like another computer: its `eth0` has `address` and is plugged into `bridge`. */
  addNetns(name: string, address: string, bridge: string): Promise<void>;
  /** A socket of the switch that a virtual machine can be plugged into. */
  addTap(name: string, bridge: string): Promise<void>;
  /** Ends everything that runs in the lab and removes its network. */
  close(): Promise<void>;
};

const openDeadlineMs = 10_000;
const closeDeadlineMs = 10_000;

/**
 * Makes an empty network. Needs root.
 *
 * @throws {Fault} LAB_IMPOSSIBLE when this machine cannot have one, LAB_TIMEOUT
 */
export async function openNamespace(): Promise<Namespace> {
  const problem = labProblem();
  if (problem !== undefined) {
    throw new Fault("LAB_IMPOSSIBLE", {
      what: "The lab cannot be opened.",
      why: problem,
      fix: "Run it as root on a Debian machine with the packages of scripts/lab/packages.txt.",
    });
  }
  const holder = spawn("unshare", ["--net", "--pid", "--mount", "--fork", "--mount-proc", "cat"], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  const said = collect(holder);
  const ended = exitOf(holder);
  try {
    // What cat sends back shows that it runs, and so that the namespaces stand.
    holder.stdin.write("ready\n");
    await within(openDeadlineMs, "the lab's network to be made", Promise.race([once(holder.stdout, "data"), ended]));
    if (holder.exitCode !== null || holder.pid === undefined) {
      throw new Fault("LAB_IMPOSSIBLE", {
        what: "The lab's network could not be made.",
        why: `unshare ended: ${said.stderr().trim() || "without a word"}.`,
        fix: "Check that this machine lets root make network and PID namespaces.",
      });
    }
    const namespace = namespaceOf(holder, holder.pid, ended);
    // A fresh /sys shows this network's cards. /run/netns is private, so that names cannot clash with others'.
    await namespace.run("mount", ["-t", "sysfs", "sysfs", "/sys"]);
    await namespace.run("mkdir", ["-p", "/run/netns"]);
    await namespace.run("mount", ["-t", "tmpfs", "tmpfs", "/run/netns"]);
    await namespace.run("ip", ["link", "set", "lo", "up"]);
    // The lab must not keep a program alive that has nothing else to do.
    holder.unref();
    for (const stream of [holder.stdin, holder.stdout, holder.stderr]) (stream as unknown as { unref(): void }).unref();
    return namespace;
  } catch (error) {
    holder.stdin.end();
    throw error;
  }
}

function namespaceOf(holder: ChildProcess, holderPid: number, ended: Promise<Exit>): Namespace {
  // `unshare` stays outside the PID namespace that it made for its child.
  const enter = [
    `--net=/proc/${holderPid}/ns/net`,
    `--mount=/proc/${holderPid}/ns/mnt`,
    `--pid=/proc/${holderPid}/ns/pid_for_children`,
  ];

  function start(program: string, args: readonly string[], options: CommandOptions): ChildProcess {
    const inNetns = options.netns === undefined ? [] : ["ip", "netns", "exec", options.netns];
    // nsenter waits outside for the command inside; when it is killed, the command must not stay behind.
    const bound = ["setpriv", "--pdeathsig", "KILL", "--"];
    const spawnOptions: SpawnOptions = { stdio: ["pipe", "pipe", "pipe"] };
    if (options.env !== undefined) spawnOptions.env = options.env;
    // Entering a mount namespace loses the working directory, so nsenter is told which it was.
    const where = `--wd=${options.cwd ?? process.cwd()}`;
    const child = spawn("nsenter", [...enter, where, "--", ...bound, ...inNetns, program, ...args], spawnOptions);
    // A command may end before it has read all that it is given.
    child.stdin?.on("error", () => {});
    return child;
  }

  const namespace: Namespace = {
    async tryRun(program, args, options = {}) {
      const timeoutMs = options.timeoutMs ?? 30_000;
      const child = start(program, args, options);
      const said = collect(child);
      child.stdin?.end(options.input ?? "");
      const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
      const exit = await exitOf(child);
      clearTimeout(timer);
      if (exit.signal === "SIGKILL" && exit.exitCode === null) {
        throw new Fault("LAB_TIMEOUT", {
          what: `"${[program, ...args].join(" ")}" did not end within ${timeoutMs} ms in the lab.`,
          why: `It wrote: ${lastOf(said.stdout() + said.stderr())}`,
          fix: "Give it a longer time if it is only slow.",
        });
      }
      return { stdout: said.stdout(), stderr: said.stderr(), exitCode: exit.exitCode ?? 128 };
    },

    async run(program, args, options = {}) {
      const result = await namespace.tryRun(program, args, options);
      if (result.exitCode === 0) return result;
      throw new Fault("LAB_COMMAND_FAILED", {
        what: `"${[program, ...args].join(" ")}" failed in the lab with exit code ${result.exitCode}.`,
        why: `It wrote: ${lastOf(result.stdout + result.stderr)}`,
        fix: "See what it says.",
      });
    },

    spawn(program, args, options = {}) {
      return labProcess(start(program, args, options));
    },

    async addBridge(name, address) {
      // Without a querier, snooping would cut multicast off after some minutes; a lab's switch floods.
      const kind = ["type", "bridge", "stp_state", "0", "forward_delay", "0", "mcast_snooping", "0"];
      await namespace.run("ip", ["link", "add", "name", name, ...kind]);
      if (address !== undefined) await namespace.run("ip", ["address", "add", address, "dev", name]);
      await namespace.run("ip", ["link", "set", "dev", name, "up"]);
    },

    async addNetns(name, address, bridge) {
      await namespace.run("ip", ["netns", "add", name]);
      // "name" and "dev" first: by themselves short names are read as abbreviated words ("a" is "address").
      await namespace.run("ip", ["link", "add", "name", name, "type", "veth", "peer", "name", "eth0", "netns", name]);
      await namespace.run("ip", ["link", "set", "dev", name, "master", bridge, "up"]);
      await namespace.run("ip", ["-n", name, "address", "add", address, "dev", "eth0"]);
      await namespace.run("ip", ["-n", name, "link", "set", "lo", "up"]);
      await namespace.run("ip", ["-n", name, "link", "set", "eth0", "up"]);
    },

    async addTap(name, bridge) {
      await namespace.run("ip", ["tuntap", "add", "dev", name, "mode", "tap"]);
      await namespace.run("ip", ["link", "set", "dev", name, "master", bridge, "up"]);
    },

    async close() {
      holder.stdin?.end();
      await within(closeDeadlineMs, "the lab's processes to end", ended);
    },
  };
  return namespace;
}

function labProcess(child: ChildProcess): LabProcess {
  const exited = exitOf(child);
  const isOver = () => child.exitCode !== null || child.signalCode !== null;
  const inner = () => (child.pid === undefined || isOver() ? undefined : childrenOf(child.pid)[0]);
  const { stdin, stdout, stderr } = child;
  if (stdin === null || stdout === null || stderr === null) throw new Error("The lab's commands have pipes.");
  return {
    stdin,
    stdout,
    stderr,
    exited,
    get pid() {
      return inner();
    },
    signal(signal) {
      const pid = inner();
      if (pid === undefined) return;
      try {
        process.kill(pid, signal);
      } catch {
        // It ended between the look and the signal.
      }
    },
    async stop(graceMs = 5_000) {
      this.signal("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), graceMs);
      const exit = await exited;
      clearTimeout(timer);
      return exit;
    },
  };
}

function exitOf(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (exitCode, signal) => resolve({ exitCode, signal }));
  });
}

function collect(child: ChildProcess): { stdout(): string; stderr(): string } {
  const kept = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  child.stdout?.on("data", (bytes: Buffer) => kept.stdout.push(bytes));
  child.stderr?.on("data", (bytes: Buffer) => kept.stderr.push(bytes));
  return {
    stdout: () => Buffer.concat(kept.stdout).toString("utf8"),
    stderr: () => Buffer.concat(kept.stderr).toString("utf8"),
  };
}

async function within<T>(deadlineMs: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(
        new Fault("LAB_TIMEOUT", {
          what: `The lab waited ${deadlineMs} ms for ${what}.`,
          why: "It did not happen in that time.",
          fix: "Look at the machine's load and try again.",
        }),
      );
    }, deadlineMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function lastOf(text: string): string {
  return text.trim() === "" ? "nothing." : text.trim().slice(-2_000);
}
