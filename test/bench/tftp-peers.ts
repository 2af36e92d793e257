import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** A server to measure: its command, where it listens, and how it is known to be up. */
export type Contender = {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
};

/** Ours by both of its engines, and those peers that this machine has or can fetch. */
export function contenders(address: string, directory: string): Contender[] {
  const node = join(import.meta.dirname, "../../node_modules/.bin/node");
  const serve = join(import.meta.dirname, "tftp-serve.ts");
  const ours = (name: string, ...more: string[]): Contender => ({
    name,
    program: node,
    args: [serve, address, directory, ...more],
  });
  return [
    ours("bootcast"),
    ours("bootcast, node:dgram", "dgram"),
    ...dnsmasq(address, directory),
    ...tftpHpa(address, directory),
  ];
}

function dnsmasq(address: string, directory: string): Contender[] {
  const program = "/usr/sbin/dnsmasq";
  if (!existsSync(program)) return skipped("dnsmasq", "it is not installed");
  const words = `--keep-in-foreground --conf-file=/dev/null --port=0 --enable-tftp --tftp-max=200 --user=root --pid-file --bind-interfaces`;
  return [
    {
      name: "dnsmasq",
      program,
      args: [...words.split(" "), `--listen-address=${address}`, `--tftp-root=${directory}`],
    },
  ];
}

/** Its package would start a server on this machine; so it is only unpacked, into a folder of our own. */
function tftpHpa(address: string, directory: string): Contender[] {
  const home = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "bootcast/bench/tftpd-hpa");
  const program = join(home, "usr/sbin/in.tftpd");
  if (!existsSync(program)) {
    mkdirSync(home, { recursive: true });
    try {
      const packages = ["tftpd-hpa", "libwrap0"];
      execFileSync("apt-get", ["download", "-o", "APT::Sandbox::User=root", ...packages], { cwd: home, stdio: "pipe" });
      for (const name of readdirSync(home).filter((one) => one.endsWith(".deb"))) {
        execFileSync("dpkg-deb", ["-x", join(home, name), home]);
      }
    } catch (error) {
      return skipped("tftpd-hpa", (error as Error).message.split("\n")[0]!);
    }
  }
  const libraries = ["lib", "usr/lib"]
    .map((folder) => join(home, folder))
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)));
  return [
    {
      name: "tftpd-hpa",
      program,
      args: ["--foreground", "--user", "root", "--address", `${address}:69`, "--secure", directory],
      env: { PATH: process.env["PATH"], LD_LIBRARY_PATH: libraries.join(":") },
    },
  ];
}

function skipped(name: string, why: string): [] {
  console.error(`${name} is left out: ${why}.`);
  return [];
}
