import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { parseAccounts } from "../../../cli/setup/accounts.ts";
import { strangersIn } from "../../../cli/setup/data-strangers.ts";
import { exampleConfig } from "../../../cli/setup/example-config.ts";
import type { Facts } from "../../../cli/setup/facts.ts";
import { planSetup, type Step } from "../../../cli/setup/plan.ts";
import { planUninstall } from "../../../cli/setup/uninstall.ts";
import { sysctlText, unitText } from "../../../cli/setup/unit.ts";
import { loadConfig } from "../../../server/config/config.ts";
import { BUFFER_BYTES } from "../../../server/doctor/kernel.ts";
import { bootcast } from "../program.ts";

const run = promisify(execFile);
let home: string;
before(async () => {
  home = await mkdtemp(join(tmpdir(), "bootcast-setup-"));
});
after(() => rm(home, { recursive: true, force: true }));

const program = { node: "/usr/bin/node", launcher: "/usr/lib/node_modules/bootcast/cli/bootcast.cjs" };
const bare: Facts = {
  networks: [],
  account: undefined,
  dataDir: "/var/lib/bootcast",
  isDataDirThere: false,
  isDataForeign: false,
  dataStrangers: [],
  files: { config: undefined, unit: undefined, sysctl: undefined },
  isTuned: false,
  isBootImageThere: false,
  hasSystemd: true,
  hasControlSocket: false,
  canNotify: true,
  ...program,
};
const wishes = { dataDir: undefined, tunes: true, builds: true };
const account = { name: "bootcast", uid: 998, gid: 998, home: "/var/lib/bootcast" };
const names = (steps: readonly Step[]) => steps.map((step) => ("path" in step ? `${step.do} ${step.path}` : step.do));

test("setup: everything on a bare machine, in the order in which it is needed", () => {
  assert.deepEqual(names(planSetup(bare, wishes).steps), [
    "user",
    "write /etc/bootcast.toml",
    "data /var/lib/bootcast",
    "write /etc/sysctl.d/60-bootcast.conf",
    "tune /etc/sysctl.d/60-bootcast.conf",
    "write /etc/systemd/system/bootcast.service",
    "build",
    "start",
  ]);
});

/** The facts after all steps were carried out. */
function afterwards(facts: Facts, steps: readonly Step[]): Facts {
  const written = (path: string) => steps.find((step) => step.do === "write" && step.path === path);
  const textOf = (path: string, before: string | undefined) => {
    const step = written(path);
    return step?.do === "write" ? step.text : before;
  };
  return {
    ...facts,
    account,
    isDataDirThere: true,
    isDataForeign: false,
    isTuned: facts.isTuned || steps.some((step) => step.do === "tune"),
    isBootImageThere: facts.isBootImageThere || steps.some((step) => step.do === "build"),
    files: {
      config: textOf("/etc/bootcast.toml", facts.files.config),
      unit: textOf("/etc/systemd/system/bootcast.service", facts.files.unit),
      sysctl: textOf("/etc/sysctl.d/60-bootcast.conf", facts.files.sysctl),
    },
  };
}

test("setup: a second time nothing but the start is left, which starts what runs already", () => {
  const { steps } = planSetup(bare, wishes);
  const again = planSetup(afterwards(bare, steps), wishes);
  assert.deepEqual(again.steps, [{ do: "start", isNew: false }]);
  assert.equal(again.kept.length, 6);
});

test("setup: interrupted after any step it goes on, and comes to the same end", () => {
  const { steps } = planSetup(bare, wishes);
  for (let done = 0; done <= steps.length; done += 1) {
    let facts = bare;
    for (const step of steps.slice(0, done)) {
      const next = afterwards(facts, [step]);
      facts = {
        ...next,
        account: facts.account ?? (step.do === "user" ? account : undefined),
        isDataDirThere: facts.isDataDirThere || step.do === "data",
      };
    }
    const rest = planSetup(facts, wishes).steps;
    const end = afterwards(facts, rest);
    assert.deepEqual(planSetup(end, wishes).steps, [{ do: "start", isNew: false }], `after ${done} steps`);
    assert(rest.length <= steps.length - Math.min(done, steps.length - 1), `${done} steps were not done twice`);
  }
});

