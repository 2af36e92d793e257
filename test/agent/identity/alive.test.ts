import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readlinkSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { delimiter, join } from "node:path";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { parse } from "plist";
import { aliveScript } from "../../../agent/identity/alive-script.ts";
import type { Identity } from "../../../agent/identity/change.ts";
import { linuxAlive } from "../../../agent/identity/linux-alive.ts";
import { macAlive } from "../../../agent/identity/mac-alive.ts";
import { VolumeFiles } from "../../../agent/identity/volume-files.ts";
import { carryOut, volumeRoot } from "./volume-root.ts";

const token = "q".repeat(43);
const alive = { url: "http://10.77.0.1:8440/agent/v1/hosts/h-0123456789ab/alive", token };
const identity: Identity = { hostName: "lab-07", mac: "52:54:00:00:00:07", hardwareUuids: [], alive };

const debian = {
  "etc/os-release": "ID=debian\n",
  "usr/lib/systemd/systemd": "",
  "etc/systemd/system/multi-user.target.wants/.keep": "",
};
const system = "<plist><dict><key>ProductVersion</key><string>VERSION</string></dict></plist>";
const tiger = {
  "System/Library/CoreServices/SystemVersion.plist": system.replace("VERSION", "10.4.11"),
  "Library/LaunchDaemons/.keep": "",
  "private/var/db/.keep": "",
};

test("Linux: a script that only root reads, a unit, and a link to it", async (t) => {
  const root = volumeRoot(t, debian);
  const plan = await carryOut(linuxAlive, root, identity);
  assert.equal(plan.callsWhenUp, true);
  assert.equal(statSync(join(root, "etc/bootcast-alive")).mode & 0o777, 0o700);
  assert.equal(
    readlinkSync(join(root, "etc/systemd/system/multi-user.target.wants/bootcast-alive.service")),
    "/etc/systemd/system/bootcast-alive.service",
  );
  // Everybody may read a unit, so the token is not in it.
  assert(!readFileSync(join(root, "etc/systemd/system/bootcast-alive.service"), "utf8").includes(token));
});

test("Linux: systemd accepts the unit", async (t) => {
  const root = volumeRoot(t, debian);
  await carryOut(linuxAlive, root, identity);
  const unit = join(root, "etc/systemd/system/bootcast-alive.service");
  // Complaints about other units of this machine do not count.
  const { stderr } = await promisify(execFile)("systemd-analyze", ["verify", unit]).catch((error) => error);
  assert.doesNotMatch(String(stderr), /bootcast-alive/);
  // It would say so: a key that there is not is told.
  writeFileSync(unit, readFileSync(unit, "utf8").replace("Type=simple", "Typo=simple"));
  const wrong = await promisify(execFile)("systemd-analyze", ["verify", unit]).catch((error) => error);
  assert.match(String(wrong.stderr), /bootcast-alive\.service.*Typo/);
});

test("Linux: where nobody ever enabled a service, the link lies among systemd's own", async (t) => {
  const root = volumeRoot(t, {
    "etc/os-release": "",
    "lib/systemd/systemd": "",
    "lib/systemd/system/multi-user.target.wants/.keep": "",
    "etc/systemd/system/.keep": "",
  });
  await carryOut(linuxAlive, root, identity);
  assert(existsSync(join(root, "etc/bootcast-alive")));
  const script = readFileSync(join(root, "etc/bootcast-alive"), "utf8");
  assert.match(script, /rm -f .* \/lib\/systemd\/system\/multi-user\.target\.wants\/bootcast-alive\.service\n/);
});

