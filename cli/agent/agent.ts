import { Command } from "commander";
import { startAgent } from "../../agent/start.ts";
import { dataDirOf } from "../settings/read-configuration.ts";
import { examples, fail, globalOptions } from "../terminal/output.ts";
import { Questions } from "../terminal/questions.ts";
import type { PlanFlags } from "./plan.ts";

/** `bootcast agent`: what the boot image runs. Refuses to run anywhere else. */
export function agentCommand(): Command {
  const command = new Command("agent").description(
    "Re-images this machine on a server's order. Runs inside the boot image only, where it starts by itself.\n\n" +
      "With --local it needs no server and runs on any Linux machine: it shows what the machine is, and a person " +
      "chooses an image and a disk. Nothing is erased before the question is answered with y.\n\n" +
      "With --plan it says what it would change on a restored disk, and changes nothing.",
  );
  examples(command, [
    "bootcast agent                                   # inside the boot image",
    "sudo bootcast agent --local                      # choose an image and a disk of this machine",
    "sudo bootcast agent --local --images /media/usb  # offer the disk images of a folder, too",
    "sudo bootcast agent --plan --disk golden.img --host-name lab-07  # what a host's name and identity would change",
  ]);
  return globalOptions(command)
    .option("--local", "restore a disk of this machine, as the person in front of it says")
    .option(
      "--images <dir>",
      "with --local: a folder whose disk images are offered (several times: several)",
      collect,
      [],
    )
    .option("--no-network", "with --local: do not look for streams on the network")
    .option("--noverify", "with --local: do not read the disk back")
    .option("--trust <file>", "with --local: public keys (PEM) whose images are accepted")
    .option("--data-dir <dir>", "with --local: where the store and the site's key are (BOOTCAST_DATA_DIR)")
    .option(
      "--enrol-file <file>",
      "inside the boot image: a file with the enrolment token (bootcast host enrolment show)",
    )
    .option("--plan", "show what naming a restored disk would change; nothing is changed")
    .option(
      "--disk <path>",
      "with --plan: a disk, or a file that holds one (default: this machine's disks)",
      collect,
      [],
    )
    .option("--host-name <name>", "with --plan: who the restored system is to be (default: this machine's name)")
    .option("--mac <address>", "with --plan: the host's Ethernet address (default: this machine's)")
    .option("--hardware-uuid <uuid>", "with --plan: the Hardware UUID of a Mac (default: this machine's)")
    .action(async ({ local, plan, dataDir, images, network, enrolFile, ...flags }: AgentFlags) => {
      if (plan === true) await runPlan(flags);
      else
        process.exitCode =
          local === true
            ? await runLocal({ ...flags, dataDir, images, network })
            : await startAgent({ enrolmentPath: enrolFile });
    });
}

type AgentFlags = PlanFlags & {
  readonly local?: boolean;
  readonly plan?: boolean;
  readonly images: readonly string[];
  readonly network: boolean;
  readonly noverify?: boolean;
  readonly trust?: string;
  readonly enrolFile?: string;
  readonly dataDir?: string | undefined;
};

async function runPlan(flags: PlanFlags): Promise<void> {
  const { agentPlan } = await import("./plan.ts");
  try {
    await agentPlan(flags);
  } catch (error) {
    fail(error);
  }
}

async function runLocal({ dataDir, images, network, ...flags }: Omit<AgentFlags, "disk">): Promise<number> {
  const { agentLocal } = await import("./local.ts");
  const questions = new Questions();
  try {
    return await agentLocal({ ...flags, dataDir: dataDirOf(dataDir), images, isNetworkAsked: network }, questions);
  } catch (error) {
    return fail(error);
  } finally {
    questions.close();
  }
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}