test("setup: what a person wrote stays; a unit that somebody else made is refused; a new place is a restart", () => {
  const files = { config: "[http]\nport = 8000\n", unit: undefined, sysctl: undefined };
  assert(!names(planSetup({ ...bare, files }, wishes).steps).includes("write /etc/bootcast.toml"));
  const foreign = { ...files, unit: "[Service]\nExecStart=/usr/bin/bootcast\n" };
  assert.throws(() => planSetup({ ...bare, files: foreign }, wishes), { code: "UNIT_FOREIGN" });
  const done = afterwards(bare, planSetup(bare, wishes).steps);
  const moved = planSetup({ ...done, launcher: "/opt/bootcast/cli/bootcast.cjs" }, wishes);
  assert.deepEqual(names(moved.steps), ["write /etc/systemd/system/bootcast.service", "start"]);
  assert.deepEqual(moved.steps.at(-1), { do: "start", isNew: true });
});

test("setup: without systemd nothing is started; nothing is tuned or built that nobody wants", () => {
  const { steps } = planSetup({ ...bare, hasSystemd: false }, { dataDir: undefined, tunes: false, builds: false });
  assert.deepEqual(names(steps).slice(0, 3), ["user", "write /etc/bootcast.toml", "data /var/lib/bootcast"]);
  assert.equal(steps.at(-1)!.do, "write");
});

test("the unit is one that systemd understands, and that it calls safe", async () => {
  const unit = join(home, "bootcast.service");
  await writeFile(
    unit,
    unitText({ node: process.execPath, launcher: "/etc/hostname", dataDir: "/var/lib/bootcast", canNotify: true }),
  );
  // It says what it does not know on stderr, and that is all: it ends with 0.
  const { stderr } = await run("systemd-analyze", ["verify", "--recursive-errors=no", unit]);
  assert.equal(stderr.trim(), "");
  // 0 is perfect and 10 is a service without any protection; 2.0 is "OK", near to what a server with sockets can reach.
  await run("systemd-analyze", ["security", "--offline=true", "--threshold=25", "--no-pager", unit]);
});