/** Of sysvinit in Debian, and of busybox in Alpine, shortened. */
const inittabs = [
  ["System V's init", "# id:runlevels:action:process\nid:2:initdefault:\nsi::sysinit:/etc/init.d/rcS\n", "boca:2345:"],
  ["busybox's init", "::sysinit:/sbin/openrc sysinit\n::wait:/sbin/openrc default\ntty1::respawn:/sbin/getty", "::"],
] as const;
for (const [name, inittab, front] of inittabs) {
  test(`Linux with ${name}: one line of its inittab, which goes with the script`, async (t) => {
    const root = volumeRoot(t, { "etc/os-release": "", "etc/inittab": inittab });
    const plan = await carryOut(linuxAlive, root, identity);
    assert.equal(plan.callsWhenUp, true);
    const script = join(root, "etc/bootcast-alive");
    assert.equal(statSync(script).mode & 0o777, 0o700);
    const ends = inittab.endsWith("\n") ? "" : "\n";
    const told = () => readFileSync(join(root, "etc/inittab"), "utf8");
    assert.equal(told(), `${inittab}${ends}${front}once:/bin/sh /etc/bootcast-alive\n`);
    // Of the second order only the token is new.
    const again = await carryOut(linuxAlive, root, { ...identity, alive: { ...alive, token: "r".repeat(43) } });
    assert.deepEqual(
      again.changes.map((change) => "path" in change && change.path),
      ["/etc/bootcast-alive"],
    );
    const remove = /remove\(\) \{\n([^}]*)\}/.exec(readFileSync(script, "utf8"))?.[1] ?? "";
    execFileSync("sh", ["-ec", remove.replaceAll("/etc/", `${root}/etc/`)]);
    assert.equal(told(), `${inittab}${ends}`);
    assert.equal(existsSync(script), false);
  });
}

test("a second order's token replaces the first; nothing else is written", async (t) => {
  const root = volumeRoot(t, debian);
  await carryOut(linuxAlive, root, identity);
  const plan = await carryOut(linuxAlive, root, { ...identity, alive: { ...alive, token: "r".repeat(43) } });
  assert.deepEqual(
    plan.changes.map((change) => "path" in change && change.path),
    ["/etc/bootcast-alive"],
  );
});

test("systems that cannot: told, unchanged; systems of others, and where it was not ordered: nothing", async (t) => {
  const volume = (files: Record<string, string>) => new VolumeFiles(volumeRoot(t, files));
  const runit = await linuxAlive.plan(volume({ "etc/os-release": "ID=void\n" }), identity);
  assert.deepEqual([runit?.changes, runit?.callsWhenUp], [[], undefined]);
  // Of upstart's, which has a line for the runlevel alone; and a comment starts nothing.
  const upstart = volume({ "etc/os-release": "", "etc/inittab": "#si::sysinit:/etc/rc\nid:3:initdefault:\n" });
  assert.deepEqual((await linuxAlive.plan(upstart, identity))?.changes, []);
  assert.match(runit?.notes[0] ?? "", /no systemd and no inittab/);
  const panther = { ...tiger, "System/Library/CoreServices/SystemVersion.plist": system.replace("VERSION", "10.3.9") };
  const old = await macAlive.plan(volume(panther), identity);
  assert.deepEqual([old?.changes, old?.callsWhenUp], [[], undefined]);
  assert.equal(await macAlive.plan(volume(debian), identity), undefined);
  assert.equal(await linuxAlive.plan(volume(tiger), identity), undefined);
  const { alive: _, ...unordered } = identity;
  assert.equal(await linuxAlive.plan(volume(debian), unordered), undefined);
  assert.equal(await macAlive.plan(volume(tiger), unordered), undefined);
});

test("SELinux that enforces is told of", async (t) => {
  const volume = new VolumeFiles(volumeRoot(t, { ...debian, "etc/selinux/config": "SELINUX=enforcing\n" }));
  assert.match((await linuxAlive.plan(volume, identity))?.notes[0] ?? "", /SELinux/);
});

test("a Mac: a job that launchd reads, and a script", async (t) => {
  const root = volumeRoot(t, tiger);
  const plan = await carryOut(macAlive, root, identity);
  assert.equal(plan.callsWhenUp, true);
  const job = join(root, "Library/LaunchDaemons/org.bootcast.alive.plist");
  assert.deepEqual(parse(readFileSync(job, "utf8")), {
    Label: "org.bootcast.alive",
    ProgramArguments: ["/bin/sh", "/private/var/db/bootcast-alive"],
    RunAtLoad: true,
  });
  const binary = join(root, "binary.plist");
  execFileSync("plistutil", ["-i", job, "-o", binary, "-f", "bin"]);
  assert.match(readFileSync(binary, "latin1"), /^bplist00.*org\.bootcast\.alive/s);
  assert.equal(statSync(job).mode & 0o777, 0o644);
});

