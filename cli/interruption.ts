import { Fault } from "../fault.ts";

/**
 * A signal that is aborted, with Fault INTERRUPTED, by Ctrl-C or by `kill`. A second Ctrl-C ends the process at once.
 *
 * @param what the sentence that the person then reads
 */
export function interruption(what = "The command was interrupted."): {
  readonly signal: AbortSignal;
  readonly dispose: () => void;
} {
  const controller = new AbortController();
  const onSignal = (name: NodeJS.Signals) => {
    dispose();
    controller.abort(
      new Fault("INTERRUPTED", {
        what,
        why: `It received ${name}.`,
        fix: "Start it again; it begins anew.",
      }),
    );
  };
  const dispose = () => {
    process.removeListener("SIGINT", onSignal);
    process.removeListener("SIGTERM", onSignal);
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  return { signal: controller.signal, dispose };
}
