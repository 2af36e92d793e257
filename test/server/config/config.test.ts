import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Fault } from "../../../fault.ts";
import { type ConfigSources, environmentName, loadConfig } from "../../../server/config/config.ts";

const directory = mkdtempSync(join(tmpdir(), "bootcast-config-"));
after(() => rmSync(directory, { recursive: true }));

function fileOf(toml: string): string {
  const path = join(directory, "bootcast.toml");
  writeFileSync(path, toml);
  return path;
}

test("an empty file is valid, and everything has a default", () => {
  const { values, origins, dataDir } = loadConfig({ file: fileOf("") });
  assert.equal(values["http.port"], 8440);
  assert.equal(values["network.dhcp"], "proxy");
  assert.equal(values["network.interfaces"], undefined);
  assert.equal(values["multicast.rate"], 12_000_000);
  assert.equal(values["multicast.mode"], "normal");
  assert.equal(values["multicast.budget"], undefined);
  assert.equal(values["hosts.names"], "lab-{nn}");
  assert.equal(dataDir, "/var/lib/bootcast");
  assert.deepEqual(new Set(Object.values(origins)), new Set(["default"]));
});

test("every section of the file is read", () => {
  const { values } = loadConfig({
    file: fileOf(`
      data_dir = "/srv/boot"
      [network]
      interfaces = ["br0"]
      dhcp = "full"
      pool = "10.77.0.50-10.77.0.99"
      dns = ["10.77.0.1"]
      options = { ntpServer = ["10.77.0.1"], domainName = "lab" }
      [http]
      port = 80
      [multicast]
      rate = "20000kbit"
      mode = "background"
      budget = "50MB/s"
      [hosts]
      names = "room-{nnn}-pc"
    `),
  });
  assert.equal(values.data_dir, "/srv/boot");
  assert.deepEqual(values["network.interfaces"], ["br0"]);
  assert.deepEqual(values["network.pool"], ["10.77.0.50-10.77.0.99"]);
  assert.deepEqual(values["network.options"], { ntpServer: ["10.77.0.1"], domainName: "lab" });
  assert.equal(values["http.port"], 80);
  assert.equal(values["multicast.rate"], 2_500_000);
  assert.equal(values["multicast.mode"], "background");
  assert.equal(values["multicast.budget"], 50_000_000);
  assert.equal(values["hosts.names"], "room-{nnn}-pc");
});

test("loaders by architecture: a table in the file, pairs in a flag", () => {
  const table = '[boot]\nloaders = { "7" = "x64/other.efi", "0" = "" }';
  const expected = { "0": "", "7": "x64/other.efi" };
  assert.deepEqual(loadConfig({ file: fileOf(table) }).values["boot.loaders"], expected);
  const flags = { "boot.loaders": "7=x64/other.efi, 0=" };
  assert.deepEqual(loadConfig({ file: fileOf(""), flags }).values["boot.loaders"], expected);
});

test("the limits of TFTP and HTTP", () => {
  const { values } = loadConfig({
    file: fileOf(`
      [http]
      max_connections = 100
      [tftp]
      block_bytes = 1400
      window = 0
      networks = ["10.2.0.0/16", "0.0.0.0/0"]
    `),
  });
  assert.equal(values["http.max_connections"], 100);
  assert.equal(values["tftp.block_bytes"], 1400);
  assert.equal(values["tftp.window"], 0);
  assert.equal(values["tftp.max_transfers"], 200);
  assert.deepEqual(values["tftp.networks"], ["10.2.0.0/16", "0.0.0.0/0"]);
  for (const wrong of ["10.2.0.0", "10.2.0.0/33", "10.2.0/16", "x/8"]) {
    assert.throws(() => loadConfig({ file: fileOf(`[tftp]\nnetworks = ["${wrong}"]`) }), { code: "CONFIG_INVALID" });
  }
});

test("flags win over the environment, the environment over the file, the file over the default", () => {
  const file = fileOf("[http]\nport = 1\n[tftp]\nport = 2\n[bsdp]\npriority = 3\n");
  const env = { BOOTCAST_HTTP_PORT: "11", BOOTCAST_TFTP_PORT: "12" };
  const { values, origins } = loadConfig({ file, env, flags: { "http.port": "21" } });
  assert.deepEqual(
    [values["http.port"], values["tftp.port"], values["bsdp.priority"], values["bsdp.index"]],
    [21, 12, 3, 1],
  );
  assert.equal(origins["http.port"], "--set http.port");
  assert.equal(origins["tftp.port"], "BOOTCAST_TFTP_PORT");
  assert.equal(origins["bsdp.priority"], file);
  assert.equal(origins["bsdp.index"], "default");
});

test("the environment names the file, and the data directory becomes absolute", () => {
  const file = fileOf("[tftp]\nport = 99\n");
  const config = loadConfig({ env: { BOOTCAST_CONFIG: file, BOOTCAST_DATA_DIR: "data" } });
  assert.equal(config.values["tftp.port"], 99);
  assert.equal(config.dataDir, join(process.cwd(), "data"));
  assert.equal(environmentName("network.lease_minutes"), "BOOTCAST_NETWORK_LEASE_MINUTES");
});