/** A server that hears the script, and answers with these statuses in turn, the last one again and again. */
async function server(t: TestContext, statuses: readonly number[]) {
  const heard: { authorization: string | undefined; type: string | undefined; body: string; url: string }[] = [];
  const http = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += String(chunk);
    const { authorization, "content-type": type } = request.headers;
    heard.push({ authorization, type, body, url: request.url ?? "" });
    response.writeHead(statuses[Math.min(heard.length, statuses.length) - 1] ?? 500).end("{}");
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  t.after(() => new Promise((resolve) => http.close(resolve)));
  return { heard, url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/agent/v1/hosts/h-7/alive` };
}

/** A directory with only these programs, as the PATH of a small system. */
function path(t: TestContext, programs: readonly string[]): string {
  const directory = join(volumeRoot(t, {}), "bin");
  mkdirSync(directory);
  // What waits between tries waits not here; all else is the machine's own.
  writeFileSync(join(directory, "sleep"), "#!/bin/sh\n", { mode: 0o755 });
  for (const program of ["tr", "rm", "grep", "cat", ...programs]) {
    // "busybox wget" is what busybox does when it is called wget.
    const [name = "", as = name] = program.split(" ");
    const found = (process.env["PATH"] ?? "")
      .split(delimiter)
      .map((place) => join(place, name))
      .find(existsSync);
    assert(found !== undefined, `${name} is needed`);
    symlinkSync(found, join(directory, as));
  }
  return directory;
}

function programOf(name: string): string {
  return execFileSync("sh", ["-c", `command -v ${name}`], { encoding: "utf8" }).trim();
}

async function runScript(t: TestContext, url: string, programs: readonly string[], shell = "dash") {
  const root = volumeRoot(t, { alive: "", gone: "" });
  const file = join(root, "alive");
  const script = aliveScript({ url, token }, { name: "echo 'lab-07 '", remove: `rm -f ${file} ${join(root, "gone")}` });
  writeFileSync(file, script);
  const env = { PATH: path(t, programs), HOME: root };
  await promisify(execFile)(programOf(shell), [file], { env });
  return { file, isRemoved: !existsSync(file) && !existsSync(join(root, "gone")) };
}

const ways: readonly { name: string; programs: readonly string[]; shell?: string }[] = [
  { name: "curl", programs: ["curl", "wget"] },
  { name: "wget", programs: ["wget"] },
  { name: "the wget of busybox", programs: ["busybox wget"] },
  { name: "curl, in bash", programs: ["curl"], shell: "bash" },
  { name: "bash alone", programs: ["bash"] },
];
for (const { name, programs, shell } of ways) {
  test(`the script calls with ${name}, tries again until it is known by its name, and removes itself`, async (t) => {
    const { heard, url } = await server(t, [503, 409, 200]);
    const { isRemoved } = await runScript(t, url, programs, shell);
    assert.equal(isRemoved, true);
    assert.equal(heard.length, 3);
    for (const call of heard) {
      assert.deepEqual(call, {
        authorization: `Bearer ${token}`,
        type: "application/json",
        body: '{"name":"lab-07"}',
        url: "/agent/v1/hosts/h-7/alive",
      });
    }
  });
}

test("unheard it stays for two more starts, and then goes", async (t) => {
  const { heard, url } = await server(t, [409]);
  const { file, isRemoved } = await runScript(t, url, ["curl"]);
  assert.equal(isRemoved, false);
  assert.equal(heard.length, 180);
  const again = () => promisify(execFile)(programOf("dash"), [file], { env: { PATH: path(t, ["curl"]), HOME: "/" } });
  // The same, without all of its tries.
  writeFileSync(file, readFileSync(file, "utf8").replace("-lt 180", "-lt 1"));
  await again();
  assert.equal(existsSync(file), true);
  await again();
  assert.equal(existsSync(file), false);
});
