import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { refuseNetworkDisk } from "../../../server/db/network-disk.ts";
import {
  type DatabasePlace,
  databasePlace,
  type PostgresPlace,
  parseDatabaseUrl,
  placeText,
} from "../../../server/db/place.ts";

const directory = mkdtempSync(join(tmpdir(), "bootcast-place-"));
after(() => rmSync(directory, { recursive: true }));

const postgres: Omit<PostgresPlace, "host"> = {
  port: 5432,
  user: "bootcast",
  database: "lab",
  tls: "verify-full",
  authorityFile: undefined,
  password: undefined,
};

const places: readonly { readonly url: string; readonly place: DatabasePlace; readonly text?: string }[] = [
  { url: "sqlite:/srv/bootcast/room.db", place: { file: "/srv/bootcast/room.db" } },
  { url: "postgres://bootcast@db.example/lab", place: { ...postgres, host: "db.example" } },
  {
    url: "postgresql://bootcast@db.example:6432/lab?sslmode=require",
    place: { ...postgres, host: "db.example", port: 6432, tls: "require" },
    text: "postgres://bootcast@db.example:6432/lab?sslmode=require",
  },
  {
    url: "postgres://bootcast@[fd00::1]/lab?sslrootcert=/etc/ca.pem",
    place: { ...postgres, host: "fd00::1", authorityFile: "/etc/ca.pem" },
  },
  // What cannot be listened to has no TLS.
  { url: "postgres://bootcast@localhost/lab", place: { ...postgres, host: "localhost", tls: "disable" } },
  {
    url: "postgres:///lab?host=/run/pg&user=bootcast",
    place: { ...postgres, host: "/run/pg", tls: "disable" },
  },
  {
    url: "postgres://%2Frun%2Fpg/lab?port=5433&user=bootcast",
    place: { ...postgres, host: "/run/pg", port: 5433, tls: "disable" },
    text: "postgres:///lab?host=/run/pg&port=5433&user=bootcast",
  },
  {
    url: "postgres:///lab",
    place: { ...postgres, host: "/var/run/postgresql", user: undefined, tls: "disable" },
    text: "postgres:///lab?host=/var/run/postgresql",
  },
  { url: "postgres://a%40b@db/x%20y", place: { ...postgres, host: "db", user: "a@b", database: "x y" } },
];

for (const { url, place, text: shown = url } of places) {
  test(`database.url ${url}`, () => {
    assert.deepEqual(parseDatabaseUrl(url), place);
    const text = placeText(place);
    assert.equal(text, shown);
    assert.deepEqual(parseDatabaseUrl(text), place, "what is shown can be typed");
  });
}

for (const url of [
  "",
  "bootcast.db",
  "sqlite:",
  "sqlite:room.db",
  "sqlite:/srv/",
  "mysql://bootcast@db/lab",
  "postgres://bootcast:secret@db/lab",
  "postgres://db",
  "postgres://db/",
  "postgres://db/a/b",
  "postgres://db:99999/lab",
  "postgres://db/lab?port=0",
  "postgres://db/lab?sslmode=prefer",
  "postgres://db/lab?password=secret",
  "postgres://db/lab?target_session_attrs=any",
  "postgres://db/lab#x",
  "postgres://%ZZ/lab",
]) {
  test(`database.url ${url} is not allowed`, () => assert.equal(parseDatabaseUrl(url), undefined));
}

test("without a setting it is a file in the data directory", () => {
  const place = databasePlace("/srv/bootcast", { url: undefined, passwordFile: undefined });
  assert.deepEqual(place, { file: "/srv/bootcast/bootcast.db" });
});

test("the password is the first line of a file that not everybody may read, and is never shown", () => {
  const passwordFile = join(directory, "password");
  const url = "postgres://bootcast@db/lab";
  writeFileSync(passwordFile, "horse battery\r\nmore\n", { mode: 0o640 });
  const place = databasePlace("/", { url, passwordFile });
  assert.equal("password" in place && place.password, "horse battery");
  assert.equal(placeText(place), url);
  chmodSync(passwordFile, 0o644);
  assert.throws(() => databasePlace("/", { url, passwordFile }), { code: "PASSWORD_FILE", why: /644/ });
  writeFileSync(passwordFile, "\n");
  chmodSync(passwordFile, 0o600);
  assert.throws(() => databasePlace("/", { url, passwordFile }), { code: "PASSWORD_FILE", why: /empty/ });
  assert.throws(() => databasePlace("/", { url, passwordFile: join(directory, "absent") }), { code: "PASSWORD_FILE" });
});

// linux/magic.h; node gives the kernel's long, which may be negative.
for (const [name, type] of [
  ["NFS", 0x6969],
  ["CIFS", 0xff534d42],
  ["CIFS", 0xff534d42 | 0],
  ["SMB", 0xfe534d42],
  ["SMB", 0x517b],
] as const) {
  test(`a database on ${name} (${type}) is refused with what to do`, () => {
    const asked: string[] = [];
    const typeOf = (folder: string) => asked.push(folder) && type;
    assert.throws(() => refuseNetworkDisk("/srv/lab/bootcast.db", typeOf), {
      code: "DATABASE_ON_NETWORK_DISK",
      message: new RegExp(name),
      fix: /sqlite:\/var\/lib.*postgres:\/\//,
    });
    assert.deepEqual(asked, ["/srv/lab"]);
  });
}

test("one on a local disk, in memory or nowhere is not", () => {
  const ext4 = 0xef53;
  refuseNetworkDisk("/srv/bootcast.db", () => ext4);
  refuseNetworkDisk(":memory:", () => 0x6969);
  refuseNetworkDisk(join(directory, "absent", "x.db"));
  refuseNetworkDisk(join(directory, "x.db"));
});
