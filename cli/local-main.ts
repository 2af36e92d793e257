import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Logger, pino } from "pino";
import { SITE_KEYS_PATH } from "../agent/client/site-keys.ts";
import { BOOT_MEDIUM_LABEL } from "../agent/disk/boot-medium.ts";
import { assertInsideBootImage } from "../agent/machine/inside.ts";
import { thisMachine } from "../agent/machine/machine-files.ts";
import { restart, switchOff } from "../agent/machine/restart.ts";
import { tools } from "../agent/machine/tools.ts";
import { IMAGES_FOLDER } from "../scripts/boot-image/stick/menu.ts";
import { agentLocal } from "./agent/local.ts";
import { asFault, faultText } from "./terminal/output.ts";
import { Questions } from "./terminal/questions.ts";

const DATA_DIRECTORY = "/run/bootcast/data";
const STICK_DIRECTORY = "/run/bootcast/stick";
/** A stick behind a slow hub appears late. */
const STICK_WITHIN_MS = 15_000;
const TOOL_TIMEOUT_MS = 10_000;

/**
 * The program of a boot stick: the boot image runs it as one bundled file in place of the agent. It goes on until the
 * person has the machine restarted or switched off.
 */
export async function main(): Promise<void> {
  assertInsideBootImage(thisMachine);
  const log = pino({ level: "silent" });
  // The site's key is where a data directory has it, so that images are checked as everywhere.
  mkdirSync(join(DATA_DIRECTORY, "keys"), { recursive: true });
  copyFileSync(SITE_KEYS_PATH, join(DATA_DIRECTORY, "keys", "site.pub"));
  const isMounted = await mountStick();
  if (!isMounted) process.stdout.write(`There is no volume ${BOOT_MEDIUM_LABEL}: no images of a stick are offered.\n`);
  const images = isMounted ? [join(STICK_DIRECTORY, IMAGES_FOLDER)] : [];
  for (;;) {
    const questions = new Questions();
    try {
      await agentLocal({ dataDir: DATA_DIRECTORY, images, isNetworkAsked: true }, questions);
      const answer = await questions.ask("\nEnter: choose again; r: restart this machine; p: switch it off: ");
      if (/^r/i.test(answer ?? "")) await end(restart, log);
      if (/^p/i.test(answer ?? "")) await end(switchOff, log);
    } catch (error) {
      process.stderr.write(faultText(asFault(error)));
      await sleep(2000);
    } finally {
      questions.close();
    }
  }
}

async function end(how: typeof restart, log: Logger): Promise<void> {
  await tools.run("umount", [STICK_DIRECTORY], { timeoutMs: TOOL_TIMEOUT_MS }).catch(() => undefined);
  await how(tools, log);
}

/** Read-only: the stick stays as it is, and may be pulled out at any time. */
async function mountStick(): Promise<boolean> {
  mkdirSync(STICK_DIRECTORY, { recursive: true });
  for (const deadline = performance.now() + STICK_WITHIN_MS; performance.now() < deadline; await sleep(1000)) {
    const device = await tools
      .run("blkid", ["--label", BOOT_MEDIUM_LABEL], { timeoutMs: TOOL_TIMEOUT_MS })
      .then((printed) => printed.trim())
      .catch(() => "");
    if (device === "") continue;
    await tools.run("mount", ["-t", "vfat", "-o", "ro", device, STICK_DIRECTORY], { timeoutMs: TOOL_TIMEOUT_MS });
    return true;
  }
  return false;
}

if (import.meta.main) {
  main().catch((error: unknown) => {
    process.stderr.write(faultText(asFault(error)));
    process.exitCode = 1;
  });
}