test("the unit: paths with spaces, percent signs and dollars are one word each", async () => {
  const text = unitText({
    node: "/opt/my node/node",
    launcher: '/srv/100%/$a"b/cli.cjs',
    dataDir: "/srv/x",
    canNotify: false,
  });
  assert.match(text, /^ExecStart="\/opt\/my node\/node" "\/srv\/100%%\/\$\$a\\"b\/cli\.cjs" serve$/m);
  assert.match(text, /^ReadWritePaths=\/srv\/x$/m);
  assert.match(text, /^Type=exec$/m);
  assert.doesNotMatch(text, /Watchdog|StateDirectory/);
  assert.match(
    unitText({ ...program, node: "/root/n/node", dataDir: "/srv/x", canNotify: true }),
    /^ProtectHome=read-only$/m,
  );
});

test("the configuration that setup writes is right as it is, and with every # taken away", async () => {
  const file = join(home, "bootcast.toml");
  await writeFile(file, exampleConfig());
  const asIs = loadConfig({ file, env: {} });
  assert(Object.values(asIs.origins).every((origin) => origin === "default"));
  await writeFile(file, exampleConfig().replaceAll(/^# (?=[a-z_]+ = )/gm, ""));
  const all = loadConfig({ file, env: {} });
  const set = Object.entries(all.origins).filter(([, origin]) => origin === file);
  assert(set.length > 8, `${set.length} settings`);
  for (const [name] of set) {
    if (name === "network.interfaces") continue;
    const key = name as keyof typeof all.values;
    assert.deepEqual(all.values[key], asIs.values[key], `${name} is written with its default`);
  }
  await writeFile(file, exampleConfig('/srv/it\'s "mine"'));
  assert.equal(loadConfig({ file, env: {} }).dataDir, '/srv/it\'s "mine"');
});

test("uninstall: what setup made goes, what a person wrote and the data stay", () => {
  const unit = unitText({ ...program, dataDir: "/var/lib/bootcast", canNotify: true });
  const texts = { config: exampleConfig(), unit, sysctl: sysctlText(BUFFER_BYTES) };
  const data = { dataDir: "/var/lib/bootcast", isDataThere: true, dataStrangers: [] };
  const facts = { texts, ...data, hasUser: true, hasSystemd: true };
  const { removals, kept } = planUninstall(facts);
  assert.deepEqual(
    removals.map((one) => ("path" in one ? `${one.do} ${one.path}` : one.do)),
    [
      "stop",
      "remove /etc/systemd/system/bootcast.service",
      "remove /etc/sysctl.d/60-bootcast.conf",
      "remove /etc/bootcast.toml",
      "data /var/lib/bootcast",
      "user",
    ],
  );
  assert.deepEqual(kept, ["/var/lib/bootcast (images, keys, database)"]);
  const changed = planUninstall({ ...facts, texts: { ...texts, config: "[http]\nport = 80\n", unit: "mine" } });
  assert(!changed.removals.some((one) => one.do === "stop"));
  assert.equal(changed.kept.length, 3);
  const bare = { texts: { config: undefined, unit: undefined, sysctl: undefined }, dataDir: "/d", dataStrangers: [] };
  assert.deepEqual(planUninstall({ ...bare, isDataThere: false, hasUser: false, hasSystemd: false }), {
    removals: [],
    kept: [],
  });
});

test("a directory with the things of others is given to nobody: not by setup, and not by uninstall", async () => {
  const place = join(home, "srv");
  await mkdir(join(place, "boot"), { recursive: true });
  await mkdir(join(place, "store"));
  assert.deepEqual(strangersIn(place), [], "what a server makes first");
  assert.deepEqual(strangersIn(join(home, "none")), []);
  await writeFile(join(place, "mail"), "");
  assert.deepEqual(strangersIn(place), ["mail"]);
  const foreign = { dataDir: place, dataStrangers: ["mail"] };
  const taken = { ...bare, ...foreign, isDataDirThere: true, isDataForeign: true };
  assert.throws(() => planSetup(taken, wishes), { code: "DATA_DIR_FOREIGN", why: /^mail lie there/ });
  const texts = { config: undefined, unit: undefined, sysctl: undefined };
  const plan = planUninstall({ texts, ...foreign, isDataThere: true, hasUser: true, hasSystemd: true });
  assert.deepEqual(plan, { removals: [{ do: "user" }], kept: [`${place} (no data directory of bootcast)`] });
  await mkdir(join(place, "keys"));
  await writeFile(join(place, "keys/site.key"), "");
  assert.deepEqual(strangersIn(place), [], "a server has worked there");
});

test("accounts: what is no line of a user is left out", () => {
  const text = "root:x:0:0:root:/root:/bin/bash\n\n+nis\nbootcast:x:998:997::/var/lib/bootcast:/usr/sbin/nologin\n";
  assert.deepEqual(parseAccounts(text), [
    { name: "root", uid: 0, gid: 0, home: "/root" },
    { name: "bootcast", uid: 998, gid: 997, home: "/var/lib/bootcast" },
  ]);
});

test("setup --dry-run tells what it would do, and does nothing", async () => {
  const dataDir = join(home, "data");
  const { code, stdout, stderr } = await bootcast(["setup", "--dry-run", "--json", "--data-dir", dataDir], {
    BOOTCAST_NETWORK_INTERFACES: "lo",
  });
  assert.equal(code, 0, stderr);
  const { dryRun, steps, running } = JSON.parse(stdout);
  assert.deepEqual([dryRun, running], [true, false]);
  assert(steps.some((step: { do: string; path?: string }) => step.do === "data" && step.path === dataDir));
  await assert.rejects(rm(dataDir), { code: "ENOENT" });
});
