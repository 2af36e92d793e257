import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import fc from "fast-check";
import { pino } from "pino";
import { findBootFile } from "../../../server/boot/files.ts";
import { FileCache } from "../../../server/tftp/file-cache.ts";
import { linkBlockSize } from "../../../server/tftp/link-mtu.ts";
import { decodeTftp, encodeTftp, type TftpOption, type TftpPacket } from "../../../server/tftp/packet.ts";
import { startTftp, type TftpServer } from "../../../server/tftp/server.ts";
import type { TftpSettings } from "../../../server/tftp/settings.ts";
import { Client } from "./driven-client.ts";

/** Every test of the whole server, once for each way that it can carry out transfers. */
export async function serverTests(engine: "thread" | "dgram"): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), "bootcast-tftp-"));
  const root = join(home, "boot");
  const loader = Buffer.from(Array.from({ length: 173_792 }, (_, at) => (at * 7 + (at >> 9)) & 0xff));
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level: "debug" }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  let server: TftpServer;

  const settings: TftpSettings = {
    addresses: ["127.0.0.1", "127.0.0.2"],
    port: 0,
    root,
    log,
    now: () => performance.now(),
    withoutKoffi: engine === "dgram",
  };

  before(async () => {
    await mkdir(join(root, "x64"), { recursive: true });
    await mkdir(join(root, "EFI"));
    await writeFile(join(root, "snponly.efi"), loader);
    await writeFile(join(root, "x64/snponly.efi"), loader);
    await writeFile(join(root, "EFI/BOOTX64.EFI"), "upper case");
    await writeFile(join(root, "empty"), "");
    await writeFile(join(root, "even"), loader.subarray(0, 1024));
    await writeFile(join(home, "secret"), "outside");
    await symlink("x64/snponly.efi", join(root, "inside.efi"));
    await symlink(join(home, "secret"), join(root, "escape"));
    await symlink("/etc", join(root, "etc"));
    await promisify(execFile)("mkfifo", [join(root, "fifo")]);
    server = await startTftp(settings);
  });

  after(async () => {
    await server.stop();
    await rm(home, { recursive: true, force: true });
  });

  async function withClient(work: (client: Client) => Promise<void>): Promise<void> {
    const client = await Client.open();
    try {
      await work(client);
    } finally {
      client.close();
    }
  }

  /** The log line of the transfer that ends next. */
  async function transferLine(file: string, from: number): Promise<Record<string, unknown>> {
    for (let turn = 0; turn < 2000; turn += 1) {
      const line = lines.slice(from).find((candidate) => candidate["file"] === file && "result" in candidate);
      if (line !== undefined) return line;
      await new Promise((resolve) => setImmediate(resolve));
    }
    throw new Error(`no log line for ${file}`);
  }

  test(`${engine}: OVMF's whole boot: the probe from one port, the file from the next`, async () => {
    const vectors: { name: string; hex: string }[] = JSON.parse(
      readFileSync(new URL("../../vectors/tftp.json", import.meta.url), "utf8"),
    );
    const bytesOf = (name: string) => Buffer.from(vectors.find((vector) => vector.name === name)!.hex, "hex");
    const to = { address: "127.0.0.1", port: server.port };
    const mark = lines.length;
    await withClient(async (client) => {
      client.send(bytesOf("ovmf-rrq-size-probe"), to);
      const { packet, from } = await client.next();
      assert.deepEqual(packet, {
        type: "oack",
        options: [
          ["tsize", "173792"],
          ["blksize", "1468"],
          ["windowsize", "4"],
        ],
      });
      client.send(bytesOf("ovmf-error-abort-after-size"), from);
      const line = await transferLine("snponly.efi", mark);
      assert.equal(line["result"], "probe");
      assert.equal(client.waiting, 0, "an ERROR is never answered");
    });
    await withClient(async (client) => {
      client.send(bytesOf("ovmf-rrq-download"), to);
      const { packet, from } = await client.next();
      assert.deepEqual(packet.type === "oack" && packet.options, [
        ["blksize", "1468"],
        ["windowsize", "4"],
      ]);
      client.send({ type: "ack", block: 0 }, from);
      const parts: Uint8Array[] = [];
      for (let block = 1; parts.at(-1)?.length === 1468 || block === 1; block += 1) {
        const { packet: data } = await client.next();
        assert(data.type === "data" && data.block === block);
        parts.push(data.data);
        if (block % 4 === 0 || data.data.length < 1468) client.send({ type: "ack", block }, from);
      }
      assert.equal(Buffer.compare(Buffer.concat(parts), loader), 0);
    });
  });

  test(`${engine}: one log line a transfer, with the figures`, async () => {
    const mark = lines.length;
    await withClient(async (client) => {
      client.ask(server.port, "even");
      for (const block of [1, 2, 3]) {
        const { packet, from } = await client.next();
        assert(packet.type === "data" && packet.block === block);
        assert.equal(packet.data.length, block === 3 ? 0 : 512);
        client.send({ type: "ack", block }, from);
      }
      const { level, time, pid, hostname, ms, ...line } = await transferLine("even", mark);
      assert.deepEqual(line, {
        client: "127.0.0.1",
        file: "even",
        bytes: 1024,
        blockSize: 512,
        windowSize: 1,
        resends: 0,
        result: "done",
        msg: "tftp: sent",
      });
    });
  });

  const answers: readonly [name: string, file: string, code: number | "data"][] = [
    ["missing", "revocations_sku.efi", 1],
    ["missing, in a directory", "/grub/x86_64-efi/command.lst", 1],
    ["the directory itself", "/", 1],
    ["a directory", "x64", 1],
    ["an empty name", "", 1],
    ["a FIFO", "fifo", 1],
    ["..", "../secret", 2],
    ["\\..\\", "\\..\\secret", 2],
    ["a link out of the root", "escape", 1],
    ["a directory link out of the root", "etc/passwd", 1],
    ["an absolute path", "/etc/hostname", 1],
    ["a link inside the root", "inside.efi", "data"],
    ["another case", "efi/bootx64.efi", "data"],
    ["backslashes", "\\X64\\snponly.efi", "data"],
    ["an empty file", "empty", "data"],
    ["a Mac's path", "/private/tftpboot/snponly.efi", "data"],
  ];

  for (const [name, file, expected] of answers) {
    test(`${engine}: ${name} (${JSON.stringify(file)}): ${expected === "data" ? "served" : `error ${expected}`}`, async () => {
      await withClient(async (client) => {
        client.ask(server.port, file);
        const { packet, from } = await client.next();
        if (expected === "data") assert.equal(packet.type, "data");
        else assert.equal(packet.type === "error" && packet.code, expected);
        assert.notEqual(from.port, server.port, "every answer has its own transfer ID");
        client.send({ type: "error", code: 0, message: "enough" }, from);
      });
    });
  }

  test(`${engine}: read-only`, async () => {
    await withClient(async (client) => {
      const before = await readdir(root);
      client.send(
        { type: "write", file: "x.bin", mode: "octet", options: [] },
        { address: "127.0.0.1", port: server.port },
      );
      const { packet } = await client.next();
      assert.equal(packet.type === "error" && packet.code, 2);
      assert.deepEqual(await readdir(root), before);
    });
  });

  test(`${engine}: netascii: text is converted, another mode and large files are refused in words`, async () => {
    await writeFile(join(root, "lines.txt"), "one\ntwo\r\nthree\rfour\n");
    await writeFile(join(root, "large.txt"), Buffer.alloc(1024 * 1024 + 1));
    const first = async (file: string, mode: string) => {
      let answer: TftpPacket | undefined;
      await withClient(async (client) => {
        const options: TftpOption[] = [["tsize", "0"]];
        client.send({ type: "read", file, mode, options }, { address: "127.0.0.1", port: server.port });
        const { packet, from } = await client.next();
        answer = packet;
        if (packet.type !== "oack") return;
        client.send({ type: "ack", block: 0 }, from);
        answer = (await client.next()).packet;
        client.send({ type: "error", code: 0, message: "enough" }, from);
        assert(answer.type === "data");
        assert.deepEqual(packet.options, [["tsize", String(answer.data.length)]]);
      });
      return answer;
    };
    const text = await first("lines.txt", "netascii");
    assert.equal(text?.type === "data" && text.data.toString(), "one\r\ntwo\r\nthree\r\0four\r\n");
    for (const [file, mode] of [
      ["lines.txt", "mail"],
      ["large.txt", "netascii"],
    ] as const) {
      assert.deepEqual(await first(file, mode), { type: "error", code: 0, message: "Only mode octet is served" });
    }
  });

  test(`${engine}: a malformed request is told so, everything else malformed gets silence`, async () => {
    await withClient(async (client) => {
      const to = { address: "127.0.0.1", port: server.port };
      for (const hex of ["", "00", "0001", "0003", "00040001", "0005000100", "000600", "0000616200", "00096162"]) {
        client.send(Buffer.from(hex, "hex"), to);
      }
      client.send(Buffer.from("0001626f6f74", "hex"), to);
      const { packet } = await client.next();
      assert.equal(packet.type === "error" && packet.code, 4);
      client.ask(server.port, "no such file");
      const { packet: second } = await client.next();
      assert.equal(second.type === "error" && second.code, 1, "nothing came in between");
    });
  });

  test(`${engine}: any bytes, on the listening port and in a transfer, change nothing`, async () => {
    const packets = fc.sample(
      fc
        .tuple(fc.integer({ min: 0, max: 7 }), fc.uint8Array({ maxLength: 40 }))
        .map(([opcode, rest]) => Buffer.concat([Buffer.from([0, opcode]), rest])),
      300,
    );
    await withClient(async (client) => {
      client.ask(server.port, "even");
      const { from } = await client.next();
      // Errors and the right ACKs end or continue a transfer: that is their purpose.
      const harmless = packets.filter((bytes) => bytes[1] !== 5 && bytes[1] !== 4);
      const stranger = await Client.open();
      for (const bytes of packets) stranger.send(bytes, { address: "127.0.0.1", port: server.port });
      for (const bytes of harmless) client.send(bytes, from);
      client.send({ type: "ack", block: 1 }, from);
      const { packet } = await client.next();
      assert(packet.type === "data" && packet.block === 2);
      client.send({ type: "error", code: 0, message: "enough" }, from);
      stranger.close();
    });
    await withClient(async (client) => {
      client.ask(server.port, "missing");
      assert.equal((await client.next()).packet.type, "error");
    });
  });

  test(`${engine}: the interface's MTU limits the block size`, { skip: process.platform !== "linux" }, async () => {
    assert.equal(await linkBlockSize("127.0.0.1"), 65536 - 32);
    assert.equal(await linkBlockSize("203.0.113.1"), undefined);
  });

  test(`${engine}: the reply comes from the address that was asked`, async () => {
    for (const address of ["127.0.0.1", "127.0.0.2"]) {
      await withClient(async (client) => {
        client.ask(server.port, "even", [], address);
        const { from } = await client.next();
        assert.equal(from.address, address);
        client.send({ type: "error", code: 0, message: "enough" }, from);
        client.ask(server.port, "missing", [], address);
        assert.equal((await client.next()).from.address, address);
      });
    }
  });

  test(`${engine}: a stranger gets error 5 and cannot end the transfer`, async () => {
    const stranger = await Client.open();
    try {
      await withClient(async (client) => {
        client.ask(server.port, "even");
        const { from } = await client.next();
        for (const packet of [
          { type: "error", code: 0, message: "die" },
          { type: "ack", block: 1 },
        ] as const) {
          stranger.send(packet, from);
          const { packet: answer } = await stranger.next();
          assert.equal(answer.type === "error" && answer.code, 5);
        }
        client.send({ type: "ack", block: 1 }, from);
        const { packet } = await client.next();
        assert(packet.type === "data" && packet.block === 2);
        client.send({ type: "error", code: 0, message: "enough" }, from);
      });
    } finally {
      stranger.close();
    }
  });

  test(`${engine}: two transfers that are made to answer each other come to rest`, async () => {
    await withClient(async (client) => {
      // An attacker would forge the source; the effect is the same as errors from a stranger without end.
      client.ask(server.port, "even");
      const { from } = await client.next();
      const stranger = await Client.open();
      for (let copy = 0; copy < 20; copy += 1) stranger.send({ type: "error", code: 5, message: "" }, from);
      client.send({ type: "ack", block: 1 }, from);
      await client.next();
      assert(stranger.waiting <= 8, `${stranger.waiting} answers`);
      stranger.close();
      client.send({ type: "error", code: 0, message: "enough" }, from);
    });
  });

  test(`${engine}: the same request again from the same port repeats the first packet of the same transfer`, async () => {
    await withClient(async (client) => {
      client.ask(server.port, "even", [["blksize", "100"]]);
      const first = await client.next();
      client.ask(server.port, "even", [["blksize", "100"]]);
      const second = await client.next();
      assert.deepEqual(second.packet, first.packet);
      assert.equal(second.from.port, first.from.port);
      client.send({ type: "error", code: 0, message: "enough" }, first.from);
    });
  });

  test(`${engine}: another request from the same port is a new transfer`, async () => {
    await withClient(async (client) => {
      client.ask(server.port, "even");
      const first = await client.next();
      client.ask(server.port, "snponly.efi");
      const second = await client.next();
      assert.notEqual(second.from.port, first.from.port);
      assert(second.packet.type === "data");
      assert.equal(Buffer.compare(second.packet.data, loader.subarray(0, 512)), 0);
      client.send({ type: "error", code: 0, message: "enough" }, second.from);
    });
  });

  test(`${engine}: a client that stopped before its last ACK can fetch the file again from the same port`, async () => {
    await withClient(async (client) => {
      client.ask(server.port, "empty", [["tsize", "0"]]);
      const { from } = await client.next();
      client.send({ type: "ack", block: 0 }, from);
      assert.equal((await client.next()).packet.type, "data");
      client.ask(server.port, "empty", [["tsize", "0"]]);
      const again = await client.next();
      assert.equal(again.packet.type, "oack");
      assert.notEqual(again.from.port, from.port);
      client.send({ type: "error", code: 0, message: "enough" }, again.from);
    });
  });

  test(`${engine}: more than eight open transfers of one client are not answered`, async () => {
    const own = await startTftp({ ...settings, addresses: ["127.0.0.1"] });
    const clients = await Promise.all(Array.from({ length: 9 }, () => Client.open()));
    const to = { address: "127.0.0.1", port: own.port };
    try {
      for (const client of clients) client.send({ type: "read", file: "even", mode: "octet", options: [] }, to);
      await Promise.all(clients.slice(0, 8).map((client) => client.next()));
      assert.equal(own.counters.overLimit, 1);
      assert.equal(clients[8]!.waiting, 0);
    } finally {
      await own.stop();
      const last = await Promise.all(clients.slice(0, 8).map((client) => client.next()));
      for (const { packet } of last) assert.deepEqual(packet, { type: "error", code: 0, message: "The server stops" });
      for (const client of clients) client.close();
    }
  });

  test(`${engine}: a file that is replaced is served anew`, async () => {
    const read = async () => {
      let text = "";
      await withClient(async (client) => {
        client.ask(server.port, "changing");
        const { packet, from } = await client.next();
        assert(packet.type === "data");
        client.send({ type: "ack", block: 1 }, from);
        text = Buffer.from(packet.data).toString();
      });
      return text;
    };
    await writeFile(join(root, "changing"), "first");
    assert.equal(await read(), "first");
    await writeFile(join(root, "changing.new"), "other");
    await rename(join(root, "changing.new"), join(root, "changing"));
    assert.equal(await read(), "other");
  });

  test(`${engine}: a taken port and a missing address are said in words`, async () => {
    const start = (change: Partial<TftpSettings>) => startTftp({ ...settings, ...change });
    await assert.rejects(start({ addresses: ["127.0.0.1"], port: server.port }), { code: "TFTP_PORT_TAKEN" });
    await assert.rejects(start({ addresses: ["127.0.0.3", "203.0.113.1"] }), { code: "TFTP_ADDRESS_MISSING" });
    await assert.rejects(start({ addresses: [] }), { code: "TFTP_NO_ADDRESS" });
  });

  // Independent clients. -----------------------------------------------------------------------------------------------

  type TftpClient = { get(remote: string, local: string, done: (error?: Error) => void): void };
  const npmTftp: { createClient(options: object): TftpClient } = createRequire(import.meta.url)("tftp");

  async function fetchWithNpmTftp(port: number, file: string, options: object = {}): Promise<Buffer> {
    const local = join(home, `download-${Math.random()}`);
    const client = npmTftp.createClient({ host: "127.0.0.1", port, ...options });
    await promisify(client.get.bind(client))(file, local);
    return readFile(local);
  }

  for (const options of [
    {},
    { blockSize: 512, windowSize: 1 },
    { blockSize: 8, windowSize: 8 },
    { windowSize: 64 },
    { blockSize: 65464 },
  ]) {
    test(`${engine}: npm tftp fetches the file, ${JSON.stringify(options)}`, async () => {
      assert.equal(Buffer.compare(await fetchWithNpmTftp(server.port, "x64/snponly.efi", options), loader), 0);
    });
  }

  test(`${engine}: npm tftp fetches an empty file and one of whole blocks, and hears of a missing one`, async () => {
    assert.equal((await fetchWithNpmTftp(server.port, "empty")).length, 0);
    assert.equal((await fetchWithNpmTftp(server.port, "even", { blockSize: 512 })).length, 1024);
    await assert.rejects(fetchWithNpmTftp(server.port, "missing"), /File not found/);
  });

  for (const [name, args] of [
    ["atftp", (port: number, file: string, to: string) => ["-g", "-r", file, "-l", to, "127.0.0.1", String(port)]],
    [
      "atftp",
      (port: number, file: string, to: string) => [
        "--option",
        "blksize 1468",
        "--option",
        "windowsize 8",
        "--option",
        "tsize 0",
        "--option",
        "timeout 2",
        "-g",
        "-r",
        file,
        "-l",
        to,
        "127.0.0.1",
        String(port),
      ],
    ],
    [
      "tftp",
      (port: number, file: string, to: string) => ["-m", "binary", "127.0.0.1", String(port), "-c", "get", file, to],
    ],
    ["curl", (port: number, file: string, to: string) => ["-s", "-o", to, `tftp://127.0.0.1:${port}/${file}`]],
    [
      "curl",
      (port: number, file: string, to: string) => [
        "-s",
        "--tftp-blksize",
        "1468",
        "-o",
        to,
        `tftp://127.0.0.1:${port}/${file}`,
      ],
    ],
  ] as const) {
    const isThere = process.env["PATH"]!.split(":").some((directory) => isFile(join(directory, name)));
    const what = args(0, "FILE", "TO").slice(0, 4).join(" ");
    test(`${engine}: ${name} fetches the file (${what})`, {
      skip: !isThere && `${name} is not installed`,
    }, async () => {
      const to = join(home, `download-${Math.random()}`);
      await promisify(execFile)(name, [...args(server.port, "x64/snponly.efi", to)], { timeout: 20_000 });
      assert.equal(Buffer.compare(await readFile(to), loader), 0);
    });
  }

  function isFile(path: string): boolean {
    try {
      readFileSync(path, { flag: "r" });
      return true;
    } catch {
      return false;
    }
  }

  test(`${engine}: what is made for a client comes before the disk, further roots have their prefix, and a client its own limits`, async () => {
    const other = join(home, "netboot");
    await mkdir(join(other, "i386"), { recursive: true });
    await writeFile(join(other, "i386/booter"), "a Mac's booter");
    const asked: string[] = [];
    const own = await startTftp({
      ...settings,
      roots: [{ prefix: "NetBoot/lab.nbi", directory: other }],
      async generate(name, { clientAddress, serverAddress }) {
        asked.push(`${name} ${clientAddress} ${serverAddress}`);
        return name === "grub/grub.cfg" ? Buffer.from("set timeout=0") : undefined;
      },
      settingsFor: async (client) =>
        client === "127.0.0.1" ? { blockBytes: 1400, windowBlocks: 2, wrapsTo: 1 } : undefined,
    });
    try {
      await withClient(async (client) => {
        const ask = async (file: string) => {
          const options: TftpOption[] = [
            ["tsize", "0"],
            ["blksize", "1468"],
            ["windowsize", "4"],
          ];
          client.send({ type: "read", file, mode: "octet", options }, { address: "127.0.0.1", port: own.port });
          const { packet, from } = await client.next();
          client.send({ type: "error", code: 0, message: "enough" }, from);
          return packet.type === "oack" ? packet.options.map(([name, value]) => `${name} ${value}`).join(", ") : packet;
        };
        assert.equal(await ask("//grub/grub.cfg"), "tsize 13, blksize 1400, windowsize 2");
        assert.equal(
          await ask("/private/tftpboot/NetBoot/lab.nbi/i386/booter"),
          "tsize 14, blksize 1400, windowsize 2",
        );
        assert.deepEqual(asked, [
          "grub/grub.cfg 127.0.0.1 127.0.0.1",
          "NetBoot/lab.nbi/i386/booter 127.0.0.1 127.0.0.1",
        ]);
      });
    } finally {
      await own.stop();
    }
  });

  test(`${engine}: a Raspberry Pi's files are looked for under its serial number, then in rpi`, async () => {
    await mkdir(join(root, "rpi"), { recursive: true });
    await mkdir(join(root, "12345678"), { recursive: true });
    await writeFile(join(root, "rpi/start4.elf"), "for all");
    await writeFile(join(root, "rpi/config.txt"), "for all");
    await writeFile(join(root, "12345678/config.txt"), "its own");
    for (const [file, expected] of [
      ["12345678/start4.elf", "for all"],
      ["12345678/config.txt", "its own"],
      ["ABCDEF01/config.txt", "for all"],
      ["1234567/config.txt", undefined],
      ["12345678/recovery.elf", undefined],
    ] as const) {
      await withClient(async (client) => {
        client.ask(server.port, file);
        const { packet, from } = await client.next();
        assert.equal(packet.type === "data" ? Buffer.from(packet.data).toString() : undefined, expected, file);
        if (expected === undefined) assert.equal(packet.type === "error" && packet.code, 1);
        else client.send({ type: "ack", block: 1 }, from);
      });
    }
  });

  test(`${engine}: full-size blocks that never arrive: the next requests get 1428, then 512 bytes, and the log says so`, async () => {
    const mark = lines.length;
    const own = await startTftp({ ...settings, addresses: ["127.0.0.1"] });
    const sizeOf = async (mayArrive: boolean) => {
      let size = 0;
      await withClient(async (client) => {
        const options: TftpOption[] = [["blksize", "1468"]];
        const request = { type: "read", file: "snponly.efi", mode: "octet", options } as const;
        client.send(request, { address: "127.0.0.1", port: own.port });
        const { packet, from } = await client.next();
        assert(packet.type === "oack");
        size = Number(packet.options[0]![1]);
        client.send({ type: "ack", block: 0 }, from);
        // The first block and three resends.
        for (let copy = 0; copy < (mayArrive ? 1 : 4); copy += 1)
          assert.equal((await client.next()).packet.type, "data");
        if (mayArrive) client.send({ type: "error", code: 0, message: "enough" }, from);
      });
      return size;
    };
    try {
      assert.deepEqual([await sizeOf(false), await sizeOf(false), await sizeOf(true)], [1468, 1428, 512]);
      const notes = lines
        .slice(mark)
        .filter(({ msg }) => msg === "tftp: block size fallback: MTU problem on the path?");
      assert.deepEqual(
        notes.map(({ blockSize }) => blockSize),
        [1428, 512],
      );
    } finally {
      await own.stop();
    }
  });

  test(`${engine}: more transfers than are allowed at once are not answered`, async () => {
    const own = await startTftp({ ...settings, addresses: ["127.0.0.1"], maxTransfers: 2, maxTransfersPerClient: 5 });
    const clients = await Promise.all(Array.from({ length: 3 }, () => Client.open()));
    try {
      for (const client of clients) {
        const to = { address: "127.0.0.1", port: own.port };
        client.send({ type: "read", file: "even", mode: "octet", options: [] }, to);
      }
      await Promise.all(clients.slice(0, 2).map((client) => client.next()));
      assert.equal(own.counters.overLimit, 1);
      assert.equal(clients[2]!.waiting, 0);
    } finally {
      await own.stop();
      for (const client of clients) client.close();
    }
  });

  test(`${engine}: a room that asks for one file costs one read of the disk`, async () => {
    const cache = new FileCache();
    const file = (await findBootFile(root, ["x64", "snponly.efi"]))!;
    const all = await Promise.all(Array.from({ length: 200 }, () => cache.read(file)));
    assert.equal(cache.reads, 1);
    assert(all.every((bytes) => bytes === all[0]));
  });

  // Each engine has its turn with one of the two.
  const wrapTo = engine === "thread" ? 0 : 1;
  test(`${engine}: 40 MB in blocks of 512 bytes: the numbers wrap, to ${wrapTo} as is set`, async () => {
    const large = Buffer.alloc(40_000_000, loader);
    await writeFile(join(root, "large"), large);
    const own = await startTftp({ ...settings, addresses: ["127.0.0.1"], wrapTo });
    try {
      await withClient(async (client) => {
        const to = { address: "127.0.0.1", port: own.port };
        client.send({ type: "read", file: "large", mode: "octet", options: [["windowsize", "16"]] }, to);
        const { from } = await client.next();
        let acknowledged = 0;
        const acknowledge = (block: number) => {
          acknowledged = block;
          client.send({ type: "ack", block }, from);
        };
        acknowledge(0);
        let at = 0;
        let expected = 1;
        for (let inWindow = 0, isLast = false; !isLast; ) {
          const { packet } = await client.next();
          assert(packet.type === "data");
          // It comes again after a slow turn of this process.
          if (packet.block === acknowledged) acknowledge(acknowledged);
          if (packet.block !== expected) continue;
          assert.equal(large.compare(packet.data, 0, packet.data.length, at, at + packet.data.length), 0);
          at += packet.data.length;
          isLast = packet.data.length < 512;
          inWindow = (inWindow + 1) % 16;
          if (inWindow === 0 || isLast) acknowledge(expected);
          expected = expected === 65535 ? wrapTo : expected + 1;
        }
        assert.equal(at, large.length);
      });
    } finally {
      await own.stop();
    }
  });

  test(`${engine}: sixty clients at once get the file`, async () => {
    // Each has an address of its own, so that the limit for one client is not what is tried here.
    const addresses = Array.from({ length: 60 }, (_, at) => `127.0.1.${at + 1}`);
    const files = await Promise.all(addresses.map((address) => fetchFrom(address)));
    for (const file of files) assert.equal(Buffer.compare(file, loader), 0);
  });

  /** A small client of RFC 1350 with block size 1468, bound to an address of its own. */
  async function fetchFrom(address: string): Promise<Buffer> {
    const socket = createSocket("udp4");
    socket.bind(0, address);
    await once(socket, "listening");
    const request = { type: "read", file: "snponly.efi", mode: "octet", options: [["blksize", "1468"]] } as const;
    const parts: Uint8Array[] = [];
    try {
      return await new Promise<Buffer>((resolve, reject) => {
        const deadline = setTimeout(() => reject(new Error("too slow")), 20_000);
        socket.on("message", (bytes, from) => {
          const packet = decodeTftp(bytes);
          if (packet.type === "data" && packet.block === parts.length + 1) parts.push(packet.data);
          socket.send(encodeTftp({ type: "ack", block: parts.length }), from.port, from.address);
          if (packet.type !== "data" || packet.data.length === 1468) return;
          clearTimeout(deadline);
          resolve(Buffer.concat(parts));
        });
        socket.send(encodeTftp(request), server.port, "127.0.0.1");
      });
    } finally {
      socket.close();
    }
  }
}
