import { Command } from "commander";
import { formatSize } from "../../agent/disk/sizes.ts";
import type { CapturePlanBody, CaptureRequestBody } from "../../server/api/capture-schemas.ts";
import { withServer } from "../client.ts";
import { configOptions } from "../settings/configuration.ts";
import { ago } from "../terminal/ago.ts";
import { examples, globalOptions, printResult, say } from "../terminal/output.ts";

type CaptureOptions = {
  readonly as?: string;
  readonly notes?: string;
  readonly keepFreeBlocks?: boolean;
  readonly plan?: boolean;
};

/** `bootcast capture`: orders a host to make an image of its disk. */
export function captureCommand(): Command {
  const command = new Command("capture").description(
    "Makes an image of a host's disk: the next version of an image. The disk is only read. The host begins when it next boots from the network, or at once when it waits, and starts its own disk afterwards.",
  );
  examples(command, [
    "bootcast capture lab-07                                   # the next version of the image lab-07",
    'bootcast capture lab-07 --as lab-debian --notes "with the new compiler"',
    "bootcast capture lab-07 --plan                            # what would be captured",
    "bootcast session watch                                    # how far it is",
  ]);
  configOptions(globalOptions(command));
  return command
    .argument("<host>", "name, id or MAC address")
    .option("--as <name>", "name of the image (default: the host's)")
    .option("--notes <text>", "what people should know about this version")
    .option("--keep-free-blocks", "keep also what lies in free blocks of a file system: deleted files")
    .option("--plan", "show what would be captured, and order nothing")
    .action((host: string, options: CaptureOptions) => capture(command, host, options));
}

async function capture(command: Command, host: string, options: CaptureOptions): Promise<void> {
  const request: CaptureRequestBody = {
    host,
    ...(options.as === undefined ? {} : { image: options.as }),
    ...(options.notes === undefined ? {} : { notes: options.notes }),
    ...(options.keepFreeBlocks === undefined ? {} : { keepFreeBlocks: options.keepFreeBlocks }),
  };
  await withServer(command, async (api) => {
    if (options.plan === true) {
      printResult(await api.post<CapturePlanBody>("/api/v1/captures/plan", request), planText);
      return;
    }
    const ordered = await api.post<{ deployId: number; plan: CapturePlanBody }>("/api/v1/captures", request);
    const { deployId: session, plan } = ordered;
    say(planText(plan));
    printResult({ session, plan }, () => `Session ${session} is ordered.`);
    say(
      `${plan.host.name} begins now when it waits, else when it boots from the network. Follow it: bootcast session watch ${session}`,
    );
  });
}

function planText(plan: CapturePlanBody, nowMs: number = Date.now()): string {
  const { host } = plan;
  const disks = host.disks.map(({ path, sizeBytes, model }) => `${path} ${formatSize(sizeBytes)} ${model}`.trim());
  return [
    `The disk of ${host.name} (${host.mac}, ${host.model || "unknown model"}, last seen ${ago(nowMs - host.lastSeenMs)}) becomes ${plan.image} version ${plan.nextVersion}.`,
    `Disk: ${disks.join(", ")}. It is only read${plan.keepFreeBlocks ? ", free blocks too" : "; free blocks are left out where the file system is known"}.`,
    `The store has ${formatSize(plan.freeBytes)} free.`,
    ...(plan.warning === "" ? [] : [`! ${plan.warning}`]),
  ].join("\n");
}
