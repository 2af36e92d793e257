import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { bootcast } from "../program.ts";

let home: string;
let file: string;
before(async () => {
  home = await mkdtemp(join(tmpdir(), "bootcast-config-"));
  file = join(home, "bootcast.toml");
  await writeFile(file, '[http]\nport = 8000\n[boot]\nmenu_pin = "123456"\n[hosts]\nnames = "room-{nn}"\n');
});
after(() => rm(home, { recursive: true, force: true }));

test("config show: every value with where it comes from; a PIN is not printed", async () => {
  const env = { BOOTCAST_HOSTS_NAMES: "desk-{nn}" };
  const words = ["config", "show", "--json", "--changed", "--config", file, "--set", "https.port=9000"];
  const { code, stdout } = await bootcast(words, env);
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(stdout).settings, [
    { name: "http.port", value: 8000, origin: file },
    { name: "https.port", value: 9000, origin: "--set https.port" },
    { name: "boot.menu_pin", value: "(not shown)", origin: file },
    { name: "hosts.names", value: "desk-{nn}", origin: "BOOTCAST_HOSTS_NAMES" },
  ]);
  const text = await bootcast(["config", "show", "--origin", "--config", file]);
  assert.match(text.stdout, /^http\.port +8000 +\S+bootcast\.toml$/m);
  assert.match(text.stdout, /^tftp\.port +69 +default$/m);
  assert.doesNotMatch(text.stdout, /123456/);
});

test("config check: a right file, a wrong one, and one that is not there; the environment does not count", async () => {
  const right = await bootcast(["config", "check", file], { BOOTCAST_HTTP_PORT: "nonsense" });
  assert.equal(right.code, 0, right.stderr);
  assert.match(right.stdout, /is right: it sets http\.port, boot\.menu_pin, hosts\.names\./);
  const wrong = join(home, "wrong.toml");
  await writeFile(wrong, "[http]\nprot = 8000\n");
  const { code, stderr } = await bootcast(["config", "check", wrong]);
  assert.equal(code, 2);
  assert.match(stderr, /\[CONFIG_UNKNOWN\][\s\S]*Maybe "http\.port" was meant/);
  assert.equal((await bootcast(["config", "check", join(home, "absent.toml")])).code, 2);
  const named = await bootcast(["config", "check"], { BOOTCAST_CONFIG: wrong });
  assert.equal(named.code, 2, "the file that the server would read");
});
