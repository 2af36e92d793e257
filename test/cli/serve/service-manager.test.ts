import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, test } from "node:test";
import { serviceManager } from "../../../cli/serve/service-manager.ts";
import { AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK } from "../../../udp/socket-constants.ts";
import { loadSystemCalls } from "../../../udp/system-calls.ts";

const calls = loadSystemCalls();
const skip = calls === undefined ? "The optional package koffi is not installed." : false;
const folder = mkdtempSync(join(tmpdir(), "bootcast-notify-"));
let open: number[] = [];

afterEach(() => {
  for (const descriptor of open) calls!.close(descriptor);
  open = [];
});
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));

/** What systemd is for the server: a UNIX socket for datagrams. */
function manager(path: string): () => string[] {
  const name = Buffer.from(path.startsWith("@") ? `\0${path.slice(1)}` : `${path}\0`);
  const address = Buffer.concat([Buffer.from([AF_UNIX, 0]), name]);
  const descriptor = calls!.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  assert(descriptor >= 0);
  open.push(descriptor);
  assert.equal(calls!.bind(descriptor, address, address.length), 0);
  return () => {
    const heard: string[] = [];
    const bytes = new Uint8Array(4096);
    for (;;) {
      const length = calls!.recvfrom(descriptor, bytes, bytes.length, 0, new Uint8Array(128), new Uint32Array([128]));
      if (length < 0) return heard;
      heard.push(Buffer.from(bytes.subarray(0, length)).toString());
    }
  };
}

for (const path of [join(folder, "notify"), `@bootcast-test-${process.pid}`]) {
  test(`systemd at ${path[0] === "@" ? "an abstract name" : "a path"} hears ready and stopping`, { skip }, () => {
    const heard = manager(path);
    const env: NodeJS.ProcessEnv = { NOTIFY_SOCKET: path, WATCHDOG_USEC: "30000000", HOME: "/" };
    const told = serviceManager(env);
    assert.deepEqual(env, { HOME: "/" }, "programs that we start do not speak for us");
    told!.ready("serving\nall");
    told!.stopping();
    told!.close();
    assert.deepEqual(heard(), ["READY=1\nSTATUS=serving all", "STOPPING=1"]);
  });
}

test("systemd's watchdog hears us twice in its time", { skip }, (context) => {
  context.mock.timers.enable({ apis: ["setInterval"] });
  const path = join(folder, "watchdog");
  const heard = manager(path);
  const told = serviceManager({ NOTIFY_SOCKET: path, WATCHDOG_USEC: "30000000", WATCHDOG_PID: String(process.pid) });
  context.mock.timers.tick(20_000);
  assert.deepEqual(heard(), [], "not before it is ready");
  told!.ready("");
  context.mock.timers.tick(30_000);
  told!.close();
  context.mock.timers.tick(60_000);
  assert.deepEqual(heard(), ["READY=1\nSTATUS=", "WATCHDOG=1", "WATCHDOG=1"]);
});

test("another process's watchdog is not ours", { skip }, (context) => {
  context.mock.timers.enable({ apis: ["setInterval"] });
  const path = join(folder, "other");
  const heard = manager(path);
  const told = serviceManager({ NOTIFY_SOCKET: path, WATCHDOG_USEC: "2000000", WATCHDOG_PID: "1" });
  told!.ready("");
  context.mock.timers.tick(10_000);
  told!.close();
  assert.equal(heard().length, 1);
});

test("no manager: nothing is said to nobody", () => {
  assert.equal(serviceManager({}), undefined);
  assert.equal(serviceManager({ NOTIFY_SOCKET: "vsock:2:1" }), undefined, "a kind that we do not speak");
  assert.equal(serviceManager({ NOTIFY_SOCKET: `/${"x".repeat(200)}` }), undefined, "longer than a path can be");
  assert.equal(serviceManager({ NOTIFY_SOCKET: "/run/systemd/notify" }, null), undefined, "without koffi");
});
