import assert from "node:assert/strict";
import type { execFile } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import fc from "fast-check";
import { parseSiteKeys } from "../../agent/client/site-keys.ts";
import { assertInsideBootImage } from "../../agent/machine/inside.ts";
import { tools, toolsFrom } from "../../agent/machine/tools.ts";
import { startAgent } from "../../agent/start.ts";
import { Fault } from "../../fault.ts";
import { treeFiles } from "./machine/machine-tree.ts";

const key = "key";
const initramfs = "1 1 0:2 / / rw - rootfs rootfs rw,size=1k\n17 1 0:17 / /proc rw - proc proc rw\n";
const inside = (mountinfo: string, siteKey: string) => {
  const files: Record<string, string> = { "/proc/self/mountinfo": mountinfo };
  if (siteKey !== "") files["/etc/bootcast/site.pub"] = siteKey;
  return () => assertInsideBootImage(treeFiles({ files, links: {} }));
};

test("the agent runs in an initramfs that has a site's key", () => {
  inside(initramfs, key)();
  inside(initramfs.replaceAll("rootfs", "tmpfs"), key)();
});

test("the agent refuses to run on an installed system, in a container, or without a key", () => {
  const refused = { code: "NOT_IN_BOOT_IMAGE" };
  assert.throws(inside(initramfs, ""), refused);
  assert.throws(inside("", key), refused);
  for (const type of ["ext4", "overlay", "btrfs", "xfs"]) {
    assert.throws(inside(`25 1 254:1 / / rw,relatime - ${type} /dev/vda1 rw\n`, key), refused);
    assert.throws(inside(`${initramfs}25 1 254:1 / / rw,relatime - ${type} /dev/vda1 rw\n`, key), refused, "covered");
  }
});

test("on the machine that runs these tests it does nothing", async () => {
  await assert.rejects(startAgent(), { code: "NOT_IN_BOOT_IMAGE" });
});

const pem = () => generateKeyPairSync("ed25519").publicKey.export({ type: "spki", format: "pem" }) as string;

test("one site key or several, with notes between them", () => {
  assert.equal(parseSiteKeys(pem()).length, 1);
  assert.equal(parseSiteKeys(`# old\n${pem()}# new\n${pem()}`).length, 2);
});

test("no key, a spoiled one, or one of another kind", () => {
  const rsa = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey.export({ type: "spki", format: "pem" });
  const good = pem();
  for (const text of [
    "",
    "nonsense",
    good.slice(0, 60),
    good.replace(/A/, "*").replace(/M/, ""),
    String(rsa),
    good + rsa,
  ]) {
    assert.throws(() => parseSiteKeys(text), { code: "SITE_KEY_MISSING" });
  }
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        parseSiteKeys(`-----BEGIN PUBLIC KEY-----\n${text}\n-----END PUBLIC KEY-----`);
      } catch (error) {
        assert(error instanceof Fault);
      }
    }),
  );
});

/** Starts one program, which says nothing: what it was sent, and a way to end it. */
function startingOne(more: { exitCode?: number } = {}) {
  const signals: unknown[] = [];
  const program = Object.assign(new EventEmitter(), {
    ...{ stdin: null, stdout: null, stderr: null, exitCode: null, signalCode: null, ...more },
    unref: () => undefined,
    kill: (signal: unknown) => signals.push(signal),
  });
  return { program, signals, tools: toolsFrom((() => program) as unknown as typeof execFile) };
}

test("a tool that the kernel does not let go of is told as that, and not waited for without end", async () => {
  const { tools: stuck, signals } = startingOne();
  const run = stuck.run("blkdiscard", ["/dev/sda"], { timeoutMs: 5, goneWithinMs: 5 });
  await assert.rejects(run, { code: "TOOL_STUCK", message: /blkdiscard was stopped, and has not ended/ });
  assert.deepEqual(signals, ["SIGKILL"]);
});

test("a tool that has gone, and left something behind that holds its output open, is not waited for", async () => {
  const { tools: killed, program } = startingOne();
  const run = killed.run("mount", [], { timeoutMs: 5 });
  while (program.listenerCount("exit") === 0) await new Promise(setImmediate);
  program.emit("exit", null, "SIGKILL");
  await assert.rejects(run, { code: "TOOL_TIMEOUT" });
  const { tools: ended } = startingOne({ exitCode: 0 });
  await assert.rejects(ended.run("mount", [], { timeoutMs: 5 }), { code: "TOOL_TIMEOUT" });
});

test("a tool's output, its failure, its absence, and one that does not end", async () => {
  const timeoutMs = 20_000;
  assert.equal(await tools.run("echo", ["a b", "$HOME;"], { timeoutMs }), "a b $HOME;\n");
  await assert.rejects(tools.run("ls", ["/nowhere-at-all"], { timeoutMs }), {
    code: "TOOL_FAILED",
    message: /nowhere-at-all/,
  });
  await assert.rejects(tools.run("no-such-program-here", [], { timeoutMs }), { code: "TOOL_MISSING" });
  await assert.rejects(tools.run("sleep", ["60"], { timeoutMs: 50 }), { code: "TOOL_TIMEOUT" });
  assert.equal(await tools.run("cat", [], { timeoutMs }), "", "a question gets the end of the input");
});
