import { keyFingerprint } from "../../images/signature.ts";
import type { RunningStream } from "../../server/stream/hub.ts";
import { Exit, outputOptions, print } from "../terminal/output.ts";
import type { ImageSource } from "./source.ts";

/** Prints how a stream went for each receiver. @returns the exit code that says so */
export function printSummary(stream: RunningStream, { manifest, signer }: ImageSource): Exit {
  const { name, version } = manifest.tag;
  const done = stream.receivers.filter(({ state }) => state === "done").length;
  const others = stream.receivers.filter(({ state }) => state !== "done");
  if (outputOptions().json) {
    const receivers = stream.receivers.map(({ name, state, symbolsReceived, symbolsLost }) => ({
      name,
      state,
      symbolsReceived,
      symbolsLost,
    }));
    print(
      JSON.stringify({
        type: "result",
        image: name,
        imageVersion: version,
        streamId: stream.streamId,
        signedBy: keyFingerprint(signer),
        sentBytes: stream.figures().sentBytes,
        receivers,
      }),
    );
  } else {
    print(`${done} of ${stream.receivers.length} receivers restored ${name}.`);
    for (const other of others) print(`  ${other.name}: ${other.state}`);
  }
  if (others.length === 0) return Exit.done;
  return done === 0 ? Exit.failed : Exit.someHostsFailed;
}