const refused: readonly {
  readonly name: string;
  readonly toml: string;
  readonly code: string;
  readonly says: RegExp;
}[] = [
  { name: "a wrong key", toml: "[http]\nprot = 1", code: "CONFIG_UNKNOWN", says: /"http\.prot".*Maybe "http\.port"/s },
  { name: "a wrong section", toml: "[htpp]\nport = 1", code: "CONFIG_UNKNOWN", says: /Maybe "http"/ },
  { name: "a wrong key at the top", toml: 'datadir = "/x"', code: "CONFIG_UNKNOWN", says: /Maybe "data_dir"/ },
  { name: "a key from nowhere", toml: "[http]\nquantum = 1", code: "CONFIG_UNKNOWN", says: /There are: http\.port/ },
  { name: "a section written as a value", toml: "http = 80", code: "CONFIG_INVALID", says: /\[http\]/ },
  {
    name: "text for a number",
    toml: '[http]\nport = "eighty"',
    code: "CONFIG_INVALID",
    says: /http\.port.*port number/s,
  },
  { name: "a port too high", toml: "[http]\nport = 65536", code: "CONFIG_INVALID", says: /http\.port/ },
  { name: "a fraction", toml: "[network]\nlease_minutes = 1.5", code: "CONFIG_INVALID", says: /whole number/ },
  {
    name: "a wrong word",
    toml: '[network]\ndhcp = "maybe"',
    code: "CONFIG_INVALID",
    says: /"proxy", "proxy-4011", "full", "off"/,
  },
  {
    name: "a group that routers flood",
    toml: '[multicast]\ngroup = "224.0.0.5"',
    code: "CONFIG_INVALID",
    says: /multicast/,
  },
  { name: "a unicast group", toml: '[multicast]\ngroup = "10.0.0.1"', code: "CONFIG_INVALID", says: /multicast/ },
  { name: "a rate without unit", toml: '[multicast]\nrate = "12"', code: "CONFIG_INVALID", says: /12MB\/s/ },
  { name: "a name without its number", toml: '[hosts]\nnames = "lab"', code: "CONFIG_INVALID", says: /braces/ },
  { name: "a name with a space", toml: '[hosts]\nnames = "my lab-{nn}"', code: "CONFIG_INVALID", says: /braces/ },
  { name: "a pool backwards", toml: '[network]\npool = "10.0.0.9-10.0.0.1"', code: "CONFIG_INVALID", says: /range/ },
  { name: "an address over 255", toml: '[network]\nrouter = "10.0.0.256"', code: "CONFIG_INVALID", says: /IPv4/ },
  { name: "a loader outside", toml: '[boot]\nloaders = { "7" = "../x.efi" }', code: "CONFIG_INVALID", says: /loaders/ },
  {
    name: "no architecture",
    toml: '[boot]\nloaders = { x64 = "x.efi" }',
    code: "CONFIG_INVALID",
    says: /architecture/,
  },
  { name: "full DHCP without a pool", toml: '[network]\ndhcp = "full"', code: "CONFIG_INVALID", says: /network\.pool/ },
  { name: "broken TOML", toml: "[http\nport=1", code: "CONFIG_SYNTAX", says: /line 1/ },
];
for (const { name, toml, code, says } of refused) {
  test(`${name} is refused, with the file's name`, () => {
    const file = fileOf(toml);
    assert.throws(
      () => loadConfig({ file }),
      (error) =>
        error instanceof Fault && error.code === code && says.test(error.message) && error.message.includes(file),
    );
  });
}

test("the menu: a PIN of digits, which no error shows, and at most eight images", () => {
  const { values } = loadConfig({
    file: fileOf('[boot]\nmenu = true\nmenu_pin = "490215"\nmenu_image = "lab-debian"'),
  });
  assert.deepEqual(
    [values["boot.menu"], values["boot.menu_pin"], values["boot.menu_image"], values["boot.menu_seconds"]],
    [true, "490215", ["lab-debian"], 10],
  );
  for (const pin of ['"1x34"', "490215", '"123"', '"1234567890123"']) {
    assert.throws(
      () => loadConfig({ file: fileOf(`[boot]\nmenu_pin = ${pin}`) }),
      (error) =>
        error instanceof Fault &&
        error.code === "CONFIG_INVALID" &&
        error.message.includes("digits") &&
        !JSON.stringify(error).includes(pin.replaceAll('"', "")),
    );
  }
  const nine = Array.from({ length: 9 }, (_, index) => `"image-${index}"`).join(", ");
  assert.throws(() => loadConfig({ file: fileOf(`[boot]\nmenu_image = [${nine}]`) }), /at most 8/);
});

test("a file that is named must be there", () => {
  assert.throws(() => loadConfig({ file: join(directory, "absent.toml") }), { code: "CONFIG_MISSING" });
});

const otherWays: readonly { readonly sources: ConfigSources; readonly says: RegExp }[] = [
  { sources: { env: { BOOTCAST_HTTP_PORT: "x" } }, says: /BOOTCAST_HTTP_PORT/ },
  { sources: { flags: { "htp.port": "1" } }, says: /--set.*Maybe "http\.port"/s },
  { sources: { flags: { "http.port": "-1" } }, says: /--set http\.port/ },
];
for (const { sources, says } of otherWays) {
  test(`wrong values outside the file say where they come from: ${says.source}`, () => {
    assert.throws(() => loadConfig({ file: fileOf(""), ...sources }), says);
  });
}
